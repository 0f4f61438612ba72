/* Opens the container, picks the audio track, and gives its packets. */
#ifndef UNREEL_CONVERTER_ENGINE_DEMUX_H
#define UNREEL_CONVERTER_ENGINE_DEMUX_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <stdbool.h>

#include "core/mem.h"
#include "failure.h"
#include "input.h"

struct demux;

/* track: a number as demux_describe counts, a language, or "" for the container's default. The
 * input must outlive it. PROBLEM_TRACK_NOT_FOUND says which there are. */
enum err demux_open(struct input *in, const char *track, struct demux **ret_demux,
                    struct failure *f) MUST_CHECK;
void demux_close(struct demux *d);
DEFINE_AUTO(struct demux *, demux_close)

/* The chosen track and its decoder. */
const AVStream *demux_stream(const struct demux *d);
const AVCodec *demux_decoder(const struct demux *d);
void demux_describe(const struct demux *d, struct job_input *ret_input);
/* The length that the container promises for the chosen track, 0 when it promises none. */
int64_t demux_promised_us(const struct demux *d);
/* The best guess of its length, for progress; 0 when there is none. */
int64_t demux_duration_us(const struct demux *d);

/* The chosen track's next packet. *ret_end: there is none. A read error ends it like the end: what
 * is missing shows in the duration. */
enum err demux_read(struct demux *d, AVPacket *packet, bool *ret_end, struct failure *f) MUST_CHECK;

#endif
