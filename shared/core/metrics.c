#include "core/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "core/metrics_impl.h"
#include "core/text.h"

#include "core/banned.h"

#define MICRO 1e6

static pthread_mutex_t registration = PTHREAD_MUTEX_INITIALIZER;
/* Grows at its end, while the ops port may render it already. */
static _Atomic(struct metric *) first_metric;
static _Atomic(struct metric *) *last_link = &first_metric; /* guarded by registration */

static NORETURN void refuse(const struct metric *m, const char *why)
{
    log_error("metric %s: %s", m->name, why);
    abort();
}

static size_t cells_per_value(const struct metric *m)
{
    return m->type == METRIC_HISTOGRAM ? m->bucket_count + 2 : 1;
}

static size_t count_commas(const char *text)
{
    size_t count = 0;

    for (const char *c = text; *c != '\0'; c++) {
        count += *c == ',';
    }
    return count;
}

static void check_definition(const struct metric *m)
{
    if ((m->label == NULL) != (m->values == NULL)) {
        refuse(m, "label and values go together");
    }
    if ((m->type == METRIC_HISTOGRAM) != (m->bucket_count > 0)) {
        refuse(m, "a histogram, and nothing else, has buckets");
    }
    for (size_t i = 1; i < m->bucket_count; i++) {
        if (m->buckets[i] <= m->buckets[i - 1]) {
            refuse(m, "buckets do not ascend");
        }
    }
    for (size_t i = 0; m->values != NULL && m->values[i] != NULL; i++) {
        if (count_commas(m->values[i]) < count_commas(m->label)) {
            refuse(m, "a value lacks a label");
        }
    }
}

static bool is_registered(const struct metric *m)
{
    for (const struct metric *other = first_metric; other != NULL; other = other->next) {
        if (other == m) {
            return true;
        }
        if (strcmp(other->name, m->name) == 0) {
            refuse(m, "the name is taken");
        }
    }
    return false;
}

static void add(struct metric *m)
{
    check_definition(m);
    m->value_count = m->values == NULL ? 1 : 0;
    while (m->values != NULL && m->values[m->value_count] != NULL) {
        m->value_count++;
    }
    m->cells = xcalloc(m->value_count * cells_per_value(m) + 1, sizeof(*m->cells));
    *last_link = m;
    last_link = &m->next;
}

void metric_register(struct metric *m)
{
    (void)pthread_mutex_lock(&registration);
    if (!is_registered(m)) {
        add(m);
    }
    (void)pthread_mutex_unlock(&registration);
}

/* The first cell of a value; NULL while the metric is not registered. */
static _Atomic int64_t *cells_of(const struct metric *m, size_t value)
{
    if (m->cells == NULL) {
        return NULL;
    }
    assert(value < m->value_count);
    return m->cells + value * cells_per_value(m);
}

void metric_add(struct metric *m, size_t value, int64_t amount)
{
    _Atomic int64_t *cell = cells_of(m, value);

    if (cell != NULL) {
        atomic_fetch_add_explicit(cell, amount, memory_order_relaxed);
    }
}

void metric_set(struct metric *m, size_t value, int64_t amount)
{
    _Atomic int64_t *cell = cells_of(m, value);

    if (cell != NULL) {
        atomic_store_explicit(cell, amount, memory_order_relaxed);
    }
}

void metric_observe(struct metric *m, size_t value, double observed)
{
    _Atomic int64_t *cells = cells_of(m, value);
    size_t bucket = 0;

    if (cells == NULL) {
        return;
    }
    while (bucket < m->bucket_count && observed > m->buckets[bucket]) {
        bucket++;
    }
    atomic_fetch_add_explicit(&cells[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&cells[m->bucket_count + 1], (int64_t)(observed * MICRO),
                              memory_order_relaxed);
}

static int64_t load(const _Atomic int64_t *cell)
{
    return atomic_load_explicit(cell, memory_order_relaxed);
}

int64_t metric_get(const struct metric *m, size_t value)
{
    const _Atomic int64_t *cells = cells_of(m, value);
    int64_t total = 0;

    if (cells == NULL) {
        return 0;
    }
    if (m->type != METRIC_HISTOGRAM) {
        return load(cells);
    }
    for (size_t i = 0; i <= m->bucket_count; i++) {
        total += load(&cells[i]);
    }
    return total;
}

/* Label values and help texts know three escapes. */
static enum err append_escaped(struct buf *out, const char *text, size_t len)
{
    enum err err = OK;

    for (size_t i = 0; i < len && err == OK; i++) {
        if (text[i] == '\n') {
            err = buf_append(out, "\\n", 2);
        } else if (text[i] == '"' || text[i] == '\\') {
            err = buf_appendf(out, "\\%c", text[i]);
        } else {
            err = buf_append(out, text + i, 1);
        }
    }
    return err;
}

static enum err append_label(struct buf *out, const char *name, size_t name_len, const char *value,
                             size_t value_len)
{
    enum err err = buf_appendf(out, "%.*s=\"", (int)name_len, name);

    if (err == OK) {
        err = append_escaped(out, value, value_len);
    }
    return err == OK ? buf_append(out, "\"", 1) : err;
}

/* Where the value of a label ends that `others` more follow. */
static const char *value_end(const char *text, size_t others)
{
    const char *end = text + strlen(text);

    while (others > 0) {
        end--;
        others -= *end == ',';
    }
    return end;
}

/* route="/upload",code="2xx". Commas are counted from the end, so that the first value may contain
 * some. */
static enum err append_labels(struct buf *out, const struct metric *m, size_t value)
{
    const char *name = m->label;
    const char *text = m->values[value];
    enum err err = OK;

    for (size_t others = count_commas(name) + 1; others-- > 0 && err == OK;) {
        size_t name_len = strcspn(name, ",");
        const char *end = value_end(text, others);
        err = append_label(out, name, name_len, text, (size_t)(end - text));
        if (err == OK && others > 0) {
            err = buf_append(out, ",", 1);
            name += name_len + 1;
            text = end + 1;
        }
    }
    return err;
}

/* name_suffix{labels,le="0.5"} and a space; `le` may be NULL. */
static enum err append_series(struct buf *out, const struct metric *m, size_t value,
                              const char *suffix, const char *le)
{
    enum err err = buf_appendf(out, "%s%s", m->name, suffix);

    if (err != OK || (m->label == NULL && le == NULL)) {
        return err == OK ? buf_append(out, " ", 1) : err;
    }
    err = buf_append(out, "{", 1);
    if (err == OK && m->label != NULL) {
        err = append_labels(out, m, value);
    }
    if (err == OK && le != NULL) {
        err = buf_appendf(out, "%sle=\"%s\"", m->label == NULL ? "" : ",", le);
    }
    return err == OK ? buf_append(out, "} ", 2) : err;
}

static enum err append_histogram(struct buf *out, const struct metric *m, size_t value)
{
    const _Atomic int64_t *cells = cells_of(m, value);
    int64_t total = 0;
    enum err err = OK;

    for (size_t i = 0; i <= m->bucket_count && err == OK; i++) {
        char bound[32] = "+Inf";
        if (i < m->bucket_count) {
            (void)snprintf(bound, sizeof(bound), "%g", m->buckets[i]);
        }
        total += load(&cells[i]);
        err = append_series(out, m, value, "_bucket", bound);
        if (err == OK) {
            err = buf_appendf(out, "%" PRId64 "\n", total);
        }
    }
    if (err == OK) {
        err = append_series(out, m, value, "_sum", NULL);
    }
    if (err == OK) {
        err = buf_appendf(out, "%.6f\n", (double)load(&cells[m->bucket_count + 1]) / MICRO);
    }
    if (err == OK) {
        err = append_series(out, m, value, "_count", NULL);
    }
    return err == OK ? buf_appendf(out, "%" PRId64 "\n", total) : err;
}

static enum err append_metric(struct buf *out, const struct metric *m)
{
    static const char *const types[] = {
        [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram"
    };
    enum err err = buf_appendf(out, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name,
                               types[m->type]);

    for (size_t value = 0; value < m->value_count && err == OK; value++) {
        if (m->type == METRIC_HISTOGRAM) {
            err = append_histogram(out, m, value);
            continue;
        }
        err = append_series(out, m, value, "", NULL);
        if (err == OK) {
            err = buf_appendf(out, "%" PRId64 "\n", metric_get(m, value));
        }
    }
    return err;
}

enum err metrics_render(struct buf *out)
{
    enum err err = OK;

    for (const struct metric *m = first_metric; m != NULL && err == OK; m = m->next) {
        err = append_metric(out, m);
    }
    return err == OK ? metrics_render_process(out) : err;
}
