#include "demux.h"

#include <libavutil/avstring.h>
#include <stdio.h>
#include <string.h>

#include "codecs.h"
#include "core/text.h"
#include "duration.h"
#include "jump.h"
#include "language.h"

#include "core/banned.h"

#define PROBE_SIZE "5000000"
#define ANALYZE_US "2000000"
#define MAX_STREAMS "32"
#define STREAMS_MAX 64 /* more than that: some containers find streams late */
#define MAX_PROBE_PACKETS "2500"
/* Below this libavformat guesses: text and noise look like MPEG audio to it. */
#define MIN_PROBE_SCORE 10
#define MAX_PROBE_BYTES 5000000
/* Of what a head says, and may be told: the parent takes no more. */
#define MAX_CHANNELS 1024

struct demux {
    struct input *in;
    AVFormatContext *context;
    bool is_examined;          /* libavformat has looked into the data */
    bool has_promise;          /* what the lengths say is the container's word, no guess */
    int64_t promised_whole_us; /* of the container; 0: none */
    bool is_selecting;         /* demux_select was called */
    uint64_t selected;         /* streams, by bits */
    unsigned seen_streams;     /* whose discard has been set */
};

/* No file and no address is ever opened for a container's sake. */
static int deny_open(AVFormatContext *context, AVIOContext **io, const char *url, int flags,
                     AVDictionary **options)
{
    (void)context;
    (void)io;
    (void)url;
    (void)flags;
    (void)options;
    return AVERROR(EACCES);
}

static enum err open_failed(const struct demux *d, int error, const char *format, struct failure *f)
{
    if (input_is_broken(d->in)) {
        return ERR_CANCELLED;
    }
    if (error == AVERROR(ENOMEM)) {
        return failure_set(f, PROBLEM_RESOURCE_LIMIT,
                           "The file has more than " MAX_STREAMS
                           " tracks, or needs too much memory.");
    }
    return failure_set(f, PROBLEM_CORRUPT_INPUT,
                       "The file is damaged or incomplete: its %s header cannot be read.", format);
}

/* Probing apart from opening tells a stranger's format from a broken file of ours. */
static enum err probe(struct demux *d, const AVInputFormat **ret_format, struct failure *f)
{
    AVIOContext *avio = input_avio(d->in);
    const AVInputFormat *format = NULL;
    /* Another pass may have been over it. A stream has had none. */
    if (avio_tell(avio) != 0 && avio_seek(avio, 0, SEEK_SET) < 0) {
        (void)failure_set(f, PROBLEM_INTERNAL, "the input cannot go back to its start");
        return ERR_FAULT;
    }
    int score = av_probe_input_buffer2(avio, &format, "", NULL, 0, MAX_PROBE_BYTES);
    if (input_is_broken(d->in)) {
        return ERR_CANCELLED;
    }
    if (score < MIN_PROBE_SCORE || format == NULL ||
        av_match_list(format->name, codecs_formats(), ',') == 0) {
        (void)failure_set(f, PROBLEM_UNSUPPORTED_FORMAT,
                          "This is not a video or audio file that can be read here.");
        return ERR_INVALID;
    }
    *ret_format = format;
    return OK;
}

static int set_options(const char *decoders, AVDictionary **options)
{
    static const char *const pairs[][2] = {
        { "probesize", PROBE_SIZE },    { "analyzeduration", ANALYZE_US },
        { "max_streams", MAX_STREAMS }, { "max_probe_packets", MAX_PROBE_PACKETS },
        { "protocol_whitelist", "" },
    };
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        int error = av_dict_set(options, pairs[i][0], pairs[i][1], 0);
        if (error < 0) {
            return error;
        }
    }
    int error = av_dict_set(options, "format_whitelist", codecs_formats(), 0);
    return error < 0 ? error : av_dict_set(options, "codec_whitelist", decoders, 0);
}

static enum err open_container(struct demux *d, const char *decoders, struct failure *f)
{
    const AVInputFormat *format = NULL;
    enum err err = probe(d, &format, f);
    if (err != OK) {
        return err;
    }
    d->context = avformat_alloc_context();
    if (d->context == NULL) {
        return open_failed(d, AVERROR(ENOMEM), format->long_name, f);
    }
    d->context->pb = input_avio(d->in);
    d->context->io_open = deny_open;
    AVDictionary *options = NULL;
    int error = set_options(decoders, &options);
    if (error >= 0) {
        /* Frees the context when it fails. */
        error = avformat_open_input(&d->context, "", format, &options);
    }
    av_dict_free(&options);
    return error < 0 ? open_failed(d, error, format->long_name, f) : OK;
}

static bool is_audio(const AVStream *stream)
{
    return stream->codecpar->codec_type == AVMEDIA_TYPE_AUDIO;
}

static bool is_selected(const struct demux *d, int stream)
{
    return stream < STREAMS_MAX && (d->selected & UINT64_C(1) << stream) != 0;
}

/* Whether it may be sound: of some (DTS in MPEG-TS) only the packets tell what they are. */
static bool may_be_audio(const AVStream *stream)
{
    bool is_open = stream->codecpar->codec_type == AVMEDIA_TYPE_UNKNOWN ||
                   stream->codecpar->codec_type == AVMEDIA_TYPE_DATA;
    return is_audio(stream) || (is_open && stream->codecpar->codec_id == AV_CODEC_ID_NONE);
}

/* Streams that are not read are not even parsed; where the container allows it they are not
 * fetched. A stream may turn up late. AVI's empty packets are wanted: its lengths count them in. */
static void discard_others(struct demux *d)
{
    for (; d->seen_streams < d->context->nb_streams; d->seen_streams++) {
        AVStream *stream = d->context->streams[d->seen_streams];
        bool is_wanted = d->is_selecting ? is_selected(d, (int)d->seen_streams)
                                         : may_be_audio(stream);
        stream->discard = is_wanted ? AVDISCARD_NONE : AVDISCARD_ALL;
    }
}

static bool is_encrypted(const AVStream *stream)
{
    static const uint32_t tags[] = { MKTAG('e', 'n', 'c', 'a'), MKTAG('d', 'r', 'm', 's'),
                                     MKTAG('a', 'a', 'v', 'd') };
    for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
        if (stream->codecpar->codec_tag == tags[i]) {
            return true;
        }
    }
    /* Matroska's sign of the same. */
    return av_dict_get(stream->metadata, "enc_key_id", NULL, 0) != NULL ||
           av_stream_get_side_data(stream, AV_PKT_DATA_ENCRYPTION_INIT_INFO, NULL) != NULL;
}

static const AVCodec *find_decoder(const AVStream *stream)
{
    const AVCodec *decoder = avcodec_find_decoder(stream->codecpar->codec_id);
    bool is_allowed = decoder != NULL && av_match_list(decoder->name, codecs_decoders(), ',') != 0;
    return is_allowed ? decoder : NULL;
}

static const char *language_of(const AVStream *stream)
{
    const AVDictionaryEntry *language = av_dict_get(stream->metadata, "language", NULL, 0);
    return language == NULL ? "" : language->value;
}

/* Whether the track with this number may be taken. */
static bool is_wanted(const char *track, const AVStream *stream, int number)
{
    char text[16];
    (void)snprintf(text, sizeof(text), "%d", number);
    return track[0] == '\0' || strcmp(track, text) == 0 ||
           language_matches(track, language_of(stream));
}

static enum err track_not_found(const struct demux *d, const char *wanted, struct failure *f)
{
    AUTO(mem_free) struct job_input *input = xmalloc(sizeof(*input));
    char list[128] = "";
    size_t len = 0;
    demux_describe(d, input);
    for (int i = 0; i < input->track_count && len < sizeof(list) - 1; i++) {
        const struct job_track *track = &input->tracks[i];
        int added = snprintf(list + len, sizeof(list) - len, "%s%d (%s%s%s)", i == 0 ? "" : ", ", i,
                             track->codec, track->language[0] == '\0' ? "" : ", ", track->language);
        len += added > 0 ? (size_t)added : 0;
    }
    return failure_set(f, PROBLEM_TRACK_NOT_FOUND, "There is no track %s; there are: %s.", wanted,
                       list);
}

/* Why none of the wanted tracks will do; `first` is one of them, NULL: there is none. */
static enum err no_track(const struct demux *d, const char *track, const AVStream *first,
                         bool has_audio, struct failure *f)
{
    if (first == NULL && has_audio) {
        return track_not_found(d, track, f);
    }
    if (first == NULL) {
        return failure_set(f, PROBLEM_NO_AUDIO, "The video has no sound.");
    }
    if (is_encrypted(first)) {
        return failure_set(f, PROBLEM_ENCRYPTED_INPUT, "The sound is encrypted (DRM).");
    }
    return failure_set(f, PROBLEM_UNSUPPORTED_CODEC,
                       "Its sound is in a format (%s) that cannot be decoded here.",
                       avcodec_get_name(first->codecpar->codec_id));
}

static bool is_default(const AVStream *stream)
{
    return (stream->disposition & AV_DISPOSITION_DEFAULT) != 0;
}

/* Of those that are wanted, the track marked as default, else the first that can be decoded. */
enum err demux_find_track(const struct demux *d, const char *track, int *ret_track, int *ret_stream,
                          struct failure *f)
{
    const AVStream *first = NULL;
    const AVStream *best = NULL;
    int number = -1;
    for (unsigned i = 0; i < d->context->nb_streams && i < STREAMS_MAX; i++) {
        const AVStream *stream = d->context->streams[i];
        number += is_audio(stream) ? 1 : 0;
        if (!is_audio(stream) || !is_wanted(track, stream, number)) {
            continue;
        }
        first = first == NULL ? stream : first;
        bool beats = best == NULL || (is_default(stream) && !is_default(best));
        if (beats && find_decoder(stream) != NULL && !is_encrypted(stream)) {
            best = stream;
            *ret_track = number;
            *ret_stream = (int)i;
        }
    }
    return best != NULL ? OK : no_track(d, track, first, number >= 0, f);
}

static bool has_audio_only(const struct demux *d)
{
    for (unsigned i = 0; i < d->context->nb_streams; i++) {
        if (d->context->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_VIDEO) {
            return false;
        }
    }
    return true;
}

/* Whether the header alone told enough: then nothing is decoded to find it out, which for a video
 * costs more than everything else at the start. */
static bool is_known(const struct demux *d)
{
    if ((d->context->ctx_flags & AVFMTCTX_NOHEADER) != 0) {
        return false;
    }
    for (unsigned i = 0; i < d->context->nb_streams; i++) {
        const AVCodecParameters *par = d->context->streams[i]->codecpar;
        if (is_audio(d->context->streams[i]) &&
            (par->codec_id == AV_CODEC_ID_NONE || par->sample_rate == 0)) {
            return false;
        }
    }
    return true;
}

static enum err examine(struct demux *d, struct failure *f)
{
    discard_others(d);
    int error = avformat_find_stream_info(d->context, NULL);
    if (error < 0) {
        return open_failed(d, error, d->context->iformat->long_name, f);
    }
    return OK;
}

/* Estimates from the data fill the same fields as a promise, and with several streams one's length
 * is lent to the others. */
static bool is_promise(const struct demux *d)
{
    return !d->is_examined || (has_audio_only(d) && d->context->duration_estimation_method ==
                                                        AVFMT_DURATION_FROM_STREAM);
}

int64_t demux_promised_us(const struct demux *d, int stream)
{
    const AVStream *s = demux_stream(d, stream);
    if (!d->has_promise) {
        return 0;
    }
    int64_t us = duration_of_stream_us(s);
    us = us > 0 ? us : duration_of_tag_us(s);
    return us == 0 && has_audio_only(d) ? d->promised_whole_us : us;
}

int64_t demux_duration_us(const struct demux *d, int stream)
{
    int64_t us = duration_of_stream_us(demux_stream(d, stream));
    return us > 0 ? us : duration_of_container_us(d->context);
}

static bool is_any_length_known(const struct demux *d)
{
    bool is_known = duration_of_container_us(d->context) > 0;
    for (unsigned i = 0; i < d->context->nb_streams; i++) {
        const AVStream *stream = d->context->streams[i];
        is_known |= is_audio(stream) && duration_of_stream_us(stream) > 0;
    }
    return is_known;
}

static enum err look_inside(struct demux *d, struct failure *f)
{
    d->is_examined = !is_known(d);
    enum err err = d->is_examined ? examine(d, f) : OK;
    if (err != OK) {
        return err;
    }
    d->has_promise = is_promise(d);
    d->promised_whole_us = duration_of_container_us(d->context);
    /* A file of sound alone whose header keeps its length to itself (a bare MP3). What is found
     * then is a guess. */
    if (!d->is_examined && !is_any_length_known(d) && has_audio_only(d)) {
        d->has_promise = false;
        err = examine(d, f);
    }
    return err;
}

enum err demux_open_container(struct input *in, const char *decoders,
                              AVFormatContext **ret_container, struct failure *f)
{
    struct demux d = { .in = in };
    enum err err = open_container(&d, decoders, f);
    if (err == OK) {
        *ret_container = d.context;
    }
    return err;
}

enum err demux_open(struct input *in, struct demux **ret_demux, struct failure *f)
{
    AUTO(demux_close) struct demux *d = xcalloc(1, sizeof(*d));
    d->in = in;
    enum err err = open_container(d, codecs_decoders(), f);
    err = err != OK ? err : look_inside(d, f);
    if (err != OK) {
        return err;
    }
    *ret_demux = TAKE(d);
    return OK;
}

void demux_close(struct demux *d)
{
    if (d != NULL) {
        avformat_close_input(&d->context);
        free(d);
    }
}

void demux_select(struct demux *d, int stream)
{
    d->is_selecting = true;
    d->selected |= UINT64_C(1) << stream;
    d->seen_streams = 0;
    discard_others(d);
}

const AVFormatContext *demux_container(const struct demux *d)
{
    return d->context;
}

const AVStream *demux_stream(const struct demux *d, int stream)
{
    return d->context->streams[stream];
}

const AVCodec *demux_decoder(const struct demux *d, int stream)
{
    return find_decoder(demux_stream(d, stream));
}

/* Texts out of a file: only what is plain ASCII passes. */
static void copy_plain(char *dst, size_t size, const char *src)
{
    size_t len = 0;
    for (; src[len] != '\0' && len < size - 1; len++) {
        dst[len] = (char)(src[len] > 0x20 && src[len] < 0x7f ? src[len] : '?');
    }
    dst[len] = '\0';
}

static void describe_track(const AVStream *stream, struct job_track *track)
{
    int channels = stream->codecpar->ch_layout.nb_channels;
    int rate_hz = stream->codecpar->sample_rate;
    track->channels = channels > 0 && channels <= MAX_CHANNELS ? channels : 0;
    track->sample_rate_hz = rate_hz > 0 ? rate_hz : 0;
    copy_plain(track->codec, sizeof(track->codec), avcodec_get_name(stream->codecpar->codec_id));
    copy_plain(track->language, sizeof(track->language), language_of(stream));
}

void demux_describe(const struct demux *d, struct job_input *ret_input)
{
    struct failure none;
    int default_track = 0;
    int default_stream = -1;
    memset(ret_input, 0, sizeof(*ret_input));
    copy_plain(ret_input->container, sizeof(ret_input->container), d->context->iformat->name);
    if (demux_find_track(d, "", &default_track, &default_stream, &none) == OK) {
        ret_input->duration_s = (double)demux_duration_us(d, default_stream) / 1e6;
    }
    for (unsigned i = 0; i < d->context->nb_streams && ret_input->track_count < JOB_TRACKS_MAX;
         i++) {
        if (is_audio(d->context->streams[i])) {
            struct job_track *track = &ret_input->tracks[ret_input->track_count];
            track->index = ret_input->track_count++;
            track->is_default = (int)i == default_stream;
            describe_track(d->context->streams[i], track);
        }
    }
}

enum err demux_read(struct demux *d, AVPacket *packet, bool *ret_end, struct failure *f)
{
    while (true) {
        int error = av_read_frame(d->context, packet);
        if (input_is_broken(d->in)) {
            return ERR_CANCELLED;
        }
        if (error == AVERROR(ENOMEM)) {
            return failure_set(f, PROBLEM_RESOURCE_LIMIT, "The file needs too much memory.");
        }
        if (error < 0) {
            *ret_end = true;
            return OK;
        }
        if (d->seen_streams < d->context->nb_streams) {
            discard_others(d);
        }
        if (is_selected(d, packet->stream_index)) {
            *ret_end = false;
            return OK;
        }
        av_packet_unref(packet);
    }
}

enum err demux_jump(struct demux *d, int stream, int64_t from, int64_t to, AVPacket *packet,
                    int64_t *ret_at, struct failure *f)
{
    bool is_possible = jump_to(d->context, stream, from, to, packet, ret_at);
    if (input_is_broken(d->in)) {
        return ERR_CANCELLED;
    }
    return is_possible ? OK
                       : failure_set(f, PROBLEM_CORRUPT_INPUT,
                                     "The file is damaged: its sound is not where it says.");
}
