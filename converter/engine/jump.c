#include "jump.h"

#include <libavutil/avstring.h>

#include "core/banned.h"

/* In samples: some packets more than a decoder needs. */
#define LEAD 8192
/* A search reads some 40 chunks of the input: as much as some minutes of FLAC. */
#define FLAC_WORTH_S 300
/* These find a place in PCM by arithmetic. */
#define PCM_FORMATS "wav,w64,aiff,au,caf"
/* These have a table of all packets, each with its time. */
#define INDEXED_FORMATS "mov,mp4,m4a,3gp,3g2,mj2,caf"

static bool is_pcm(const AVStream *stream)
{
    enum AVCodecID id = stream->codecpar->codec_id;
    return id >= AV_CODEC_ID_FIRST_AUDIO && id < AV_CODEC_ID_ADPCM_IMA_QT;
}

/* Codecs that go on anywhere after a packet or two. */
static bool is_indexed_codec(const AVStream *stream)
{
    enum AVCodecID id = stream->codecpar->codec_id;
    return is_pcm(stream) || id == AV_CODEC_ID_AAC || id == AV_CODEC_ID_ALAC ||
           id == AV_CODEC_ID_FLAC;
}

/* Edit lists and broken tables show as packets of other lengths, or as packets to be left out. */
static bool has_even_index(AVStream *stream, int64_t from, int64_t to)
{
    int first = av_index_search_timestamp(stream, from, AVSEEK_FLAG_BACKWARD);
    int last = av_index_search_timestamp(stream, to, AVSEEK_FLAG_BACKWARD);
    int count = avformat_index_get_entries_count(stream);
    if (first < 0 || last <= first || last + 1 >= count) {
        return false;
    }
    int64_t at = avformat_index_get_entry(stream, first)->timestamp;
    int64_t step = 0;
    if (__builtin_sub_overflow(avformat_index_get_entry(stream, first + 1)->timestamp, at, &step)) {
        return false;
    }
    for (int i = first; i <= last + 1; i++) {
        const AVIndexEntry *entry = avformat_index_get_entry(stream, i);
        if (entry->timestamp != at || (entry->flags & AVINDEX_DISCARD_FRAME) != 0 ||
            __builtin_add_overflow(at, step, &at)) {
            return false;
        }
    }
    return step > 0;
}

/* Whether the packets of `to` can be found without reading those before, and the timestamps from
 * `from` to there count samples without a gap. Reads nothing. */
static bool is_exact(const AVFormatContext *context, AVStream *stream, int64_t from, int64_t to)
{
    const char *name = context->iformat->name;
    if ((context->pb->seekable & AVIO_SEEKABLE_NORMAL) == 0 || to <= from) {
        return false;
    }
    if (is_pcm(stream) && av_match_name(name, PCM_FORMATS) != 0) {
        return true;
    }
    /* FLAC's frames are numbered by samples, but the right one has to be searched for. */
    if (stream->codecpar->codec_id == AV_CODEC_ID_FLAC && av_match_name(name, "flac") != 0) {
        return to - from > (int64_t)FLAC_WORTH_S * stream->time_base.den;
    }
    return is_indexed_codec(stream) && av_match_list(name, INDEXED_FORMATS, ',') != 0 &&
           has_even_index(stream, from, to);
}

static bool land(AVFormatContext *context, int stream, int64_t at, AVPacket *packet)
{
    int64_t target = at > LEAD ? at - LEAD : 0;
    if (av_seek_frame(context, stream, target, AVSEEK_FLAG_BACKWARD) < 0) {
        return false;
    }
    while (av_read_frame(context, packet) >= 0) {
        if (packet->stream_index == stream) {
            return packet->pts != AV_NOPTS_VALUE && packet->pts <= at;
        }
        av_packet_unref(packet);
    }
    return false;
}

bool jump_to(AVFormatContext *context, int stream, int64_t from, int64_t to, AVPacket *packet,
             int64_t *ret_at)
{
    *ret_at = AV_NOPTS_VALUE;
    if (!is_exact(context, context->streams[stream], from, to)) {
        return true;
    }
    *ret_at = to;
    if (land(context, stream, to, packet)) {
        return true;
    }
    av_packet_unref(packet);
    *ret_at = from;
    return land(context, stream, from, packet);
}
