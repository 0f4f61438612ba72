/* Configuration: the environment, one table per service.
 *
 * The table drives parsing, --help and the README's table. A secret may come from NAME_FILE instead
 * of NAME. An unknown UNREEL_* variable (UNREEL_TEST_* apart), a value out of range, or NAME
 * together with NAME_FILE is an error that names the variable. */
#ifndef UNREEL_CORE_CONFIG_H
#define UNREEL_CORE_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

enum config_type {
    CONFIG_TEXT,   /* char *; owned by the settings */
    CONFIG_SECRET, /* char *; NAME or NAME_FILE; printed as "***" */
    CONFIG_URL,    /* char *; NAME or NAME_FILE; printed without its user info */
    CONFIG_INT,    /* int64_t within [min, max] */
    CONFIG_SIZE,   /* int64_t bytes within [min, max]; accepts KiB MiB GiB */
    CONFIG_BOOL,   /* bool: true | false | 1 | 0 */
    CONFIG_CHOICE  /* int: the index of the word in `choices`, which is "word|word|word" */
};

struct config_key {
    const char *name; /* UNREEL_... */
    enum config_type type;
    size_t offset;             /* of the field in the settings struct */
    const char *default_value; /* NULL: required; "": an empty text */
    const char *help;
    int64_t min, max;    /* INT and SIZE */
    const char *choices; /* CHOICE */
};

/* Every service's table begins with these; its settings struct begins with struct config_common. */
struct config_common {
    int log_level;
    int log_format;
    char *bind_address;
    int64_t ops_port;
    int64_t drain_timeout_s;
    char *otlp_url;
    int64_t trace_percent;
};

/* Rows for the top of a table; `ops_port` is a string literal, the service's default. */
#define CONFIG_COMMON_KEYS(ops_port_default)                                                       \
    { "UNREEL_LOG_LEVEL",                                                                          \
      CONFIG_CHOICE,                                                                               \
      offsetof(struct config_common, log_level),                                                   \
      "info",                                                                                      \
      "least level that is logged",                                                                \
      0,                                                                                           \
      0,                                                                                           \
      "debug|info|warn|error" },                                                                   \
        { "UNREEL_LOG_FORMAT",                                                                     \
          CONFIG_CHOICE,                                                                           \
          offsetof(struct config_common, log_format),                                              \
          "auto",                                                                                  \
          "log lines as JSON or as text; auto is text on a terminal",                              \
          0,                                                                                       \
          0,                                                                                       \
          "auto|json|text" },                                                                      \
        { "UNREEL_BIND",                                                                           \
          CONFIG_TEXT,                                                                             \
          offsetof(struct config_common, bind_address),                                            \
          "127.0.0.1",                                                                             \
          "address to listen on; 0.0.0.0 for all",                                                 \
          0,                                                                                       \
          0,                                                                                       \
          NULL },                                                                                  \
        { "UNREEL_OPS_PORT",                                                                       \
          CONFIG_INT,                                                                              \
          offsetof(struct config_common, ops_port),                                                \
          ops_port_default,                                                                        \
          "port of /livez, /readyz, /metrics and /version; 0 picks a free one",                    \
          0,                                                                                       \
          65535,                                                                                   \
          NULL },                                                                                  \
        { "UNREEL_OTLP_URL",                                                                       \
          CONFIG_URL,                                                                              \
          offsetof(struct config_common, otlp_url),                                                \
          "",                                                                                      \
          "collector that gets traces, by OTLP over HTTP: http://HOST:4318; empty: none",          \
          0,                                                                                       \
          0,                                                                                       \
          NULL },                                                                                  \
        { "UNREEL_TRACE_PERCENT",                                                                  \
          CONFIG_INT,                                                                              \
          offsetof(struct config_common, trace_percent),                                           \
          "100",                                                                                   \
          "of the traces that begin here, how many are recorded; others say it themselves",        \
          0,                                                                                       \
          100,                                                                                     \
          NULL },                                                                                  \
    {                                                                                              \
        "UNREEL_DRAIN_TIMEOUT_S", CONFIG_INT, offsetof(struct config_common, drain_timeout_s),     \
            "30", "seconds to finish work in hand after SIGTERM", 0, 86400, NULL                   \
    }

/* Fills `settings` (zeroed by the caller) from the environment. On failure it is released and *e
 * names the variable. */
enum err config_load(const struct config_key *keys, size_t key_count, void *settings,
                     struct error *e) MUST_CHECK;
void config_release(const struct config_key *keys, size_t key_count, void *settings);

/* The table as `--help` shows it, and as a Markdown table for the README. To standard output. */
void config_print_help(const struct config_key *keys, size_t key_count);
void config_print_markdown(const struct config_key *keys, size_t key_count);
/* One line of NAME=value for the log at start, secrets hidden. The caller frees it. */
char *config_describe(const struct config_key *keys, size_t key_count,
                      const void *settings) MUST_CHECK;

#endif
