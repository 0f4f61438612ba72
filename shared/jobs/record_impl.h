/* Tables that say how the members of a plain struct stand in JSON; used by job.c and record.c. */
#ifndef UNREEL_JOBS_RECORD_IMPL_H
#define UNREEL_JOBS_RECORD_IMPL_H

#include <jansson.h>
#include <stddef.h>

#include "core/error.h"
#include "jobs/job.h"

enum field_type {
    FIELD_TEXT,  /* char[size]; "" is null */
    FIELD_INT,   /* int */
    FIELD_INT64, /* int64_t */
    FIELD_DOUBLE,
    FIELD_BOOL,
    FIELD_TIME,   /* int64_t ms; 0 is null */
    FIELD_SECONDS /* int64_t ms, as seconds */
};

struct field {
    const char *name;
    enum field_type type;
    size_t offset;
    size_t size;
};

#define FIELD(kind, structure, member, json_name)                                                  \
    {                                                                                              \
        json_name, kind, offsetof(struct structure, member),                                       \
            sizeof(((struct structure *)NULL)->member)                                             \
    }

enum field_times { FIELD_TIMES_MS, FIELD_TIMES_TEXT };

/* A new object with the fields of `base`. */
json_t *fields_pack(const void *base, const struct field *fields, size_t count,
                    enum field_times times) MUST_CHECK;
/* Back, from FIELD_TIMES_MS. An absent member or null gives zero; a wrong type or a value that does
 * not fit is ERR_CORRUPT. */
enum err fields_unpack(void *base, const struct field *fields, size_t count, const json_t *object,
                       struct error *e) MUST_CHECK;

/* A JSON string, or null for "". Bytes that are no UTF-8 become '?'. */
json_t *field_text(const char *text) MUST_CHECK;

/* What the record and the user's view have in common. The caller owns the array or object. */
json_t *fields_pack_tracks(const struct job_input *input) MUST_CHECK;
json_t *fields_pack_chapters(const struct job_input *input) MUST_CHECK;
json_t *fields_pack_output(const struct job_output *output) MUST_CHECK;

#endif
