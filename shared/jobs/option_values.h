/* What the values of options look like, and MPEG's tables of what goes together. */
#ifndef UNREEL_JOBS_OPTION_VALUES_H
#define UNREEL_JOBS_OPTION_VALUES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "jobs/options.h"

/* MPEG-1, MPEG-2, and MPEG-2.5 (the unofficial extension for the lowest rates, whose bitrates LAME
 * keeps to 64). */
struct option_rate_family {
    int sample_rates_hz[3];
    const int *kbps; /* ends with 0 */
    const char *kbps_text;
    int min_kbps, max_kbps;
};

/* NULL: no rate of MPEG's. */
const struct option_rate_family *option_rate_family(int sample_rate_hz);
/* Whether the bitrate is possible, as far as the sample rate is known. */
enum err option_check_bitrate(const struct job_options *o, struct error *e) MUST_CHECK;

/* The index in names, which ends with NULL; -1. */
int option_find_name(const char *const *names, const char *name);
/* Digits, and one unit letter if there is one to be; -1. */
int64_t option_parse_number(const char *text, char unit);
/* "-16", "-16.5", "14.25" in hundredths: two decimals and three digits before them at most. */
bool option_parse_hundredths(const char *text, int64_t *ret_value);
/* "90", "90.5", "1:30", "01:30:00.250"; -1. */
int64_t option_parse_time_ms(const char *text);
/* "", a number up to max, or 2 to 15 letters and hyphens, which become lower case. */
bool option_parse_track(const char *text, int max, char ret_track[JOB_TRACK_SIZE]);

#endif
