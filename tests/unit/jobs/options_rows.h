/* Options as the rows of the tests' tables write them. */
#ifndef UNREEL_TEST_OPTIONS_ROWS_H
#define UNREEL_TEST_OPTIONS_ROWS_H

#include "jobs/options.h"

/* Of the standard preset: mode, bitrate, quality, sample rate, channels. */
#define O(m, b, q, r, c)                                                                           \
    {                                                                                              \
        .mode = (m), .bitrate_kbps = (b), .quality = (q), .sample_rate_hz = (r), .channels = (c),  \
        .loudness_target_centi_lufs = -1600                                                        \
    }
/* And never copied. */
#define N(m, b, q, r, c)                                                                           \
    {                                                                                              \
        .mode = (m), .bitrate_kbps = (b), .quality = (q), .sample_rate_hz = (r), .channels = (c),  \
        .loudness_target_centi_lufs = -1600, .copy = JOB_COPY_NEVER                                \
    }
#define STANDARD .bitrate_kbps = 192, .quality = 2, .loudness_target_centi_lufs = -1600
/* The default but for one value. */
#define V(...)                                                                                     \
    {                                                                                              \
        .mode = JOB_MODE_VBR, STANDARD, __VA_ARGS__                                                \
    }
#define TARGET(centi_lufs)                                                                         \
    {                                                                                              \
        .mode = JOB_MODE_VBR, .bitrate_kbps = 192, .quality = 2,                                   \
        .loudness_target_centi_lufs = (centi_lufs)                                                 \
    }
#define assert_err(expected, call) assert_string_equal(err_name(expected), err_name(call))

#endif
