#include "jobs/request.h"

#include <stdint.h>
#include <string.h>

#include "core/attr.h"
#include "core/text.h"
#include "jobs/option_table.h"
#include "jobs/request_impl.h"
#include "core/banned.h"

#define TAG_PREFIX "tags."

static const char *const tag_names[JOB_TAG_COUNT] = {
    [JOB_TAG_TITLE] = "title",         [JOB_TAG_ARTIST] = "artist",
    [JOB_TAG_ALBUM] = "album",         [JOB_TAG_ALBUM_ARTIST] = "album_artist",
    [JOB_TAG_COMPOSER] = "composer",   [JOB_TAG_GENRE] = "genre",
    [JOB_TAG_DATE] = "date",           [JOB_TAG_TRACK] = "track",
    [JOB_TAG_DISC] = "disc",           [JOB_TAG_COMMENT] = "comment",
    [JOB_TAG_COPYRIGHT] = "copyright",
};

const char *job_tag_name(enum job_tag_name name)
{
    return (unsigned)name < JOB_TAG_COUNT ? tag_names[name] : "";
}

void job_request_default(struct job_request *r)
{
    memset(r, 0, sizeof(*r));
    job_options_default(&r->options);
}

/* UTF-8 without control characters, in ASCII and in Latin-1. */
static bool is_tag_text(const char *text, size_t len)
{
    size_t at = 0;
    while (at < len) {
        uint32_t code = 0;
        size_t step = text_utf8_next(text + at, len - at, &code);
        if (step == 0 || code < 0x20 || (code >= 0x7f && code < 0xa0)) {
            return false;
        }
        at += step;
    }
    return true;
}

enum err request_set_tag(struct job_tags *tags, const char *name, const char *text, size_t len,
                         struct error *e)
{
    int tag = 0;
    while (tag < JOB_TAG_COUNT && strcmp(tag_names[tag], name) != 0) {
        tag++;
    }
    if (tag == JOB_TAG_COUNT) {
        return err_set(e, ERR_INVALID,
                       "there is no tag %.40s; there are title, artist, album, album_artist, "
                       "composer, genre, date, track, disc, comment, copyright",
                       name);
    }
    if (len >= JOB_TAG_TEXT_SIZE || !is_tag_text(text, len)) {
        return err_set(e, ERR_INVALID,
                       "tags.%s must be UTF-8 text of at most %d bytes without control characters",
                       name, JOB_TAG_TEXT_SIZE - 1);
    }
    /* All of it: what is compared byte by byte shall be equal. */
    memset(tags->texts[tag], 0, JOB_TAG_TEXT_SIZE);
    memcpy(tags->texts[tag], text, len);
    tags->given |= 1U << tag;
    return OK;
}

static enum err set_outputs(struct job_request *r, const char *value, struct error *e)
{
    json_error_t wrong;
    json_auto_t *array = json_loads(value, JSON_REJECT_DUPLICATES, &wrong);
    if (array == NULL) {
        return err_set(e, ERR_INVALID, "outputs must be a JSON array of objects: byte %d: %.120s",
                       wrong.position, wrong.text);
    }
    return request_read_outputs(r, array, 1, e);
}

enum err job_request_set(struct job_request *r, const char *name, const char *value,
                         struct error *e)
{
    if (text_starts_with(name, TAG_PREFIX)) {
        return request_set_tag(&r->tags, name + strlen(TAG_PREFIX), value, strlen(value), e);
    }
    return strcmp(name, "outputs") == 0 ? set_outputs(r, value, e)
                                        : job_options_set(&r->options, name, value, e);
}

enum err request_name_output(size_t index, enum err code, struct error *e)
{
    if (e == NULL) {
        return code;
    }
    const struct error why = *e;
    return err_set(e, code, "outputs[%zu].%.230s", index, why.text);
}

enum err job_request_settle(struct job_request *r, struct error *e)
{
    if (r->output_count == 0) {
        return job_options_check(&r->options, e);
    }
    for (int i = 0; i < r->output_count; i++) {
        option_inherit(&r->outputs[i], &r->options);
        enum err err = job_options_check(&r->outputs[i], e);
        if (err != OK) {
            return request_name_output((size_t)i, err, e);
        }
    }
    return OK;
}

const struct job_options *job_request_outputs(const struct job_request *r, int *ret_count)
{
    *ret_count = r->output_count > 0 ? r->output_count : 1;
    return r->output_count > 0 ? r->outputs : &r->options;
}

bool job_request_needs_cover(const struct job_request *r)
{
    int count = 0;
    const struct job_options *outputs = job_request_outputs(r, &count);
    bool needs_it = false;
    for (int i = 0; i < count; i++) {
        needs_it = needs_it || outputs[i].cover == JOB_COVER_UPLOAD;
    }
    return needs_it;
}

bool job_request_equal(const struct job_request *a, const struct job_request *b)
{
    int count = 0;
    int count_b = 0;
    const struct job_options *of_a = job_request_outputs(a, &count);
    const struct job_options *of_b = job_request_outputs(b, &count_b);
    bool is_equal = count == count_b && a->tags.given == b->tags.given;
    for (int i = 0; is_equal && i < count; i++) {
        is_equal = job_options_equal(&of_a[i], &of_b[i]);
    }
    for (int i = 0; is_equal && i < JOB_TAG_COUNT; i++) {
        is_equal = (a->tags.given & 1U << i) == 0 ||
                   strcmp(a->tags.texts[i], b->tags.texts[i]) == 0;
    }
    return is_equal;
}
