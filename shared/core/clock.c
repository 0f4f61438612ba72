#include "core/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/id.h"
#include "core/text.h"

#include "core/banned.h"

#define MS_PER_S 1000
#define MS_PER_DAY (INT64_C(86400) * MS_PER_S)

static int64_t now_us(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_mono_ms(void)
{
    return now_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_mono_us(void)
{
    return now_us(CLOCK_MONOTONIC);
}

int64_t clock_wall_ms(void)
{
    return now_us(CLOCK_REALTIME) / 1000;
}

int64_t clock_wall_us(void)
{
    return now_us(CLOCK_REALTIME);
}

void clock_sleep_ms(int64_t ms)
{
    if (ms > 0) {
        struct timespec delay = { .tv_sec = ms / MS_PER_S, .tv_nsec = ms % MS_PER_S * 1000000 };
        (void)nanosleep(&delay, NULL);
    }
}

/* The texts know the years 0 to 9999 only. */
#define WALL_MIN INT64_C(-62167219200000)
#define WALL_MAX INT64_C(253402300799999)

/* Splits a time; returns the milliseconds within the second. */
static int split(int64_t wall_ms, struct tm *ret_parts)
{
    if (wall_ms < WALL_MIN) {
        wall_ms = WALL_MIN;
    }
    if (wall_ms > WALL_MAX) {
        wall_ms = WALL_MAX;
    }
    int64_t ms = ((wall_ms % MS_PER_S) + MS_PER_S) % MS_PER_S;
    time_t seconds = (time_t)((wall_ms - ms) / MS_PER_S);

    (void)gmtime_r(&seconds, ret_parts);
    return (int)ms;
}

void clock_format(char ret_text[CLOCK_TEXT_SIZE], int64_t wall_ms)
{
    struct tm t;
    int ms = split(wall_ms, &t);

    (void)snprintf(ret_text, CLOCK_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
                   (unsigned)(t.tm_year + 1900) % 10000u, (unsigned)(t.tm_mon + 1) % 100u,
                   (unsigned)t.tm_mday % 100u, (unsigned)t.tm_hour % 100u,
                   (unsigned)t.tm_min % 100u, (unsigned)t.tm_sec % 100u, (unsigned)ms % 1000u);
}

void clock_format_http(char ret_text[CLOCK_TEXT_SIZE], int64_t wall_ms)
{
    static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    struct tm t;

    (void)split(wall_ms, &t);
    (void)snprintf(ret_text, CLOCK_TEXT_SIZE, "%s, %02u %s %04u %02u:%02u:%02u GMT",
                   days[(unsigned)t.tm_wday % 7u], (unsigned)t.tm_mday % 100u,
                   months[(unsigned)t.tm_mon % 12u], (unsigned)(t.tm_year + 1900) % 10000u,
                   (unsigned)t.tm_hour % 100u, (unsigned)t.tm_min % 100u,
                   (unsigned)t.tm_sec % 100u);
}

/* Reads exactly `digits` digits at *p and moves on. */
static bool read_number(const char **p, int digits, int min, int max, int *ret_value)
{
    int value = 0;

    for (int i = 0; i < digits; i++) {
        char c = (*p)[i];
        if (c < '0' || c > '9') {
            return false;
        }
        value = value * 10 + (c - '0');
    }
    *p += digits;
    *ret_value = value;
    return value >= min && value <= max;
}

static bool read_char(const char **p, char wanted)
{
    if (**p != wanted) {
        return false;
    }
    (*p)++;
    return true;
}

/* ".123456" -> 123; nothing -> 0. */
static bool read_fraction_ms(const char **p, int *ret_ms)
{
    *ret_ms = 0;
    if (**p != '.') {
        return true;
    }
    (*p)++;
    int digits = 0;
    int scale = 100;
    while (**p >= '0' && **p <= '9' && digits < 9) {
        *ret_ms += (**p - '0') * scale;
        scale /= 10;
        digits++;
        (*p)++;
    }
    return digits > 0;
}

/* "Z", "+02:00". */
static bool read_offset_minutes(const char **p, int *ret_minutes)
{
    int hours = 0;
    int minutes = 0;
    int sign = **p == '-' ? -1 : 1;

    if (read_char(p, 'Z')) {
        *ret_minutes = 0;
        return true;
    }
    if (**p != '+' && **p != '-') {
        return false;
    }
    (*p)++;
    if (!read_number(p, 2, 0, 23, &hours) || !read_char(p, ':') ||
        !read_number(p, 2, 0, 59, &minutes)) {
        return false;
    }
    *ret_minutes = sign * (hours * 60 + minutes);
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && is_leap ? 29 : days[month - 1];
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar. Years begin in March, so that the
 * leap day comes last. */
static int64_t days_since_epoch(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (INT64_C(153) * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + day_of_era - 719468;
}

static bool read_date(const char **p, int64_t *ret_days)
{
    int year = 0;
    int month = 0;
    int day = 0;

    if (!read_number(p, 4, 0, 9999, &year) || !read_char(p, '-') ||
        !read_number(p, 2, 1, 12, &month) || !read_char(p, '-') ||
        !read_number(p, 2, 1, 31, &day) || day > days_in_month(year, month)) {
        return false;
    }
    *ret_days = days_since_epoch(year, month, day);
    return true;
}

static bool read_time_ms(const char **p, int64_t *ret_ms)
{
    int hour = 0;
    int minute = 0;
    int second = 0;
    int fraction_ms = 0;

    /* Second 60 is a leap second: it becomes the first of the next minute. */
    if (!read_number(p, 2, 0, 23, &hour) || !read_char(p, ':') ||
        !read_number(p, 2, 0, 59, &minute) || !read_char(p, ':') ||
        !read_number(p, 2, 0, 60, &second) || !read_fraction_ms(p, &fraction_ms)) {
        return false;
    }
    *ret_ms = (((int64_t)hour * 60 + minute) * 60 + second) * MS_PER_S + fraction_ms;
    return true;
}

enum err clock_parse(const char *text, int64_t *ret_wall_ms)
{
    const char *p = text;
    int64_t days = 0;
    int64_t ms_of_day = 0;
    int offset_minutes = 0;

    if (!read_date(&p, &days) || !read_char(&p, 'T') || !read_time_ms(&p, &ms_of_day) ||
        !read_offset_minutes(&p, &offset_minutes) || *p != '\0') {
        return ERR_INVALID;
    }
    *ret_wall_ms = days * MS_PER_DAY + ms_of_day - (int64_t)offset_minutes * 60 * MS_PER_S;
    return OK;
}

int64_t clock_backoff_ms(int attempt, int64_t base_ms, int64_t max_ms)
{
    int64_t limit = base_ms < max_ms ? base_ms : max_ms;

    for (int i = 1; i < attempt && limit < max_ms; i++) {
        limit = limit > max_ms / 2 ? max_ms : limit * 2;
    }
    if (limit <= 1) {
        return 1;
    }
    unsigned bound = limit > UINT32_MAX - 1 ? UINT32_MAX - 1 : (unsigned)limit;
    /* Never 0, so that a loop around it cannot spin. */
    return 1 + (int64_t)random_below(bound);
}
