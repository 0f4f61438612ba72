#include "jobs/mongo_record.h"

#include <bson/bson.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "core/banned.h"

/* Deeper than any record of ours; a document somebody else wrote must not exhaust the stack. */
#define DEPTH_MAX 8

static const char *const time_names[] = {
    "created_at",  "queued_at", "started_at",   "finished_at", "expires_at",
    "lease_until", "run_at",    "published_at", "due_at",      "sent_at",
};

static const char *const id_names[] = { "id",       "video_fid", "cover_fid", "mp3_fid",
                                        "retry_of", "same_as",   "file_id" };

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void append_value(bson_t *doc, const char *name, const json_t *value);

static void append_object(bson_t *doc, const char *name, const json_t *object)
{
    bson_t child;
    (void)bson_append_document_begin(doc, name, -1, &child);
    /* Iterators take a mutable object although they change nothing. */
    json_t *members = (json_t *)(uintptr_t)object;
    for (void *i = json_object_iter(members); i != NULL; i = json_object_iter_next(members, i)) {
        append_value(&child, json_object_iter_key(i), json_object_iter_value(i));
    }
    (void)bson_append_document_end(doc, &child);
}

static void append_array(bson_t *doc, const char *name, const json_t *array)
{
    bson_t child;
    (void)bson_append_array_begin(doc, name, -1, &child);
    for (size_t i = 0; i < json_array_size(array); i++) {
        char key[24];
        (void)snprintf(key, sizeof(key), "%zu", i);
        append_value(&child, key, json_array_get(array, i));
    }
    (void)bson_append_array_end(doc, &child);
}

static void append_integer(bson_t *doc, const char *name, int64_t value)
{
    if (is_one_of(name, time_names, ARRAY_LEN(time_names))) {
        (void)bson_append_date_time(doc, name, -1, value);
    } else if (value >= INT32_MIN && value <= INT32_MAX) {
        (void)bson_append_int32(doc, name, -1, (int32_t)value);
    } else {
        (void)bson_append_int64(doc, name, -1, value);
    }
}

static void append_string(bson_t *doc, const char *name, const char *text)
{
    if (is_one_of(name, id_names, ARRAY_LEN(id_names)) && id_is_valid(text)) {
        bson_oid_t oid;
        bson_oid_init_from_string(&oid, text);
        (void)bson_append_oid(doc, name, -1, &oid);
    } else {
        (void)bson_append_utf8(doc, name, -1, text, -1);
    }
}

static void append_value(bson_t *doc, const char *name, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        append_object(doc, name, value);
        break;
    case JSON_ARRAY:
        append_array(doc, name, value);
        break;
    case JSON_STRING:
        append_string(doc, name, json_string_value(value));
        break;
    case JSON_INTEGER:
        append_integer(doc, name, json_integer_value(value));
        break;
    case JSON_REAL:
        (void)bson_append_double(doc, name, -1, json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        (void)bson_append_bool(doc, name, -1, json_is_true(value));
        break;
    case JSON_NULL:
        (void)bson_append_null(doc, name, -1);
        break;
    }
}

void mongo_record_append(bson_t *doc, const struct job *j)
{
    json_auto_t *record = job_to_record(j);
    (void)json_object_del(record, "id");
    for (void *i = json_object_iter(record); i != NULL; i = json_object_iter_next(record, i)) {
        append_value(doc, json_object_iter_key(i), json_object_iter_value(i));
    }
}

static json_t *read_value(const bson_iter_t *at, int depth);

/* Members of a type that no record has are left out. */
static json_t *read_children(const bson_iter_t *at, json_t *parent, int depth)
{
    bson_iter_t child;
    if (depth < DEPTH_MAX && bson_iter_recurse(at, &child)) {
        while (bson_iter_next(&child)) {
            json_t *value = read_value(&child, depth + 1);
            if (value != NULL && json_is_object(parent)) {
                (void)json_object_set_new(parent, bson_iter_key(&child), value);
            } else if (value != NULL) {
                (void)json_array_append_new(parent, value);
            }
        }
    }
    return parent;
}

static json_t *read_value(const bson_iter_t *at, int depth)
{
    char id[ID_SIZE];
    uint32_t len = 0;
    const char *text = NULL;
    switch (bson_iter_type(at)) {
    case BSON_TYPE_UTF8:
        text = bson_iter_utf8(at, &len);
        return json_stringn(text, len);
    case BSON_TYPE_OID:
        bson_oid_to_string(bson_iter_oid(at), id);
        return json_string(id);
    case BSON_TYPE_INT32:
    case BSON_TYPE_INT64:
        return json_integer(bson_iter_as_int64(at));
    case BSON_TYPE_DATE_TIME:
        return json_integer(bson_iter_date_time(at));
    case BSON_TYPE_DOUBLE:
        return json_real(bson_iter_double(at));
    case BSON_TYPE_BOOL:
        return json_boolean(bson_iter_bool(at));
    case BSON_TYPE_NULL:
        return json_null();
    case BSON_TYPE_DOCUMENT:
        return read_children(at, json_object(), depth);
    case BSON_TYPE_ARRAY:
        return read_children(at, json_array(), depth);
    default:
        return NULL;
    }
}

enum err mongo_record_read(const bson_t *doc, struct job *ret_job, struct error *e)
{
    json_auto_t *record = json_object();
    bson_iter_t at;
    if (bson_iter_init(&at, doc)) {
        while (bson_iter_next(&at)) {
            const char *name = bson_iter_key(&at);
            json_t *value = read_value(&at, 0);
            if (value != NULL) {
                (void)json_object_set_new(record, strcmp(name, "_id") == 0 ? "id" : name, value);
            }
        }
    }
    return job_from_record(record, ret_job, e);
}
