/* What requests say in headers: texts only, so that tests reach it without a server. */
#ifndef UNREEL_HEADERS_H
#define UNREEL_HEADERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The seconds of `Prefer: wait=N` (RFC 7240) for which an answer may be held, at most max_s; -1
 * without one. `prefer` may be NULL. */
int64_t headers_wait_s(const char *prefer, int64_t max_s);
/* Copies an Idempotency-Key: a quoted string of the structured fields, or the same without its
 * quotes. False when it is empty, does not fit, or is not visible ASCII. */
bool headers_idempotency_key(char *dst, size_t size, const char *key);
/* Whether If-None-Match (may be NULL) names the entity, whose etag is a strong one in quotes. */
bool headers_has_etag(const char *if_none_match, const char *etag);

#endif
