/* The table of options, and what options.c and options_json.c share about its rows. */
#ifndef UNREEL_JOBS_OPTION_TABLE_H
#define UNREEL_JOBS_OPTION_TABLE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "jobs/options.h"

#define OPTION_TIME_MAX_MS ((int64_t)1000 * 3600 * 1000)
#define OPTION_TRACK_NUMBER_MAX 31

enum option {
    OPTION_PRESET,
    OPTION_MODE,
    OPTION_BITRATE,
    OPTION_QUALITY,
    OPTION_SAMPLE_RATE,
    OPTION_CHANNELS,
    OPTION_START,
    OPTION_END,
    OPTION_TRACK,
    OPTION_FADE_IN,
    OPTION_FADE_OUT,
    OPTION_LOUDNESS,
    OPTION_LOUDNESS_TARGET,
    OPTION_TRIM_SILENCE,
    OPTION_CHAPTERS,
    OPTION_COVER,
    OPTION_ID3,
    OPTION_COPY,
    OPTION_COUNT
};

enum option_kind {
    OPTION_KIND_NAME,   /* int: the index in option_names() */
    OPTION_KIND_NUMBER, /* int */
    OPTION_KIND_SWITCH, /* int: 0, 1 */
    OPTION_KIND_LUFS,   /* int: hundredths */
    OPTION_KIND_TIME,   /* int64_t ms */
    OPTION_KIND_TRACK,  /* char[JOB_TRACK_SIZE] */
    OPTION_KIND_COVER   /* int: a name as well; or a time, in cover_at_ms */
};

/* Where each is kept, and its range. */
struct option_place {
    enum option_kind kind;
    size_t offset, size;
    int64_t min, max;
};

extern const struct job_option_info option_infos[OPTION_COUNT];
extern const struct option_place option_places[OPTION_COUNT];

/* OPTION_COUNT: there is none of this name, which option_unknown says as `code`. */
enum option option_find(const char *name);
enum err option_unknown(const char *name, enum err code, struct error *e);
/* Of kinds NAME and COVER. Ends with NULL. */
const char *const *option_names(enum option option);
/* ERR_INVALID with the values that are allowed. */
enum err option_out_of_range(enum option option, struct error *e);
/* Of any kind but TRACK. */
int64_t option_value(const struct job_options *o, enum option option);

/* Each checks the value, keeps it, notes that it was given, and adjusts what depends on it. */
enum err option_set_text(struct job_options *o, enum option option, const char *value,
                         struct error *e) MUST_CHECK;
enum err option_set_number(struct job_options *o, enum option option, int64_t value,
                           struct error *e) MUST_CHECK;
enum err option_set_cover_at(struct job_options *o, int64_t at_ms, struct error *e) MUST_CHECK;
enum err option_set_json(struct job_options *o, enum option option, const json_t *value,
                         struct error *e) MUST_CHECK;

/* What comes after the last member of an object: `copy` for one that does not name it, from before
 * there was any; and what was given no longer matters. */
void option_settle_json(struct job_options *o);
/* Makes `own` whole: what was not given there is as in `base`. */
void option_inherit(struct job_options *own, const struct job_options *base);

#endif
