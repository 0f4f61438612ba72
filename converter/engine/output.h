/* One MP3 as it is written: the ID3 tag in front, the frames, and at the end what was not known
 * before. */
#ifndef UNREEL_CONVERTER_ENGINE_OUTPUT_H
#define UNREEL_CONVERTER_ENGINE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "channel.h"
#include "head.h"
#include "id3.h"
#include "loudness.h"
#include "plan.h"
#include "sink.h"

struct output {
    const struct plan_output *plan;
    bool is_stream;   /* nothing is patched */
    struct id3 *head; /* NULL: there is none */
    size_t head_len;
    struct sink sink;
};

/* What is pointed to must outlive it. */
void output_init(struct output *o, const struct channel *channel, const struct plan_output *plan,
                 bool is_stream);
void output_release(struct output *o);
bool output_has_begun(const struct output *o);

/* Writes the tag in front; start_ms, end_ms as heads_make. */
enum err output_begin(struct output *o, const struct heads *heads, int64_t start_ms,
                      int64_t end_ms) MUST_CHECK;
/* The first frame is the place for the tag frame, if there is to be one. */
enum err output_append(struct output *o, const uint8_t *bytes, size_t len) MUST_CHECK;
/* Takes back what was written. */
enum err output_restart(struct output *o) MUST_CHECK;
/* Puts the loudness into the tag and the report; gain_db is what was applied. */
void output_report_loudness(struct output *o, const struct loudness_result *r, double gain_db,
                            struct job_output *report);
/* Fills in what is known last, ends the output and tells the parent. `report` has all but the size,
 * the track and the chapter. */
enum err output_finish(struct output *o, const uint8_t *tag_frame, size_t tag_len,
                       const struct job_output *report) MUST_CHECK;

#endif
