/* The options of a conversion: one table says their names, types, ranges and defaults, for parsing,
 * openapi and --help. */
#ifndef UNREEL_JOBS_OPTIONS_H
#define UNREEL_JOBS_OPTIONS_H

#include <jansson.h>
#include <stddef.h>

#include "core/error.h"

enum job_mode { JOB_MODE_CBR, JOB_MODE_VBR, JOB_MODE_ABR };

/* The values are the effective ones; zero means "as the source" for sample rate and channels. */
struct job_options {
    enum job_mode mode; /* mode: cbr | vbr | abr; default cbr */
    int bitrate_kbps;   /* bitrate: cbr one of MPEG's, abr 8..320; default 192 */
    int quality;        /* quality: vbr 0 (best)..9; default 2 */
    int sample_rate_hz; /* sample_rate: MPEG's nine rates, 0: the source's nearest */
    int channels;       /* channels: 1, 2, 0: the source's, two at most */
};

void job_options_default(struct job_options *o);

struct job_option_info {
    const char *name;
    const char *help;
    const char *values; /* in words: "8..320", "cbr|vbr|abr" */
    const char *default_value;
};
const struct job_option_info *job_option_table(size_t *ret_count);

/* Sets one option from text ("bitrate", "192" or "192k"). ERR_NOT_FOUND: no such option;
 * ERR_INVALID: out of range, and *e says the range in the user's terms. */
enum err job_options_set(struct job_options *o, const char *name, const char *value,
                         struct error *e) MUST_CHECK;
/* Checks that the whole fits together (a bitrate that MPEG-2's rates lack, ...). Call after the
 * last set. */
enum err job_options_check(const struct job_options *o, struct error *e) MUST_CHECK;
/* An object of name: value, and back (unknown members are ERR_INVALID; absent ones keep their
 * value). */
json_t *job_options_to_json(const struct job_options *o) MUST_CHECK;
enum err job_options_from_json(struct job_options *o, const json_t *json,
                               struct error *e) MUST_CHECK;

#endif
