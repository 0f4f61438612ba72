/* Two clocks and their texts. Thread-safe. */
#ifndef UNREEL_CORE_CLOCK_H
#define UNREEL_CORE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/error.h"

/* Never goes back; for durations and deadlines inside one process. */
int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
/* Unix time; for what is stored or shown. */
int64_t clock_wall_ms(void);
int64_t clock_wall_us(void);
/* Sleeps; returns early on a signal. */
void clock_sleep_ms(int64_t ms);

#define CLOCK_TEXT_SIZE 32
/* RFC 3339, UTC, with milliseconds: 2026-11-21T10:43:00.123Z */
void clock_format(char ret_text[CLOCK_TEXT_SIZE], int64_t wall_ms);
enum err clock_parse(const char *text, int64_t *ret_wall_ms) MUST_CHECK;
/* IMF-fixdate of RFC 9110: Sat, 21 Nov 2026 10:43:00 GMT */
void clock_format_http(char ret_text[CLOCK_TEXT_SIZE], int64_t wall_ms);

/* Delay before try number `attempt` (1, 2, ...): full jitter over base * 2^(attempt-1), capped. */
int64_t clock_backoff_ms(int attempt, int64_t base_ms, int64_t max_ms);

#endif
