#include "jobs/options.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/text.h"
#include "core/banned.h"

#define BITRATE_MIN_KBPS 8
#define BITRATE_MAX_KBPS 320

static const char *const mode_names[] = { "cbr", "vbr", "abr" };

/* Ends with 0. */
static const int mpeg1_kbps[] = {
    32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0
};
static const int mpeg2_kbps[] = { 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0 };
static const int mpeg25_kbps[] = { 8, 16, 24, 32, 40, 48, 56, 64, 0 };

/* MPEG-1, MPEG-2 and MPEG-2.5 (the unofficial extension for the lowest rates, whose bitrates LAME
 * keeps to 64). */
static const struct rate_family {
    int sample_rates_hz[3];
    const int *kbps;
    const char *kbps_text;
    int min_kbps, max_kbps;
} families[] = {
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

enum option { MODE, BITRATE, QUALITY, SAMPLE_RATE, CHANNELS, OPTION_COUNT };

static const struct job_option_info table[OPTION_COUNT] = {
    [MODE] = { "mode", "constant, variable or average bitrate", "cbr|vbr|abr", "cbr" },
    [BITRATE] = { "bitrate", "kbit/s, for cbr (one of MPEG's steps) and abr", "8..320", "192" },
    [QUALITY] = { "quality", "for vbr: 0 is the best, 9 the smallest", "0..9", "2" },
    [SAMPLE_RATE] = { "sample_rate", "Hz; 0 is the source's, or the nearest that MP3 has",
                      "0|8000|11025|12000|16000|22050|24000|32000|44100|48000", "0" },
    [CHANNELS] = { "channels", "1 is mono, 2 stereo; 0 is the source's, two at most", "0|1|2",
                   "0" },
};

void job_options_default(struct job_options *o)
{
    *o = (struct job_options){ .mode = JOB_MODE_CBR, .bitrate_kbps = 192, .quality = 2 };
}

const struct job_option_info *job_option_table(size_t *ret_count)
{
    *ret_count = OPTION_COUNT;
    return table;
}

static enum option find_option(const char *name)
{
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (strcmp(table[i].name, name) == 0) {
            return (enum option)i;
        }
    }
    return OPTION_COUNT;
}

static enum err unknown_option(const char *name, enum err code, struct error *e)
{
    return err_set(e, code,
                   "there is no option %.40s; there are mode, bitrate, quality, sample_rate and "
                   "channels",
                   name);
}

static enum err out_of_range(enum option option, struct error *e)
{
    return err_set(e, ERR_INVALID, "%s must be %s%s", table[option].name,
                   option == BITRATE || option == QUALITY ? "a whole number within " : "one of ",
                   table[option].values);
}

static const struct rate_family *family_of(int sample_rate_hz)
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

static enum err set_mode(struct job_options *o, const char *name, struct error *e)
{
    for (size_t i = 0; i < ARRAY_LEN(mode_names); i++) {
        if (strcmp(mode_names[i], name) == 0) {
            o->mode = (enum job_mode)i;
            return OK;
        }
    }
    return out_of_range(MODE, e);
}

static enum err set_number(struct job_options *o, enum option option, int64_t value,
                           struct error *e)
{
    bool fits = false;
    int *field = NULL;
    switch (option) {
    case BITRATE:
        field = &o->bitrate_kbps;
        fits = value >= BITRATE_MIN_KBPS && value <= BITRATE_MAX_KBPS;
        break;
    case QUALITY:
        field = &o->quality;
        fits = value >= 0 && value <= 9;
        break;
    case SAMPLE_RATE:
        field = &o->sample_rate_hz;
        fits = value == 0 || (value > 0 && value <= 48000 && family_of((int)value) != NULL);
        break;
    case CHANNELS:
        field = &o->channels;
        fits = value >= 0 && value <= 2;
        break;
    case MODE:
    case OPTION_COUNT:
        break;
    }
    if (field == NULL || !fits) {
        return out_of_range(option, e);
    }
    *field = (int)value;
    return OK;
}

enum err job_options_set(struct job_options *o, const char *name, const char *value,
                         struct error *e)
{
    enum option option = find_option(name);
    if (option == OPTION_COUNT) {
        return unknown_option(name, ERR_NOT_FOUND, e);
    }
    if (option == MODE) {
        return set_mode(o, value, e);
    }
    char digits[16];
    size_t len = strlen(value);
    if (len == 0 || len >= sizeof(digits)) {
        return out_of_range(option, e);
    }
    memcpy(digits, value, len + 1);
    if (option == BITRATE && digits[len - 1] == 'k') {
        digits[len - 1] = '\0';
    }
    int64_t number = 0;
    if (text_to_int64(digits, 0, INT32_MAX, &number) != OK) {
        return out_of_range(option, e);
    }
    return set_number(o, option, number, e);
}

static bool is_in(const int *list, int value)
{
    while (*list != 0 && *list != value) {
        list++;
    }
    return *list != 0;
}

static enum err check_cbr(const struct job_options *o, const struct rate_family *family,
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

static enum err check_abr(const struct job_options *o, const struct rate_family *family,
                          struct error *e)
{
    if (family != NULL &&
        (o->bitrate_kbps < family->min_kbps || o->bitrate_kbps > family->max_kbps)) {
        return err_set(e, ERR_INVALID, "bitrate must be %d..%d when sample_rate is %d",
                       family->min_kbps, family->max_kbps, o->sample_rate_hz);
    }
    return OK;
}

enum err job_options_check(const struct job_options *o, struct error *e)
{
    if (o->mode != JOB_MODE_CBR && o->mode != JOB_MODE_VBR && o->mode != JOB_MODE_ABR) {
        return out_of_range(MODE, e);
    }
    const int values[OPTION_COUNT] = { [BITRATE] = o->bitrate_kbps,
                                       [QUALITY] = o->quality,
                                       [SAMPLE_RATE] = o->sample_rate_hz,
                                       [CHANNELS] = o->channels };
    struct job_options scratch = *o;
    for (int i = BITRATE; i < OPTION_COUNT; i++) {
        enum err err = set_number(&scratch, (enum option)i, values[i], e);
        if (err != OK) {
            return err;
        }
    }
    const struct rate_family *family = family_of(o->sample_rate_hz);
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

json_t *job_options_to_json(const struct job_options *o)
{
    return json_pack("{s:s, s:i, s:i, s:i, s:i}", "mode", mode_names[o->mode], "bitrate",
                     o->bitrate_kbps, "quality", o->quality, "sample_rate", o->sample_rate_hz,
                     "channels", o->channels);
}

enum err job_options_from_json(struct job_options *o, const json_t *json, struct error *e)
{
    if (!json_is_object(json)) {
        return err_set(e, ERR_INVALID, "options must be an object");
    }
    struct job_options parsed = *o;
    const char *name = NULL;
    const json_t *value = NULL;
    /* json_object_foreach takes a mutable object although it changes nothing. */
    for (void *iter = json_object_iter((json_t *)(uintptr_t)json); iter != NULL;
         iter = json_object_iter_next((json_t *)(uintptr_t)json, iter)) {
        name = json_object_iter_key(iter);
        value = json_object_iter_value(iter);
        enum option option = find_option(name);
        enum err err = OK;
        if (option == OPTION_COUNT) {
            err = unknown_option(name, ERR_INVALID, e);
        } else if (option == MODE && json_is_string(value)) {
            err = set_mode(&parsed, json_string_value(value), e);
        } else if (json_is_integer(value)) {
            err = set_number(&parsed, option, json_integer_value(value), e);
        } else {
            err = out_of_range(option, e);
        }
        if (err != OK) {
            return err;
        }
    }
    *o = parsed;
    return OK;
}
