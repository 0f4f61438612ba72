/* The mail that tells an owner how a job ended: RFC 5322, multipart/alternative with a text and an
 * HTML part. */
#ifndef UNREEL_NOTIFIER_MAIL_H
#define UNREEL_NOTIFIER_MAIL_H

#include "core/buf.h"
#include "jobs/job.h"

/* The longest names of the most MP3s, in both parts. */
#define MAIL_MAX ((size_t)1 << 20)

/* Writes the whole message with CRLF lines to `out` (born with MAIL_MAX). `public_url` is where the
 * gateway is reached; `from` is a bare address. ERR_INVALID when an address could break a header.
 */
enum err mail_compose(const struct job *job, const char *from, const char *public_url,
                      const char *event_id, struct buf *out, struct error *e) MUST_CHECK;

#endif
