/* What stands before an MP3's sound: the ID3 tag of one output, out of what the file and the
 * request say. */
#ifndef UNREEL_CONVERTER_ENGINE_HEAD_H
#define UNREEL_CONVERTER_ENGINE_HEAD_H

#include <stddef.h>
#include <stdint.h>

#include "id3.h"
#include "plan.h"

/* The caller's, for as long as heads are made. */
struct head_source {
    const struct job_tags *tags; /* the file's and the request's, merged; `given`: the request's */
    const struct id3_chapter *chapters;
    size_t chapter_count;
    const uint8_t *picture; /* NULL: none */
    size_t picture_len;
};

/* start_ms, end_ms: the part of the source's sound, when silence was cut off too; end 0: to its
 * end. NULL: there is nothing to say. */
struct id3 *head_new(const struct head_source *source, const struct plan_output *output,
                     int64_t start_ms, int64_t end_ms) MUST_CHECK;

#endif
