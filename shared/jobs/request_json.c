#include <stdint.h>
#include <string.h>

#include "core/mem.h"
#include "jobs/option_table.h"
#include "jobs/request_impl.h"
#include "core/banned.h"

json_t *job_request_to_json(const struct job_request *r)
{
    json_t *json = job_options_to_json(&r->options);
    json_t *tags = json_object();
    json_t *outputs = json_array();
    for (int i = 0; i < JOB_TAG_COUNT; i++) {
        if ((r->tags.given & 1U << i) != 0) {
            (void)json_object_set_new(tags, job_tag_name((enum job_tag_name)i),
                                      json_string(r->tags.texts[i]));
        }
    }
    for (int i = 0; i < r->output_count && i < JOB_REQUEST_OUTPUTS_MAX; i++) {
        (void)json_array_append_new(outputs, job_options_to_json(&r->outputs[i]));
    }
    (void)json_object_set_new(json, "tags", tags);
    (void)json_object_set_new(json, "outputs", outputs);
    return json;
}

static enum err read_tags(struct job_tags *tags, const json_t *object, struct error *e)
{
    if (!json_is_object(object)) {
        return err_set(e, ERR_INVALID, "tags must be an object of texts");
    }
    /* Iterators take a mutable object although they change nothing. */
    json_t *members = (json_t *)(uintptr_t)object;
    for (void *i = json_object_iter(members); i != NULL; i = json_object_iter_next(members, i)) {
        const char *name = json_object_iter_key(i);
        const json_t *value = json_object_iter_value(i);
        if (!json_is_string(value)) {
            return err_set(e, ERR_INVALID, "tags.%.40s must be a text", name);
        }
        enum err err = request_set_tag(tags, name, json_string_value(value),
                                       json_string_length(value), e);
        if (err != OK) {
            return err;
        }
    }
    return OK;
}

/* One option of an output. */
static enum err read_member(struct job_options *o, const char *name, const json_t *value,
                            size_t index, struct error *e)
{
    enum option option = option_find(name);
    if (option == OPTION_COUNT) {
        return err_set(e, ERR_INVALID,
                       strcmp(name, "tags") == 0 || strcmp(name, "outputs") == 0
                           ? "outputs[%zu].%.40s is not possible: it is for the job as a whole"
                           : "outputs[%zu].%.40s is no option",
                       index, name);
    }
    enum err err = option_set_json(o, option, value, e);
    return err == OK ? OK : request_name_output(index, err, e);
}

enum err request_read_outputs(struct job_request *r, const json_t *array, size_t min,
                              struct error *e)
{
    size_t count = json_array_size(array);
    if (!json_is_array(array) || count < min || count > JOB_REQUEST_OUTPUTS_MAX) {
        return err_set(e, ERR_INVALID, "outputs must be an array of %zu to %d objects", min,
                       JOB_REQUEST_OUTPUTS_MAX);
    }
    struct job_options outputs[JOB_REQUEST_OUTPUTS_MAX];
    memset(outputs, 0, sizeof(outputs));
    for (size_t k = 0; k < count; k++) {
        json_t *object = json_array_get(array, k);
        if (!json_is_object(object)) {
            return err_set(e, ERR_INVALID, "outputs[%zu] must be an object of options", k);
        }
        job_options_default(&outputs[k]);
        for (void *i = json_object_iter(object); i != NULL; i = json_object_iter_next(object, i)) {
            enum err err = read_member(&outputs[k], json_object_iter_key(i),
                                       json_object_iter_value(i), k, e);
            if (err != OK) {
                return err;
            }
        }
    }
    memcpy(r->outputs, outputs, sizeof(outputs));
    r->output_count = (int)count;
    return OK;
}

static enum err read_request_member(struct job_request *r, const char *name, const json_t *value,
                                    struct error *e)
{
    if (strcmp(name, "tags") == 0) {
        return read_tags(&r->tags, value, e);
    }
    if (strcmp(name, "outputs") == 0) {
        return request_read_outputs(r, value, 0, e);
    }
    enum option option = option_find(name);
    return option == OPTION_COUNT ? option_unknown(name, ERR_INVALID, e)
                                  : option_set_json(&r->options, option, value, e);
}

enum err job_request_from_json(struct job_request *r, const json_t *json, struct error *e)
{
    if (!json_is_object(json)) {
        return err_set(e, ERR_INVALID, "options must be an object");
    }
    AUTO(mem_free) struct job_request *parsed = xcalloc(1, sizeof(*parsed));
    *parsed = *r;
    json_t *members = (json_t *)(uintptr_t)json;
    for (void *i = json_object_iter(members); i != NULL; i = json_object_iter_next(members, i)) {
        enum err err = read_request_member(parsed, json_object_iter_key(i),
                                           json_object_iter_value(i), e);
        if (err != OK) {
            return err;
        }
    }
    /* While it is known what the options were given. */
    for (int i = 0; i < parsed->output_count; i++) {
        option_inherit(&parsed->outputs[i], &parsed->options);
    }
    option_settle_json(&parsed->options);
    *r = *parsed;
    return OK;
}
