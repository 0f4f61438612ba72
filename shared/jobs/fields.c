#include "jobs/record_impl.h"

#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/text.h"
#include "core/banned.h"

json_t *field_text(const char *text)
{
    if (text[0] == '\0') {
        return json_null();
    }
    json_t *json = json_string(text);
    if (json != NULL) {
        return json;
    }
    AUTO(mem_free) char *ascii = xstrdup(text);
    for (char *c = ascii; *c != '\0'; c++) {
        if ((unsigned char)*c >= 0x80) {
            *c = '?';
        }
    }
    return json_string(ascii);
}

static json_t *pack_time(int64_t ms, enum field_times times)
{
    if (ms == 0) {
        return json_null();
    }
    if (times == FIELD_TIMES_MS) {
        return json_integer(ms);
    }
    char text[CLOCK_TEXT_SIZE];
    clock_format(text, ms);
    return json_string(text);
}

static json_t *pack_field(const char *at, enum field_type type, enum field_times times)
{
    int64_t whole = 0;
    double real = 0;
    int small = 0;
    bool flag = false;
    switch (type) {
    case FIELD_TEXT:
        return field_text(at);
    case FIELD_INT:
        memcpy(&small, at, sizeof(small));
        return json_integer(small);
    case FIELD_INT64:
        memcpy(&whole, at, sizeof(whole));
        return json_integer(whole);
    case FIELD_TIME:
        memcpy(&whole, at, sizeof(whole));
        return pack_time(whole, times);
    case FIELD_SECONDS:
        memcpy(&whole, at, sizeof(whole));
        return json_real((double)whole / 1e3);
    case FIELD_DOUBLE:
        /* JSON has no NaN and no infinity. */
        memcpy(&real, at, sizeof(real));
        return json_real(isfinite(real) ? real : 0);
    case FIELD_BOOL:
        memcpy(&flag, at, sizeof(flag));
        return json_boolean(flag);
    }
    return json_null();
}

json_t *fields_pack(const void *base, const struct field *fields, size_t count,
                    enum field_times times)
{
    json_t *object = json_object();
    for (size_t i = 0; i < count; i++) {
        const char *at = (const char *)base + fields[i].offset;
        (void)json_object_set_new(object, fields[i].name, pack_field(at, fields[i].type, times));
    }
    return object;
}

static bool unpack_number(char *at, enum field_type type, const json_t *value)
{
    if (type == FIELD_DOUBLE) {
        double real = json_number_value(value);
        memcpy(at, &real, sizeof(real));
        return json_is_number(value);
    }
    if (type == FIELD_SECONDS) {
        double seconds = json_number_value(value);
        int64_t ms = fabs(seconds) < 9e12 ? llround(seconds * 1e3) : 0;
        memcpy(at, &ms, sizeof(ms));
        return json_is_number(value);
    }
    /* A shell that edits a document turns whole numbers into doubles. */
    double real = json_is_real(value) ? json_real_value(value) : 0;
    if (real != floor(real) || fabs(real) > 9e15) {
        return false;
    }
    int64_t whole = json_is_real(value) ? (int64_t)real : json_integer_value(value);
    if (type == FIELD_INT) {
        if (whole < INT_MIN || whole > INT_MAX) {
            return false;
        }
        int small = (int)whole;
        memcpy(at, &small, sizeof(small));
    } else {
        memcpy(at, &whole, sizeof(whole));
    }
    return json_is_number(value);
}

static bool unpack_field(char *at, const struct field *f, const json_t *value)
{
    if (f->type == FIELD_TEXT) {
        return json_is_string(value) && text_copy(at, f->size, json_string_value(value));
    }
    if (f->type == FIELD_BOOL) {
        bool flag = json_is_true(value);
        memcpy(at, &flag, sizeof(flag));
        return json_is_boolean(value);
    }
    return unpack_number(at, f->type, value);
}

enum err fields_unpack(void *base, const struct field *fields, size_t count, const json_t *object,
                       struct error *e)
{
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_object_get(object, fields[i].name);
        char *at = (char *)base + fields[i].offset;
        memset(at, 0, fields[i].size);
        if (value == NULL || json_is_null(value)) {
            continue;
        }
        if (!unpack_field(at, &fields[i], value)) {
            return err_set(e, ERR_CORRUPT, "a job's record has a wrong %s", fields[i].name);
        }
    }
    return OK;
}
