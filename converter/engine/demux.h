/* Opens the container, finds audio tracks in it, and gives their packets. */
#ifndef UNREEL_CONVERTER_ENGINE_DEMUX_H
#define UNREEL_CONVERTER_ENGINE_DEMUX_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <stdbool.h>

#include "core/mem.h"
#include "failure.h"
#include "input.h"

struct demux;

/* Only the container: probed and held to codecs_formats() and `decoders`. The caller closes it with
 * avformat_close_input; the input must outlive it. */
enum err demux_open_container(struct input *in, const char *decoders,
                              AVFormatContext **ret_container, struct failure *f) MUST_CHECK;

/* The input must outlive it. */
enum err demux_open(struct input *in, struct demux **ret_demux, struct failure *f) MUST_CHECK;
void demux_close(struct demux *d);
DEFINE_AUTO(struct demux *, demux_close)

/* All but the chapters. */
void demux_describe(const struct demux *d, struct job_input *ret_input);
/* For what describes the file: its tags, chapters and pictures. */
const AVFormatContext *demux_container(const struct demux *d);

/* track: a number as demux_describe counts, a language, or "" for the container's default. Fails
 * when that cannot be decoded; PROBLEM_TRACK_NOT_FOUND says which there are. */
enum err demux_find_track(const struct demux *d, const char *track, int *ret_track, int *ret_stream,
                          struct failure *f) MUST_CHECK;
/* A stream that demux_find_track gave, and its decoder. */
const AVStream *demux_stream(const struct demux *d, int stream);
const AVCodec *demux_decoder(const struct demux *d, int stream);
/* The length that the container promises for a stream, 0 when it promises none. */
int64_t demux_promised_us(const struct demux *d, int stream);
/* The best guess of its length, for progress; 0 when there is none. */
int64_t demux_duration_us(const struct demux *d, int stream);

/* Packets of this stream are wanted, besides those of earlier calls. */
void demux_select(struct demux *d, int stream);
/* As jump_to; the stream is the only selected one. */
enum err demux_jump(struct demux *d, int stream, int64_t from, int64_t to, AVPacket *packet,
                    int64_t *ret_at, struct failure *f) MUST_CHECK;
/* The next packet of a selected stream. *ret_end: there is none. A read error ends it like the end:
 * what is missing shows in the duration. */
enum err demux_read(struct demux *d, AVPacket *packet, bool *ret_end, struct failure *f) MUST_CHECK;

#endif
