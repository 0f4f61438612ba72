/* The closed catalogue of problems that a user can meet (RFC 9457), in HTTP answers and in a failed
 * job.
 *
 * `type` is "urn:unreel:problem:<slug>", stable for ever; docs/problems.md explains each (a test
 * keeps them equal). */
#ifndef UNREEL_CORE_PROBLEM_H
#define UNREEL_CORE_PROBLEM_H

#include <stdbool.h>

#include "core/attr.h"
#include "core/error.h"

enum problem {
    PROBLEM_NONE = 0,
    /* requests */
    PROBLEM_BAD_REQUEST,     /* 400 bad-request */
    PROBLEM_INVALID_OPTION,  /* 400 invalid-option: unknown option, or out of range; errors[] names
                                it */
    PROBLEM_UNAUTHENTICATED, /* 401 unauthenticated: no credentials, or wrong ones */
    PROBLEM_TOKEN_INVALID,   /* 401 token-invalid */
    PROBLEM_TOKEN_EXPIRED,   /* 401 token-expired */
    PROBLEM_FORBIDDEN,       /* 403 forbidden */
    PROBLEM_NOT_FOUND,       /* 404 not-found */
    PROBLEM_METHOD_NOT_ALLOWED, /* 405 method-not-allowed */
    PROBLEM_CONFLICT,     /* 409 conflict: it exists already, or somebody else changed it first */
    PROBLEM_NOT_FINISHED, /* 409 job-not-finished */
    PROBLEM_NOT_CANCELLABLE,      /* 409 not-cancellable */
    PROBLEM_NOT_RETRYABLE,        /* 409 not-retryable */
    PROBLEM_INPUT_TOO_LARGE,      /* 413 input-too-large */
    PROBLEM_UNSUPPORTED_TYPE,     /* 415 unsupported-media-type: of the request's body */
    PROBLEM_RANGE,                /* 416 range-not-satisfiable */
    PROBLEM_IDEMPOTENCY_MISMATCH, /* 422 idempotency-key-reused */
    PROBLEM_TOO_MANY_REQUESTS,    /* 429 too-many-requests */
    PROBLEM_HEADERS_TOO_LARGE,    /* 431 headers-too-large */
    PROBLEM_INTERNAL,             /* 500 internal-error */
    PROBLEM_UNAVAILABLE,          /* 503 unavailable */
    /* uploads */
    PROBLEM_EMPTY_UPLOAD,      /* 400 empty-upload */
    PROBLEM_UPLOAD_INCOMPLETE, /* 400 upload-incomplete */
    PROBLEM_FILE_COUNT,        /* 400 one-file-expected: no file in the form, or several */
    /* jobs (the status is what GET of the result answers) */
    PROBLEM_UNSUPPORTED_FORMAT, /* 422 unsupported-format: not a media file we read */
    PROBLEM_UNSUPPORTED_CODEC,  /* 422 unsupported-codec */
    PROBLEM_CORRUPT_INPUT,      /* 422 corrupt-input */
    PROBLEM_ENCRYPTED_INPUT,    /* 422 encrypted-input */
    PROBLEM_NO_AUDIO,           /* 422 no-audio-stream */
    PROBLEM_TRACK_NOT_FOUND,    /* 422 track-not-found */
    PROBLEM_TRIM_RANGE,         /* 422 trim-out-of-range: start is after the sound's end */
    PROBLEM_TOO_MANY_OUTPUTS,   /* 422 too-many-outputs: the file has more chapters than that */
    PROBLEM_COVER_NOT_FOUND,    /* 422 cover-not-found: no picture at that time */
    PROBLEM_DURATION_EXCEEDED,  /* 422 duration-exceeded */
    PROBLEM_RESOURCE_LIMIT,     /* 422 resource-limit: the sandbox ended the conversion */
    PROBLEM_SOURCE_MISSING,     /* 410 source-missing: the uploaded file is gone */
    PROBLEM_ATTEMPTS_EXHAUSTED, /* 422 attempts-exhausted */
    PROBLEM_WORKER_LOST,        /* 503 worker-lost: transient */
    PROBLEM_MAX
};

struct problem_info {
    const char *slug;
    const char *title;
    int status;
    bool retryable; /* whether the same request or job may succeed later */
};

/* Never NULL; p must be a member of the enum. */
const struct problem_info *problem_info(enum problem p);
/* The slug or the whole type URN; PROBLEM_NONE when unknown. */
enum problem problem_from_type(const char *type);
/* "urn:unreel:problem:<slug>" into dst. */
#define PROBLEM_TYPE_SIZE 64
const char *problem_type(char dst[PROBLEM_TYPE_SIZE], enum problem p);
/* The problem that an error code stands for in a request. */
enum problem problem_from_err(enum err code);

#endif
