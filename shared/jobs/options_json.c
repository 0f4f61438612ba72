#include <math.h>
#include <stdint.h>
#include <stdio.h>

#include "jobs/option_table.h"
#include "core/banned.h"

static json_t *pack_name(const struct job_options *o, enum option option)
{
    bool is_time = option == OPTION_COVER && o->cover == JOB_COVER_FRAME;
    return is_time ? json_real((double)o->cover_at_ms / 1e3)
                   : json_string(option_names(option)[option_value(o, option)]);
}

static json_t *pack_value(const struct job_options *o, enum option option)
{
    enum option_kind kind = option_places[option].kind;
    int64_t value = kind == OPTION_KIND_TRACK ? 0 : option_value(o, option);
    switch (kind) {
    case OPTION_KIND_NAME:
    case OPTION_KIND_COVER:
        return pack_name(o, option);
    case OPTION_KIND_TIME:
        return option == OPTION_END && value == 0 ? json_null() : json_real((double)value / 1e3);
    case OPTION_KIND_TRACK:
        return o->track[0] == '\0' ? json_null() : json_string(o->track);
    case OPTION_KIND_SWITCH:
        return json_boolean(value != 0);
    case OPTION_KIND_LUFS:
        return json_real((double)value / 100);
    case OPTION_KIND_NUMBER:
        break;
    }
    return json_integer(value);
}

json_t *job_options_to_json(const struct job_options *o)
{
    json_t *json = json_object();
    for (int i = 0; i < OPTION_COUNT; i++) {
        (void)json_object_set_new(json, option_infos[i].name, pack_value(o, (enum option)i));
    }
    return json;
}

/* A number for what text would say as well: a track, or ID3's version. */
static enum err set_number_as_text(struct job_options *o, enum option option, double value,
                                   struct error *e)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "%.9g", value);
    return option_set_text(o, option, text, e);
}

static enum err set_json_number(struct job_options *o, enum option option, const json_t *value,
                                struct error *e)
{
    double number = json_number_value(value);
    if (fabs(number) >= 1e9) {
        return option_out_of_range(option, e);
    }
    switch (option_places[option].kind) {
    case OPTION_KIND_TIME:
        return option_set_number(o, option, llround(number * 1e3), e);
    case OPTION_KIND_COVER:
        return option_set_cover_at(o, llround(number * 1e3), e);
    case OPTION_KIND_LUFS:
        return option_set_number(o, option, llround(number * 100), e);
    case OPTION_KIND_TRACK:
        return json_is_integer(value) ? set_number_as_text(o, option, number, e)
                                      : option_out_of_range(option, e);
    case OPTION_KIND_NAME:
        return option == OPTION_ID3 ? set_number_as_text(o, option, number, e)
                                    : option_out_of_range(option, e);
    case OPTION_KIND_NUMBER:
        return json_is_integer(value) ? option_set_number(o, option, json_integer_value(value), e)
                                      : option_out_of_range(option, e);
    case OPTION_KIND_SWITCH:
        break;
    }
    return option_out_of_range(option, e);
}

enum err option_set_json(struct job_options *o, enum option option, const json_t *value,
                         struct error *e)
{
    enum option_kind kind = option_places[option].kind;
    if (json_is_null(value) && (option == OPTION_END || option == OPTION_TRACK)) {
        return option_set_text(o, option, "", e);
    }
    if (json_is_boolean(value) && kind == OPTION_KIND_SWITCH) {
        return option_set_number(o, option, json_is_true(value), e);
    }
    if (json_is_string(value) && kind != OPTION_KIND_NUMBER && kind != OPTION_KIND_LUFS) {
        return option_set_text(o, option, json_string_value(value), e);
    }
    return json_is_number(value) ? set_json_number(o, option, value, e)
                                 : option_out_of_range(option, e);
}

enum err job_options_from_json(struct job_options *o, const json_t *json, struct error *e)
{
    if (!json_is_object(json)) {
        return err_set(e, ERR_INVALID, "options must be an object");
    }
    struct job_options parsed = *o;
    /* Iterators take a mutable object although they change nothing. */
    json_t *members = (json_t *)(uintptr_t)json;
    for (void *i = json_object_iter(members); i != NULL; i = json_object_iter_next(members, i)) {
        const char *name = json_object_iter_key(i);
        enum option option = option_find(name);
        enum err err = option == OPTION_COUNT
                           ? option_unknown(name, ERR_INVALID, e)
                           : option_set_json(&parsed, option, json_object_iter_value(i), e);
        if (err != OK) {
            return err;
        }
    }
    option_settle_json(&parsed);
    *o = parsed;
    return OK;
}
