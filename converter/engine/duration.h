/* How long a file's head says that things are, in microseconds. A head may say anything: what
 * cannot be is as if it were not said. */
#ifndef UNREEL_CONVERTER_ENGINE_DURATION_H
#define UNREEL_CONVERTER_ENGINE_DURATION_H

#include <libavformat/avformat.h>
#include <stdint.h>

/* 0: it is not said. The tag is what Matroska's writers note for each track. */
int64_t duration_of_stream_us(const AVStream *stream);
int64_t duration_of_tag_us(const AVStream *stream);
int64_t duration_of_container_us(const AVFormatContext *context);

#endif
