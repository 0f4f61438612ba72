/* The options of a conversion: one table says their names, types, ranges and defaults, for parsing,
 * openapi and --help. */
#ifndef UNREEL_JOBS_OPTIONS_H
#define UNREEL_JOBS_OPTIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

#define JOB_TRACK_SIZE 12
#define JOB_FADE_MAX_MS 30000

enum job_mode { JOB_MODE_CBR, JOB_MODE_VBR, JOB_MODE_ABR };

enum job_preset {
    JOB_PRESET_STANDARD, /* vbr 2 */
    JOB_PRESET_VOICE,    /* abr 64, mono */
    JOB_PRESET_HIGH,     /* vbr 0 */
    JOB_PRESET_BEST,     /* cbr 320 */
};

/* The values are the effective ones, whatever they come from. */
struct job_options {
    enum job_preset preset; /* what was not given by name comes from it */
    enum job_mode mode;     /* mode; a bitrate alone means cbr, a quality alone vbr */
    int bitrate_kbps;       /* bitrate: cbr one of MPEG's, abr 8..320 */
    int quality;            /* quality: vbr 0 (best)..9 */
    int sample_rate_hz;     /* sample_rate: MPEG's nine rates, 0: the source's nearest */
    int channels;           /* channels: 1, 2, 0: the source's, two at most */
    int64_t start_ms;       /* start, end: of the source's sound; end 0: to its end */
    int64_t end_ms;
    int64_t fade_in_ms, fade_out_ms; /* 0..JOB_FADE_MAX_MS */
    char track[JOB_TRACK_SIZE];      /* number or language; "": the file's default */
    unsigned given;                  /* bits of what job_options_set was called for */
};

void job_options_default(struct job_options *o);

struct job_option_info {
    const char *name;
    const char *help;
    const char *values; /* in words: "8..320", "cbr|vbr|abr" */
    const char *default_value;
};
const struct job_option_info *job_option_table(size_t *ret_count);

/* Sets one option from text ("bitrate", "192" or "192k"; "start", "90.5" or "1:30.5"), in any
 * order. ERR_NOT_FOUND: no such option; ERR_INVALID: out of range, and *e says the range in the
 * user's terms. */
enum err job_options_set(struct job_options *o, const char *name, const char *value,
                         struct error *e) MUST_CHECK;
/* Checks that the whole fits together (a bitrate that MPEG-2's rates lack, ...). Call after the
 * last set. */
enum err job_options_check(const struct job_options *o, struct error *e) MUST_CHECK;
/* Whether both have the same effect, however that was said. */
bool job_options_equal(const struct job_options *a, const struct job_options *b);
/* An object of name: value, and back (unknown members are ERR_INVALID; absent ones keep their
 * value). Times are seconds. */
json_t *job_options_to_json(const struct job_options *o) MUST_CHECK;
enum err job_options_from_json(struct job_options *o, const json_t *json,
                               struct error *e) MUST_CHECK;

#endif
