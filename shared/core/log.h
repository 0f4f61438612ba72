/* Structured log: one line, one write(2), to standard error. JSON, or coloured text on a terminal.
 *
 * A line carries time, level, service, message, the thread's context (trace_id, job_id, user_id,
 * attempt), and error.code where it tells of a failure. Lines are cut at 8 KiB. shared/ does not
 * log: it returns errors, and the service that decides logs once. Thread-safe. Never log tokens,
 * passwords or message bodies; e-mail addresses go through log_mask_email. */
#ifndef UNREEL_CORE_LOG_H
#define UNREEL_CORE_LOG_H

#include <stdbool.h>

#include "core/attr.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_JSON, LOG_FORMAT_TEXT };

/* Once, before threads. `service` must stay valid. */
void log_init(const char *service, enum log_level level, enum log_format format);

#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...) log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)

void log_at(enum log_level level, const char *fmt, ...) PRINTF(2, 3);
/* With error.code, from a fixed list: err_name() or a problem's slug; NULL is none. */
void log_failure(enum log_level level, const char *code, const char *fmt, ...) PRINTF(3, 4);
/* Passes on a line that another process wrote (the engine's): text is escaped, `source` names it.
 */
void log_line_from(const char *source, enum log_level level, const char *text);

/* The thread's context: begins a new one without user and attempt; NULL or "" is no id. Copied
 * (trace 32, job 24, user 48 characters). */
void log_context(const char *trace_id, const char *job_id);
/* Parts that become known later. An account's id, never its address; attempt 0: none. */
void log_context_job(const char *job_id);
void log_context_user(const char *user_id);
void log_context_attempt(int attempt);

/* "ann@example.org" -> "a…@example.org" into dst. Returns dst. */
#define LOG_MASK_SIZE 96
const char *log_mask_email(char dst[LOG_MASK_SIZE], const char *email);

#endif
