#include "jobs/option_values.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/attr.h"
#include "core/text.h"
#include "core/banned.h"

/* 1000 hours. */
#define HOURS_MAX 1000

static const int mpeg1_kbps[] = {
    32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0
};
static const int mpeg2_kbps[] = { 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0 };
static const int mpeg25_kbps[] = { 8, 16, 24, 32, 40, 48, 56, 64, 0 };

static const struct option_rate_family families[] = {
    { { 32000, 44100, 48000 },
      mpeg1_kbps,
      "32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256 or 320",
      32,
      320 },
    { { 16000, 22050, 24000 },
      mpeg2_kbps,
      "8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144 or 160",
      8,
      160 },
    { { 8000, 11025, 12000 }, mpeg25_kbps, "8, 16, 24, 32, 40, 48, 56 or 64", 8, 64 },
};

const struct option_rate_family *option_rate_family(int sample_rate_hz)
{
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        for (size_t k = 0; k < ARRAY_LEN(families[i].sample_rates_hz); k++) {
            if (families[i].sample_rates_hz[k] == sample_rate_hz) {
                return &families[i];
            }
        }
    }
    return NULL;
}

static bool is_in(const int *list, int value)
{
    while (*list != 0 && *list != value) {
        list++;
    }
    return *list != 0;
}

static enum err check_cbr(const struct job_options *o, const struct option_rate_family *family,
                          struct error *e)
{
    if (family != NULL && !is_in(family->kbps, o->bitrate_kbps)) {
        return err_set(e, ERR_INVALID, "bitrate must be one of %s when sample_rate is %d",
                       family->kbps_text, o->sample_rate_hz);
    }
    if (!is_in(mpeg1_kbps, o->bitrate_kbps) && !is_in(mpeg2_kbps, o->bitrate_kbps)) {
        return err_set(e, ERR_INVALID,
                       "bitrate must be one of 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, "
                       "144, 160, 192, 224, 256 or 320 when mode is cbr");
    }
    return OK;
}

static enum err check_abr(const struct job_options *o, const struct option_rate_family *family,
                          struct error *e)
{
    if (family != NULL &&
        (o->bitrate_kbps < family->min_kbps || o->bitrate_kbps > family->max_kbps)) {
        return err_set(e, ERR_INVALID, "bitrate must be %d..%d when sample_rate is %d",
                       family->min_kbps, family->max_kbps, o->sample_rate_hz);
    }
    return OK;
}

enum err option_check_bitrate(const struct job_options *o, struct error *e)
{
    const struct option_rate_family *family = option_rate_family(o->sample_rate_hz);
    switch (o->mode) {
    case JOB_MODE_CBR:
        return check_cbr(o, family, e);
    case JOB_MODE_ABR:
        return check_abr(o, family, e);
    case JOB_MODE_VBR:
        break;
    }
    return OK;
}

int option_find_name(const char *const *names, const char *name)
{
    for (int i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

int64_t option_parse_number(const char *text, char unit)
{
    char digits[16];
    size_t len = strlen(text);
    if (len == 0 || len >= sizeof(digits)) {
        return -1;
    }
    memcpy(digits, text, len + 1);
    if (unit != '\0' && digits[len - 1] == unit) {
        digits[len - 1] = '\0';
    }
    int64_t number = 0;
    return text_to_int64(digits, 0, INT32_MAX, &number) == OK ? number : -1;
}

/* Digits at *at, which moves behind them; -1 for none, or too many. */
static int64_t take_digits(const char **at, size_t max_digits, size_t *ret_count)
{
    int64_t value = 0;
    size_t count = 0;
    for (; **at >= '0' && **at <= '9'; (*at)++) {
        value = value * 10 + (**at - '0');
        count++;
        if (count > max_digits) {
            return -1;
        }
    }
    *ret_count = count;
    return count == 0 ? -1 : value;
}

bool option_parse_hundredths(const char *text, int64_t *ret_value)
{
    const char *at = text[0] == '-' ? text + 1 : text;
    size_t count = 0;
    int64_t whole = take_digits(&at, 3, &count);
    int64_t hundredths = 0;
    if (whole >= 0 && *at == '.') {
        at++;
        hundredths = take_digits(&at, 2, &count);
        hundredths *= count == 1 ? 10 : 1;
    }
    if (whole < 0 || hundredths < 0 || *at != '\0') {
        return false;
    }
    int64_t value = whole * 100 + hundredths;
    *ret_value = text[0] == '-' ? -value : value;
    return true;
}

int64_t option_parse_time_ms(const char *text)
{
    int64_t seconds = 0;
    size_t count = 0;
    const char *at = text;
    for (int part = 0; part < 3; part++) {
        int64_t value = take_digits(&at, 7, &count);
        bool is_bounded = part > 0;
        if (value < 0 || (is_bounded && value > 59)) {
            return -1;
        }
        seconds = seconds * 60 + value;
        if (*at != ':') {
            break;
        }
        at++;
        if (part == 2) {
            return -1;
        }
    }
    int64_t fraction_ms = 0;
    if (*at == '.') {
        at++;
        fraction_ms = take_digits(&at, 3, &count);
        if (fraction_ms < 0) {
            return -1;
        }
        fraction_ms *= count == 1 ? 100 : count == 2 ? 10 : 1;
    }
    return *at != '\0' || seconds > (int64_t)HOURS_MAX * 3600 ? -1 : seconds * 1000 + fraction_ms;
}

static bool is_language(const char *text, size_t len)
{
    bool fits = len >= 2;
    for (size_t i = 0; i < len; i++) {
        fits = fits && (isalpha((unsigned char)text[i]) != 0 || (text[i] == '-' && i >= 2));
    }
    return fits;
}

bool option_parse_track(const char *text, int max, char ret_track[JOB_TRACK_SIZE])
{
    size_t len = strlen(text);
    int64_t number = 0;
    if (len >= JOB_TRACK_SIZE) {
        return false;
    }
    /* All of it: what is compared byte by byte shall be equal. */
    memset(ret_track, 0, JOB_TRACK_SIZE);
    if (len == 0) {
        return true;
    }
    if (text_to_int64(text, 0, max, &number) == OK) {
        (void)snprintf(ret_track, JOB_TRACK_SIZE, "%d", (int)number);
        return true;
    }
    for (size_t i = 0; i < len; i++) {
        ret_track[i] = (char)tolower((unsigned char)text[i]);
    }
    return is_language(text, len);
}
