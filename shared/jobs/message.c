#include "jobs/message.h"

#include <string.h>

#include "core/attr.h"
#include "core/mem.h"
#include "core/text.h"
#include "jobs/record_impl.h"
#include "core/banned.h"

#define VERSION 1
/* Enough for seconds with microseconds; 17 digits would print 0.1 as 0.10000000000000001. */
#define DUMP_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(12))

static char *dump(json_t *owned_json)
{
    char *text = json_dumps(owned_json, DUMP_FLAGS);
    json_decref(owned_json);
    return text != NULL ? text : xstrdup("{}");
}

static json_t *message_common(const struct job *j)
{
    json_t *json = json_object();
    (void)json_object_set_new(json, "version", json_integer(VERSION));
    (void)json_object_set_new(json, "job_id", field_text(j->id));
    (void)json_object_set_new(json, "video_fid", field_text(j->video_fid));
    (void)json_object_set_new(json, "mp3_fid", field_text(j->mp3_fid));
    (void)json_object_set_new(json, "username", field_text(j->owner));
    (void)json_object_set_new(json, "options", job_request_to_json(&j->request));
    (void)json_object_set_new(json, "traceparent", field_text(j->traceparent));
    return json;
}

char *job_message_video(const struct job *j)
{
    json_t *json = message_common(j);
    (void)json_object_set_new(json, "mp3_fid", json_null());
    return dump(json);
}

char *job_message_mp3(const struct job *j)
{
    json_t *json = message_common(j);
    (void)json_object_set_new(json, "state", json_string(job_state_name(j->state)));
    return dump(json);
}

/* A broker takes no more, and an event that is lost is a progress that nobody sees. */
char *job_event_body(const struct job *j)
{
    static const char *const long_members[][2] = { { "input", "chapters" },
                                                   { NULL, "outputs" },
                                                   { "input", "tracks" } };
    json_auto_t *json = job_to_json(j);
    char *text = dump(json_incref(json));
    for (size_t i = 0; strlen(text) > JOB_MESSAGE_MAX && i < ARRAY_LEN(long_members); i++) {
        const char *parent = long_members[i][0];
        json_t *object = parent != NULL ? json_object_get(json, parent) : json;
        (void)json_object_set_new(object, long_members[i][1], json_null());
        mem_free(text);
        text = dump(json_incref(json));
    }
    return text;
}

static enum err wrong(const char *name, const char *rule, struct error *e)
{
    return err_set(e, ERR_INVALID, "message: %s must be %s", name, rule);
}

/* "" for null and for an absent member. */
static enum err parse_id(const json_t *object, const char *name, char ret_id[ID_SIZE],
                         struct error *e)
{
    const json_t *value = json_object_get(object, name);
    ret_id[0] = '\0';
    if (value == NULL || json_is_null(value)) {
        return OK;
    }
    const char *text = json_string_value(value);
    if (text == NULL || !id_is_valid(text)) {
        return wrong(name, "an id of 24 hex digits", e);
    }
    (void)text_copy(ret_id, ID_SIZE, text);
    return OK;
}

static enum err parse_version(const json_t *object, int *ret_version, struct error *e)
{
    const json_t *value = json_object_get(object, "version");
    *ret_version = 0;
    if (value == NULL) {
        return OK;
    }
    if (!json_is_integer(value) || json_integer_value(value) != VERSION) {
        return wrong("version", "1", e);
    }
    *ret_version = VERSION;
    return OK;
}

static enum err parse_username(const json_t *object, char ret_name[JOB_OWNER_SIZE], struct error *e)
{
    const json_t *value = json_object_get(object, "username");
    size_t len = json_string_length(value);
    if (!json_is_string(value) || len == 0 || len >= JOB_OWNER_SIZE) {
        return wrong("username", "a text of 1 to 254 bytes", e);
    }
    const char *text = json_string_value(value);
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            return wrong("username", "without control characters", e);
        }
    }
    (void)text_copy(ret_name, JOB_OWNER_SIZE, text);
    return OK;
}

static enum err parse_state(const json_t *object, enum job_state *ret_state, struct error *e)
{
    const json_t *value = json_object_get(object, "state");
    *ret_state = JOB_SUCCEEDED;
    if (value == NULL) {
        return OK;
    }
    const char *name = json_string_value(value);
    enum job_state state = name != NULL ? job_state_from_name(name) : JOB_STATE_MAX;
    if (state != JOB_SUCCEEDED && state != JOB_FAILED && state != JOB_CANCELLED) {
        return wrong("state", "succeeded, failed or cancelled", e);
    }
    *ret_state = state;
    return OK;
}

static enum err parse_request(const json_t *object, struct job_request *ret_request,
                              struct error *e)
{
    const json_t *value = json_object_get(object, "options");
    job_request_default(ret_request);
    if (value == NULL || json_is_null(value)) {
        return OK;
    }
    enum err err = job_request_from_json(ret_request, value, e);
    return err == OK ? job_request_settle(ret_request, e) : err;
}

static enum err parse_traceparent(const json_t *object, char ret_text[TRACEPARENT_SIZE],
                                  struct error *e)
{
    const json_t *value = json_object_get(object, "traceparent");
    ret_text[0] = '\0';
    if (value == NULL || json_is_null(value)) {
        return OK;
    }
    const char *text = json_string_value(value);
    if (text == NULL) {
        return wrong("traceparent", "a text", e);
    }
    /* A broken trace context is dropped, as W3C asks; it is no reason to lose a job. */
    if (trace_is_valid(text)) {
        (void)text_copy(ret_text, TRACEPARENT_SIZE, text);
    }
    return OK;
}

static enum err parse_object(const json_t *object, struct job_message *m, struct error *e)
{
    enum err err = parse_version(object, &m->version, e);
    if (err == OK) {
        err = parse_id(object, "job_id", m->job_id, e);
    }
    if (err == OK) {
        err = parse_id(object, "video_fid", m->video_fid, e);
    }
    if (err == OK && m->video_fid[0] == '\0') {
        err = wrong("video_fid", "an id of 24 hex digits", e);
    }
    if (err == OK) {
        err = parse_id(object, "mp3_fid", m->mp3_fid, e);
    }
    if (err == OK) {
        err = parse_username(object, m->username, e);
    }
    if (err == OK) {
        err = parse_state(object, &m->state, e);
    }
    if (err == OK) {
        err = parse_request(object, &m->request, e);
    }
    if (err == OK) {
        err = parse_traceparent(object, m->traceparent, e);
    }
    return err;
}

enum err job_message_parse(const void *bytes, size_t len, struct job_message *ret_message,
                           struct error *e)
{
    if (len > JOB_MESSAGE_MAX) {
        return err_set(e, ERR_INVALID, "message: %zu bytes, the limit is %d", len, JOB_MESSAGE_MAX);
    }
    json_error_t parse_error;
    json_auto_t *object = json_loadb(bytes != NULL ? bytes : "", len, JSON_REJECT_DUPLICATES,
                                     &parse_error);
    if (object == NULL) {
        return err_set(e, ERR_INVALID, "message: no JSON at byte %d", parse_error.position);
    }
    if (!json_is_object(object)) {
        return err_set(e, ERR_INVALID, "message: no JSON object");
    }
    struct job_message m;
    memset(&m, 0, sizeof(m));
    enum err err = parse_object(object, &m, e);
    if (err == OK) {
        *ret_message = m;
    }
    return err;
}
