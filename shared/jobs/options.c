#include "jobs/options.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/attr.h"
#include "jobs/option_values.h"
#include "core/banned.h"

#define TIME_MAX_MS ((int64_t)1000 * 3600 * 1000)
#define TRACK_NUMBER_MAX 31

_Static_assert(sizeof(struct job_options) ==
                   13 * sizeof(int) + 5 * sizeof(int64_t) + JOB_TRACK_SIZE + sizeof(unsigned),
               "no padding: options are compared byte by byte");

enum option {
    PRESET,
    MODE,
    BITRATE,
    QUALITY,
    SAMPLE_RATE,
    CHANNELS,
    START,
    END,
    TRACK,
    FADE_IN,
    FADE_OUT,
    OPTION_COUNT
};

enum kind { KIND_NAME, KIND_NUMBER, KIND_TIME, KIND_TRACK };

static const struct job_option_info table[OPTION_COUNT] = {
    [PRESET] = { "preset", "voice is small and mono, best is the largest; others refine it",
                 "standard|voice|high|best", "standard" },
    [MODE] = { "mode", "constant, variable or average bitrate", "cbr|vbr|abr", "vbr" },
    [BITRATE] = { "bitrate", "kbit/s, for cbr (one of MPEG's steps) and abr", "8..320", "192" },
    [QUALITY] = { "quality", "for vbr: 0 is the best, 9 the smallest", "0..9", "2" },
    [SAMPLE_RATE] = { "sample_rate", "Hz; 0 is the source's, or the nearest that MP3 has",
                      "0|8000|11025|12000|16000|22050|24000|32000|44100|48000", "0" },
    [CHANNELS] = { "channels", "1 is mono, 2 stereo; 0 is the source's, two at most", "0|1|2",
                   "0" },
    [START] = { "start", "leaves out what is before", "seconds, or HH:MM:SS.mmm", "0" },
    [END] = { "end", "leaves out what is after", "seconds, or HH:MM:SS.mmm", "" },
    [TRACK] = { "track", "the sound track, by its number or language; else the file's default",
                "a number, or a language (deu)", "" },
    [FADE_IN] = { "fade_in", "seconds of fading in at the start", "0..30", "0" },
    [FADE_OUT] = { "fade_out", "seconds of fading out at the end", "0..30", "0" },
};

static const char *const preset_names[] = { "standard", "voice", "high", "best", NULL };
static const char *const mode_names[] = { "cbr", "vbr", "abr", NULL };

/* Where each is kept, and its range. Fields of KIND_NAME and KIND_NUMBER are ints. */
#define PLACE(option_kind, field, low, high)                                                       \
    {                                                                                              \
        option_kind, offsetof(struct job_options, field), low, high                                \
    }

static const struct place {
    enum kind kind;
    size_t offset;
    int64_t min, max;
} places[OPTION_COUNT] = {
    [PRESET] = PLACE(KIND_NAME, preset, 0, JOB_PRESET_BEST),
    [MODE] = PLACE(KIND_NAME, mode, 0, JOB_MODE_ABR),
    [BITRATE] = PLACE(KIND_NUMBER, bitrate_kbps, 8, 320),
    [QUALITY] = PLACE(KIND_NUMBER, quality, 0, 9),
    [SAMPLE_RATE] = PLACE(KIND_NUMBER, sample_rate_hz, 0, 48000),
    [CHANNELS] = PLACE(KIND_NUMBER, channels, 0, 2),
    [START] = PLACE(KIND_TIME, start_ms, 0, TIME_MAX_MS),
    [END] = PLACE(KIND_TIME, end_ms, 0, TIME_MAX_MS),
    [TRACK] = PLACE(KIND_TRACK, track, 0, TRACK_NUMBER_MAX),
    [FADE_IN] = PLACE(KIND_TIME, fade_in_ms, 0, JOB_FADE_MAX_MS),
    [FADE_OUT] = PLACE(KIND_TIME, fade_out_ms, 0, JOB_FADE_MAX_MS),
};

/* What a preset says about what was not given. */
static const struct preset {
    enum job_mode mode;
    int bitrate_kbps, quality, channels;
} presets[] = {
    [JOB_PRESET_STANDARD] = { JOB_MODE_VBR, 192, 2, 0 },
    [JOB_PRESET_VOICE] = { JOB_MODE_ABR, 64, 6, 1 },
    [JOB_PRESET_HIGH] = { JOB_MODE_VBR, 256, 0, 0 },
    [JOB_PRESET_BEST] = { JOB_MODE_CBR, 320, 0, 0 },
};

static bool is_given(const struct job_options *o, enum option option)
{
    return (o->given & 1U << option) != 0;
}

static void apply_preset(struct job_options *o)
{
    const struct preset *p = &presets[o->preset];
    o->bitrate_kbps = is_given(o, BITRATE) ? o->bitrate_kbps : p->bitrate_kbps;
    o->quality = is_given(o, QUALITY) ? o->quality : p->quality;
    o->channels = is_given(o, CHANNELS) ? o->channels : p->channels;
    if (is_given(o, MODE)) {
        return;
    }
    o->mode = p->mode;
    /* A number that the preset's mode has no use for says which mode is meant. */
    if (is_given(o, BITRATE) && p->mode == JOB_MODE_VBR) {
        o->mode = JOB_MODE_CBR;
    } else if (is_given(o, QUALITY) && !is_given(o, BITRATE)) {
        o->mode = JOB_MODE_VBR;
    }
}

void job_options_default(struct job_options *o)
{
    memset(o, 0, sizeof(*o));
    o->loudness_target_centi_lufs = JOB_LOUDNESS_DEFAULT_CENTI_LUFS;
    apply_preset(o);
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
    char names[160] = "";
    size_t len = 0;
    for (size_t i = 0; i < OPTION_COUNT && len < sizeof(names); i++) {
        len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", i == 0 ? "" : ", ",
                                table[i].name);
    }
    return err_set(e, code, "there is no option %.40s; there are %s", name, names);
}

static enum err out_of_range(enum option option, struct error *e)
{
    const char *what = option == BITRATE || option == QUALITY ? "a whole number within "
                       : places[option].kind == KIND_NAME || places[option].kind == KIND_NUMBER
                           ? "one of "
                           : "";
    return err_set(e, ERR_INVALID, "%s must be %s%s", table[option].name, what,
                   table[option].values);
}

static void *field_of(struct job_options *o, enum option option)
{
    return (char *)o + places[option].offset;
}

static int64_t value_of(const struct job_options *o, enum option option)
{
    const char *field = (const char *)o + places[option].offset;
    int64_t value = 0;
    int small = 0;
    if (places[option].kind == KIND_TIME) {
        memcpy(&value, field, sizeof(value));
        return value;
    }
    memcpy(&small, field, sizeof(small));
    return small;
}

static bool is_in_range(enum option option, int64_t value)
{
    return value >= places[option].min && value <= places[option].max &&
           (option != SAMPLE_RATE || value == 0 || option_rate_family((int)value) != NULL);
}

static enum err set_number(struct job_options *o, enum option option, int64_t value,
                           struct error *e)
{
    if (!is_in_range(option, value)) {
        return out_of_range(option, e);
    }
    int small = (int)value;
    if (places[option].kind == KIND_TIME) {
        memcpy(field_of(o, option), &value, sizeof(value));
    } else {
        memcpy(field_of(o, option), &small, sizeof(small));
    }
    o->given |= 1U << option;
    apply_preset(o);
    return OK;
}

static enum err set_track(struct job_options *o, const char *value, struct error *e)
{
    char track[JOB_TRACK_SIZE];
    if (!option_parse_track(value, TRACK_NUMBER_MAX, track)) {
        return out_of_range(TRACK, e);
    }
    memcpy(o->track, track, sizeof(track));
    return OK;
}

static const char *const *names_of(enum option option)
{
    return option == PRESET ? preset_names : mode_names;
}

static enum err set_text(struct job_options *o, enum option option, const char *value,
                         struct error *e)
{
    int64_t number = -1;
    switch (places[option].kind) {
    case KIND_TRACK:
        return set_track(o, value, e);
    case KIND_NAME:
        number = option_find_name(names_of(option), value);
        break;
    case KIND_TIME:
        number = option == END && value[0] == '\0' ? 0 : option_parse_time_ms(value);
        break;
    case KIND_NUMBER:
        number = option_parse_number(value, option == BITRATE ? 'k' : '\0');
        break;
    }
    return number < 0 ? out_of_range(option, e) : set_number(o, option, number, e);
}

enum err job_options_set(struct job_options *o, const char *name, const char *value,
                         struct error *e)
{
    enum option option = find_option(name);
    return option == OPTION_COUNT ? unknown_option(name, ERR_NOT_FOUND, e)
                                  : set_text(o, option, value, e);
}

enum err job_options_check(const struct job_options *o, struct error *e)
{
    for (int i = 0; i < OPTION_COUNT; i++) {
        char track[JOB_TRACK_SIZE];
        bool fits = places[i].kind == KIND_TRACK
                        ? option_parse_track(o->track, TRACK_NUMBER_MAX, track)
                        : is_in_range((enum option)i, value_of(o, (enum option)i));
        if (!fits) {
            return out_of_range((enum option)i, e);
        }
    }
    if (o->end_ms != 0 && o->end_ms <= o->start_ms) {
        return err_set(e, ERR_INVALID, "end must be after start (%.3f s)",
                       (double)o->start_ms / 1e3);
    }
    return option_check_bitrate(o, e);
}

bool job_options_equal(const struct job_options *a, const struct job_options *b)
{
    struct job_options x = *a;
    struct job_options y = *b;
    x.given = 0;
    y.given = 0;
    return memcmp(&x, &y, sizeof(x)) == 0;
}

static json_t *pack_value(const struct job_options *o, enum option option)
{
    int64_t value = places[option].kind == KIND_TRACK ? 0 : value_of(o, option);
    switch (places[option].kind) {
    case KIND_NAME:
        return json_string(names_of(option)[value]);
    case KIND_TIME:
        return option == END && value == 0 ? json_null() : json_real((double)value / 1e3);
    case KIND_TRACK:
        return o->track[0] == '\0' ? json_null() : json_string(o->track);
    case KIND_NUMBER:
        break;
    }
    return json_integer(value);
}

json_t *job_options_to_json(const struct job_options *o)
{
    json_t *json = json_object();
    for (int i = 0; i < OPTION_COUNT; i++) {
        (void)json_object_set_new(json, table[i].name, pack_value(o, (enum option)i));
    }
    return json;
}

static enum err set_json(struct job_options *o, enum option option, const json_t *value,
                         struct error *e)
{
    enum kind kind = places[option].kind;
    double seconds = json_number_value(value);
    if (json_is_null(value) && (option == END || option == TRACK)) {
        return set_text(o, option, "", e);
    }
    if (json_is_string(value) && kind != KIND_NUMBER) {
        return set_text(o, option, json_string_value(value), e);
    }
    if (json_is_number(value) && kind == KIND_TIME && seconds >= 0 && seconds < 1e9) {
        return set_number(o, option, llround(seconds * 1e3), e);
    }
    if (json_is_integer(value) && kind == KIND_NUMBER) {
        return set_number(o, option, json_integer_value(value), e);
    }
    if (json_is_integer(value) && kind == KIND_TRACK) {
        char number[24];
        (void)snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return set_track(o, number, e);
    }
    return out_of_range(option, e);
}

enum err job_options_from_json(struct job_options *o, const json_t *json, struct error *e)
{
    if (!json_is_object(json)) {
        return err_set(e, ERR_INVALID, "options must be an object");
    }
    struct job_options parsed = *o;
    /* json_object_foreach takes a mutable object although it changes nothing. */
    for (void *iter = json_object_iter((json_t *)(uintptr_t)json); iter != NULL;
         iter = json_object_iter_next((json_t *)(uintptr_t)json, iter)) {
        const char *name = json_object_iter_key(iter);
        enum option option = find_option(name);
        enum err err = option == OPTION_COUNT
                           ? unknown_option(name, ERR_INVALID, e)
                           : set_json(&parsed, option, json_object_iter_value(iter), e);
        if (err != OK) {
            return err;
        }
    }
    parsed.given = 0;
    *o = parsed;
    return OK;
}
