#include "jobs/options.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/attr.h"
#include "jobs/option_table.h"
#include "jobs/option_values.h"
#include "core/banned.h"

#define BIT(option) (1U << OPTION_##option)
#define ALL_GIVEN ((1U << OPTION_COUNT) - 1)
/* Beside the options' bits: what was said of copy, which the field does not tell once something
 * else has decided. */
#define COPY_AUTO_SAID (1U << OPTION_COUNT)

_Static_assert(sizeof(struct job_options) ==
                   13 * sizeof(int) + 5 * sizeof(int64_t) + JOB_TRACK_SIZE + sizeof(unsigned),
               "no padding: options are compared byte by byte");

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

static bool is_given(const struct job_options *o, unsigned bits)
{
    return (o->given & bits) != 0;
}

static void apply_preset(struct job_options *o)
{
    const struct preset *p = &presets[o->preset];
    o->bitrate_kbps = is_given(o, BIT(BITRATE)) ? o->bitrate_kbps : p->bitrate_kbps;
    o->quality = is_given(o, BIT(QUALITY)) ? o->quality : p->quality;
    o->channels = is_given(o, BIT(CHANNELS)) ? o->channels : p->channels;
    if (is_given(o, BIT(MODE))) {
        return;
    }
    o->mode = p->mode;
    /* A number that the preset's mode has no use for says which mode is meant. */
    if (is_given(o, BIT(BITRATE)) && p->mode == JOB_MODE_VBR) {
        o->mode = JOB_MODE_CBR;
    } else if (is_given(o, BIT(QUALITY)) && !is_given(o, BIT(BITRATE))) {
        o->mode = JOB_MODE_VBR;
    }
}

/* A copy can do none of it. */
static bool changes_sound(const struct job_options *o)
{
    return o->loudness == JOB_LOUDNESS_NORMALIZE || o->trim_silence != 0 || o->fade_in_ms != 0 ||
           o->fade_out_ms != 0;
}

static void apply_copy(struct job_options *o)
{
    bool is_said = is_given(o, BIT(COPY));
    bool says_how = is_given(o, BIT(PRESET) | BIT(MODE) | BIT(BITRATE) | BIT(QUALITY)) ||
                    o->sample_rate_hz != 0 || o->channels != 0;
    bool is_never = is_said ? !is_given(o, COPY_AUTO_SAID) : says_how;
    o->copy = is_never || changes_sound(o) ? JOB_COPY_NEVER : JOB_COPY_AUTO;
}

static void apply_given(struct job_options *o)
{
    apply_preset(o);
    apply_copy(o);
}

void job_options_default(struct job_options *o)
{
    memset(o, 0, sizeof(*o));
    o->loudness_target_centi_lufs = JOB_LOUDNESS_DEFAULT_CENTI_LUFS;
    apply_given(o);
}

static void *field_of(struct job_options *o, enum option option)
{
    return (char *)o + option_places[option].offset;
}

static bool is_in_range(enum option option, int64_t value)
{
    return value >= option_places[option].min && value <= option_places[option].max &&
           (option != OPTION_SAMPLE_RATE || value == 0 || option_rate_family((int)value) != NULL);
}

static void note_given(struct job_options *o, enum option option)
{
    o->given |= 1U << option;
    if (option == OPTION_COPY) {
        o->given &= ~COPY_AUTO_SAID;
        o->given |= o->copy == JOB_COPY_AUTO ? COPY_AUTO_SAID : 0;
    }
    apply_given(o);
}

enum err option_set_number(struct job_options *o, enum option option, int64_t value,
                           struct error *e)
{
    if (!is_in_range(option, value)) {
        return option_out_of_range(option, e);
    }
    int small = (int)value;
    if (option_places[option].kind == OPTION_KIND_TIME) {
        memcpy(field_of(o, option), &value, sizeof(value));
    } else {
        memcpy(field_of(o, option), &small, sizeof(small));
    }
    note_given(o, option);
    return OK;
}

static enum err set_track(struct job_options *o, const char *value, struct error *e)
{
    char track[JOB_TRACK_SIZE];
    if (!option_parse_track(value, OPTION_TRACK_NUMBER_MAX, track)) {
        return option_out_of_range(OPTION_TRACK, e);
    }
    memcpy(o->track, track, sizeof(track));
    note_given(o, OPTION_TRACK);
    return OK;
}

enum err option_set_cover_at(struct job_options *o, int64_t at_ms, struct error *e)
{
    if (at_ms < 0 || at_ms > OPTION_TIME_MAX_MS) {
        return option_out_of_range(OPTION_COVER, e);
    }
    o->cover = JOB_COVER_FRAME;
    o->cover_at_ms = at_ms;
    note_given(o, OPTION_COVER);
    return OK;
}

static enum err set_cover(struct job_options *o, const char *value, struct error *e)
{
    int name = option_find_name(option_names(OPTION_COVER), value);
    if (name < 0) {
        return option_set_cover_at(o, option_parse_time_ms(value), e);
    }
    o->cover_at_ms = 0;
    return option_set_number(o, OPTION_COVER, name, e);
}

enum err option_set_text(struct job_options *o, enum option option, const char *value,
                         struct error *e)
{
    static const char *const switch_names[] = { "off", "on", "false", "true", NULL };
    int64_t number = -1;
    bool is_read = false;
    switch (option_places[option].kind) {
    case OPTION_KIND_TRACK:
        return set_track(o, value, e);
    case OPTION_KIND_COVER:
        return set_cover(o, value, e);
    case OPTION_KIND_NAME:
        number = option_find_name(option_names(option), value);
        break;
    case OPTION_KIND_SWITCH:
        number = option_find_name(switch_names, value);
        number = number > 1 ? number - 2 : number;
        break;
    case OPTION_KIND_TIME:
        number = option == OPTION_END && value[0] == '\0' ? 0 : option_parse_time_ms(value);
        break;
    case OPTION_KIND_NUMBER:
        number = option_parse_number(value, option == OPTION_BITRATE ? 'k' : '\0');
        break;
    case OPTION_KIND_LUFS:
        is_read = option_parse_hundredths(value, &number);
        break;
    }
    return number < 0 && !is_read ? option_out_of_range(option, e)
                                  : option_set_number(o, option, number, e);
}

enum err job_options_set(struct job_options *o, const char *name, const char *value,
                         struct error *e)
{
    enum option option = option_find(name);
    return option == OPTION_COUNT ? option_unknown(name, ERR_NOT_FOUND, e)
                                  : option_set_text(o, option, value, e);
}

static bool fits(const struct job_options *o, enum option option)
{
    char track[JOB_TRACK_SIZE];
    switch (option_places[option].kind) {
    case OPTION_KIND_TRACK:
        return option_parse_track(o->track, OPTION_TRACK_NUMBER_MAX, track);
    case OPTION_KIND_COVER:
        return is_in_range(option, o->cover) && o->cover_at_ms >= 0 &&
               o->cover_at_ms <= (o->cover == JOB_COVER_FRAME ? OPTION_TIME_MAX_MS : 0);
    default:
        return is_in_range(option, option_value(o, option));
    }
}

enum err job_options_check(const struct job_options *o, struct error *e)
{
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (!fits(o, (enum option)i)) {
            return option_out_of_range((enum option)i, e);
        }
    }
    if (o->end_ms != 0 && o->end_ms <= o->start_ms) {
        return err_set(e, ERR_INVALID, "end must be after start (%.3f s)",
                       (double)o->start_ms / 1e3);
    }
    return option_check_bitrate(o, e);
}

enum err job_options_check_rate(const struct job_options *o, int sample_rate_hz, struct error *e)
{
    struct job_options known = *o;
    known.sample_rate_hz = sample_rate_hz;
    return o->bitrate_kbps == presets[o->preset].bitrate_kbps ? OK
                                                              : option_check_bitrate(&known, e);
}

bool job_options_equal(const struct job_options *a, const struct job_options *b)
{
    struct job_options x = *a;
    struct job_options y = *b;
    x.given = 0;
    y.given = 0;
    return memcmp(&x, &y, sizeof(x)) == 0;
}

void option_settle_json(struct job_options *o)
{
    if (!is_given(o, BIT(COPY))) {
        /* A record names all that it knows of, so what is named says nothing; values that are not
         * the usual ones were asked for. */
        struct job_options usual;
        job_options_default(&usual);
        bool is_usual = o->preset == usual.preset && o->mode == usual.mode &&
                        o->bitrate_kbps == usual.bitrate_kbps && o->quality == usual.quality &&
                        o->sample_rate_hz == usual.sample_rate_hz && o->channels == usual.channels;
        o->copy = is_usual && !changes_sound(o) ? JOB_COPY_AUTO : JOB_COPY_NEVER;
    }
    o->given = 0;
}

/* What of the base an output's own options leave no place for: a preset begins anew, and a number
 * means the mode that it is for. */
static unsigned outranked(const struct job_options *own, const struct job_options *base)
{
    if (is_given(own, BIT(PRESET))) {
        return BIT(MODE) | BIT(BITRATE) | BIT(QUALITY);
    }
    if (is_given(own, BIT(MODE))) {
        return 0;
    }
    if (is_given(own, BIT(BITRATE))) {
        return base->mode == JOB_MODE_VBR ? BIT(MODE) : 0;
    }
    return is_given(own, BIT(QUALITY)) && base->mode != JOB_MODE_VBR ? BIT(MODE) | BIT(BITRATE) : 0;
}

void option_inherit(struct job_options *own, const struct job_options *base)
{
    struct job_options whole = *base;
    whole.given &= ~outranked(own, base);
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (is_given(own, 1U << i)) {
            memcpy(field_of(&whole, (enum option)i), (const char *)own + option_places[i].offset,
                   option_places[i].size);
            whole.given |= 1U << i;
        }
    }
    if (is_given(own, BIT(COVER))) {
        whole.cover_at_ms = own->cover_at_ms;
    }
    if (is_given(own, BIT(COPY))) {
        whole.given = (whole.given & ~COPY_AUTO_SAID) | (own->given & COPY_AUTO_SAID);
    }
    apply_given(&whole);
    whole.given = ALL_GIVEN | (whole.copy == JOB_COPY_AUTO ? COPY_AUTO_SAID : 0);
    *own = whole;
}
