/* What a job asks for: its options, the tags, and the outputs that are made of one decode. */
#ifndef UNREEL_JOBS_REQUEST_H
#define UNREEL_JOBS_REQUEST_H

#include <jansson.h>
#include <stdbool.h>

#include "core/error.h"
#include "jobs/options.h"

#define JOB_TAG_TEXT_SIZE 256
#define JOB_REQUEST_OUTPUTS_MAX 8

enum job_tag_name {
    JOB_TAG_TITLE,
    JOB_TAG_ARTIST,
    JOB_TAG_ALBUM,
    JOB_TAG_ALBUM_ARTIST,
    JOB_TAG_COMPOSER,
    JOB_TAG_GENRE,
    JOB_TAG_DATE,
    JOB_TAG_TRACK,
    JOB_TAG_DISC,
    JOB_TAG_COMMENT,
    JOB_TAG_COPYRIGHT,
    JOB_TAG_COUNT
};

/* "title", "artist", ... as the API and libavformat name them. */
const char *job_tag_name(enum job_tag_name name);

/* Tags of the MP3. Those that are not given come from the source. */
struct job_tags {
    unsigned given; /* bits 1 << enum job_tag_name; given and "": left out */
    char texts[JOB_TAG_COUNT][JOB_TAG_TEXT_SIZE]; /* UTF-8 */
};

struct job_request {
    struct job_options options; /* of the only output, and what `outputs` start from */
    struct job_tags tags;
    int output_count;                                    /* 0: one output, by `options` */
    struct job_options outputs[JOB_REQUEST_OUTPUTS_MAX]; /* whole: all values are effective */
};

void job_request_default(struct job_request *r);
/* Sets one member from text, in any order: an option by its name, "tags.title" ("": the tag is left
 * out), or "outputs" (a JSON array of 1 to JOB_REQUEST_OUTPUTS_MAX objects of options). As
 * job_options_set; the error names a member as "outputs[1].bitrate". */
enum err job_request_set(struct job_request *r, const char *name, const char *value,
                         struct error *e) MUST_CHECK;
/* After the last set: gives each output what it does not say itself, and checks that everything
 * fits together. ERR_INVALID names the field and what would be allowed. */
enum err job_request_settle(struct job_request *r, struct error *e) MUST_CHECK;
/* What is to be made, after job_request_settle: `outputs`, or the one by `options`. */
const struct job_options *job_request_outputs(const struct job_request *r, int *ret_count);
/* Whether an output is to get the picture that comes with the job. */
bool job_request_needs_cover(const struct job_request *r);
/* Whether both have the same effect. */
bool job_request_equal(const struct job_request *a, const struct job_request *b);
/* The options' object with the members "tags" (those given) and "outputs" ([]: the one by the
 * options) besides, each output whole; and back, as job_options_from_json: an output that is not
 * whole begins with the options. */
json_t *job_request_to_json(const struct job_request *r) MUST_CHECK;
enum err job_request_from_json(struct job_request *r, const json_t *json,
                               struct error *e) MUST_CHECK;

#endif
