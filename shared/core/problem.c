#include "core/problem.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"

#include "core/banned.h"

#define URN_PREFIX "urn:unreel:problem:"

static const struct problem_info problems[PROBLEM_MAX] = {
    [PROBLEM_NONE] = { "none", "No problem", 200, false },
    [PROBLEM_BAD_REQUEST] = { "bad-request", "The request is not well formed", 400, false },
    [PROBLEM_INVALID_OPTION] = { "invalid-option", "An option is unknown or out of range", 400,
                                 false },
    [PROBLEM_UNAUTHENTICATED] = { "unauthenticated", "Log in first", 401, false },
    [PROBLEM_TOKEN_INVALID] = { "token-invalid", "The token is not valid", 401, false },
    [PROBLEM_TOKEN_EXPIRED] = { "token-expired", "The token has expired", 401, false },
    [PROBLEM_FORBIDDEN] = { "forbidden", "This account may not do that", 403, false },
    [PROBLEM_NOT_FOUND] = { "not-found", "There is nothing here", 404, false },
    [PROBLEM_METHOD_NOT_ALLOWED] = { "method-not-allowed", "This address has other methods", 405,
                                     false },
    [PROBLEM_CONFLICT] = { "conflict", "It exists already, or has just changed", 409, false },
    [PROBLEM_NOT_FINISHED] = { "job-not-finished", "The job has not finished yet", 409, true },
    [PROBLEM_NOT_CANCELLABLE] = { "not-cancellable", "The job has ended already", 409, false },
    [PROBLEM_NOT_RETRYABLE] = { "not-retryable", "The job cannot be run again", 409, false },
    [PROBLEM_INPUT_TOO_LARGE] = { "input-too-large", "The upload is too large", 413, false },
    [PROBLEM_UNSUPPORTED_TYPE] = { "unsupported-media-type",
                                   "The request's content type is not supported", 415, false },
    [PROBLEM_RANGE] = { "range-not-satisfiable", "The range is outside the file", 416, false },
    [PROBLEM_IDEMPOTENCY_MISMATCH] = { "idempotency-key-reused",
                                       "The idempotency key belongs to another request", 422,
                                       false },
    [PROBLEM_TOO_MANY_REQUESTS] = { "too-many-requests", "Too many requests", 429, true },
    [PROBLEM_HEADERS_TOO_LARGE] = { "headers-too-large", "The request's headers are too large", 431,
                                    false },
    [PROBLEM_INTERNAL] = { "internal-error", "Something went wrong on the server", 500, true },
    [PROBLEM_UNAVAILABLE] = { "unavailable", "The service is not available just now", 503, true },
    [PROBLEM_EMPTY_UPLOAD] = { "empty-upload", "The file is empty", 400, false },
    [PROBLEM_UPLOAD_INCOMPLETE] = { "upload-incomplete", "The upload broke off", 400, true },
    [PROBLEM_FILE_COUNT] = { "one-file-expected", "Send exactly one file", 400, false },
    [PROBLEM_UNSUPPORTED_FORMAT] = { "unsupported-format", "This is not a media file we can read",
                                     422, false },
    [PROBLEM_UNSUPPORTED_CODEC] = { "unsupported-codec", "The sound's codec is not supported", 422,
                                    false },
    [PROBLEM_CORRUPT_INPUT] = { "corrupt-input", "The file is damaged", 422, false },
    [PROBLEM_ENCRYPTED_INPUT] = { "encrypted-input", "The file is encrypted", 422, false },
    [PROBLEM_NO_AUDIO] = { "no-audio-stream", "The file has no sound", 422, false },
    [PROBLEM_TRACK_NOT_FOUND] = { "track-not-found", "The file has no such track", 422, false },
    [PROBLEM_TRIM_RANGE] = { "trim-out-of-range", "The part asked for is not in the file", 422,
                             false },
    [PROBLEM_TOO_MANY_OUTPUTS] = { "too-many-outputs", "Too many MP3s would come of it", 422,
                                   false },
    [PROBLEM_COVER_NOT_FOUND] = { "cover-not-found", "There is no such picture in the file", 422,
                                  false },
    [PROBLEM_DURATION_EXCEEDED] = { "duration-exceeded", "The recording is too long", 422, false },
    [PROBLEM_RESOURCE_LIMIT] = { "resource-limit", "The conversion took more than it is allowed",
                                 422, false },
    [PROBLEM_SOURCE_MISSING] = { "source-missing", "The uploaded file is gone", 410, false },
    [PROBLEM_ATTEMPTS_EXHAUSTED] = { "attempts-exhausted", "The conversion failed too many times",
                                     422, true },
    [PROBLEM_WORKER_LOST] = { "worker-lost", "The conversion was interrupted", 503, true },
};

const struct problem_info *problem_info(enum problem p)
{
    assert((unsigned)p < PROBLEM_MAX);
    return &problems[p];
}

enum problem problem_from_type(const char *type)
{
    const char *slug = text_starts_with(type, URN_PREFIX) ? type + strlen(URN_PREFIX) : type;

    for (int p = PROBLEM_NONE + 1; p < PROBLEM_MAX; p++) {
        if (strcmp(problems[p].slug, slug) == 0) {
            return (enum problem)p;
        }
    }
    return PROBLEM_NONE;
}

const char *problem_type(char dst[PROBLEM_TYPE_SIZE], enum problem p)
{
    (void)snprintf(dst, PROBLEM_TYPE_SIZE, URN_PREFIX "%s", problem_info(p)->slug);
    return dst;
}

enum problem problem_from_err(enum err code)
{
    switch (code) {
    case OK:
        return PROBLEM_NONE;
    case ERR_INVALID:
        return PROBLEM_BAD_REQUEST;
    case ERR_NOT_FOUND:
        return PROBLEM_NOT_FOUND;
    case ERR_DENIED:
        return PROBLEM_FORBIDDEN;
    case ERR_TOO_BIG:
        return PROBLEM_INPUT_TOO_LARGE;
    case ERR_EXISTS:
    case ERR_CONFLICT:
        return PROBLEM_CONFLICT;
    case ERR_BUSY:
    case ERR_TIMEOUT:
    case ERR_CANCELLED:
        return PROBLEM_UNAVAILABLE;
    case ERR_CORRUPT:
    case ERR_FAULT:
    case ERR_MAX:
        break;
    }
    return PROBLEM_INTERNAL;
}
