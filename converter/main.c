/* unreel-converter: takes jobs from the queue, runs the sandboxed engine on each, stores what it
 * makes. */
#include <string.h>

#include "core/cpus.h"
#include "core/log.h"
#include "engine/engine.h"
#include "jobs/message.h"
#include "pipeline/pipeline_config.h"
#include "service/service.h"
#include "worker.h"

#include "core/banned.h"

#define MIB (1024LL * 1024)
#define TIB (1024LL * 1024 * 1024 * 1024)
#define AT(field) offsetof(struct converter_settings, field)

static const struct config_key keys[] = {
    CONFIG_COMMON_KEYS("9103"),
    PIPELINE_BLOBS_KEY(AT(blobs_url)),
    PIPELINE_JOBS_KEY(AT(jobs_url)),
    PIPELINE_QUEUE_KEY(AT(queue_url)),
    { "UNREEL_ENGINE", CONFIG_TEXT, AT(engine), "",
      "path of unreel-engine; empty: beside this program, else on the PATH", 0, 0, NULL },
    { "UNREEL_SLOTS", CONFIG_INT, AT(slots), "1", "jobs at once", 1, 256, NULL },
    { "UNREEL_ENGINE_THREADS", CONFIG_INT, AT(threads), "0",
      "encoder threads for one job; 0: the processors that are allowed, shared by the slots", 0,
      ENGINE_THREADS_MAX, NULL },
    { "UNREEL_LEASE_S", CONFIG_INT, AT(lease_s), "60",
      "seconds after which a silent worker's job is taken over", 4, 3600, NULL },
    PIPELINE_MAX_FAILURES_KEY(AT(max_failures)),
    { "UNREEL_MAX_DURATION_S", CONFIG_INT, AT(max_duration_s), "21600",
      "seconds of sound in one file", 1, 604800, NULL },
    { "UNREEL_MAX_OUTPUT_BYTES", CONFIG_SIZE, AT(max_output_bytes), "0",
      "size of one MP3; 0: from its duration and bitrate", 0, TIB, NULL },
    { "UNREEL_ENGINE_MEMORY_BYTES", CONFIG_SIZE, AT(memory_bytes), "512MiB",
      "address space of one engine", 64 * MIB, TIB, NULL },
    { "UNREEL_JOB_WALL_LIMIT_S", CONFIG_INT, AT(wall_limit_s), "10800", "seconds for one attempt",
      10, 604800, NULL },
    { "UNREEL_NO_PROGRESS_LIMIT_S", CONFIG_INT, AT(no_progress_limit_s), "60",
      "seconds without progress before an engine is ended", 5, 3600, NULL },
    { "UNREEL_CONSUMER_TIMEOUT_S", CONFIG_INT, AT(consumer_timeout_s), "14400",
      "the broker's consumer_timeout; must exceed the wall limit by a quarter", 60, 2592000, NULL },
};

static enum err check_blobs(void *ctx, struct error *e)
{
    return blobs_check(((struct converter *)ctx)->mp3s, e);
}

static enum err check_jobs(void *ctx, struct error *e)
{
    return jobs_check(((struct converter *)ctx)->jobs, e);
}

static enum err check_queue(void *ctx, struct error *e)
{
    return queue_check(((struct converter *)ctx)->queue, e);
}

/* What the engine's cell is made of. Without seccomp the converter has not started. */
static enum err check_sandbox(void *ctx, struct error *e)
{
    const struct converter *c = ctx;
    return c->landlock_abi > 0
               ? err_set(e, OK, "seccomp, Landlock ABI %d; no network namespace of its own",
                         c->landlock_abi)
               : err_set(e, ERR_NOT_FOUND,
                         "seccomp; no network namespace of its own; the kernel has no Landlock");
}

static enum err check_settings(const struct converter_settings *s, struct error *e)
{
    if (s->wall_limit_s * 5 / 4 > s->consumer_timeout_s) {
        return err_set(
            e, ERR_INVALID,
            "UNREEL_JOB_WALL_LIMIT_S plus a quarter exceeds UNREEL_CONSUMER_TIMEOUT_S: the "
            "broker would take long jobs away");
    }
    return OK;
}

static int threads_per_job(const struct converter_settings *s)
{
    int64_t threads = s->threads > 0 ? s->threads : cpus_allowed() / s->slots;
    threads = threads < 1 ? 1 : threads;
    return (int)(threads < ENGINE_THREADS_MAX ? threads : ENGINE_THREADS_MAX);
}

static enum err open_engine(struct converter *c, struct error *e)
{
    const char *engine = c->settings->engine[0] != '\0' ? c->settings->engine : NULL;
    c->zygote = zygote_new(engine);
    c->threads = threads_per_job(c->settings);
    enum err rc = engine_sandbox_check(engine, &c->landlock_abi, e);
    if (rc != OK) {
        return rc;
    }
    metric_set(&metric_landlock_abi, 0, c->landlock_abi);
    if (c->landlock_abi > 0) {
        log_info("sandbox: seccomp and Landlock ABI %d", c->landlock_abi);
    } else {
        log_warn("sandbox: seccomp only; this kernel has no Landlock");
    }
    return OK;
}

static enum err open_stores(struct converter *c, struct error *e)
{
    const struct converter_settings *s = c->settings;
    unsigned parallel = (unsigned)s->slots + 1;
    enum err rc = blobs_open(s->blobs_url, "videos", parallel, &c->videos, e);
    if (rc == OK) {
        rc = blobs_open(s->blobs_url, "mp3s", parallel, &c->mp3s, e);
    }
    if (rc == OK) {
        rc = jobs_open(s->jobs_url, parallel, &c->jobs, e);
    }
    if (rc == OK) {
        rc = queue_open(s->queue_url, &c->queue, e);
    }
    if (rc == OK) {
        rc = queue_consume(c->queue, JOB_QUEUE_VIDEO, (unsigned)s->slots, &c->consumer, e);
    }
    return rc;
}

static void stop(void *state)
{
    struct converter *c = state;
    atomic_store(&c->is_stopping, true);
    if (c->consumer != NULL) {
        queue_consumer_cancel(c->consumer);
    }
    workers_join(c);
    zygote_free(c->zygote);
    queue_consumer_close(c->consumer);
    queue_close(c->queue);
    jobs_close(c->jobs);
    blobs_close(c->mp3s);
    blobs_close(c->videos);
    free(c);
}

static enum err start(struct service *service, void *settings, void **ret_state, struct error *e)
{
    struct converter *c = xcalloc(1, sizeof(*c));
    c->settings = settings;
    c->service = service;
    converter_metrics_register();
    enum err rc = check_settings(c->settings, e);
    if (rc == OK) {
        rc = open_engine(c, e);
    }
    if (rc == OK) {
        rc = open_stores(c, e);
    }
    if (rc == OK) {
        rc = workers_start(c, e);
    }
    if (rc != OK) {
        stop(c);
        return rc;
    }
    service_add_check(service, "blobs", false, check_blobs, c);
    service_add_check(service, "jobs", false, check_jobs, c);
    service_add_check(service, "queue", false, check_queue, c);
    service_add_check(service, "sandbox", true, check_sandbox, c);
    *ret_state = c;
    return OK;
}

static void drain(void *state)
{
    queue_consumer_cancel(((struct converter *)state)->consumer);
}

static bool is_idle(void *state)
{
    return atomic_load(&((struct converter *)state)->busy) == 0;
}

int main(int argc, char **argv)
{
    static const struct service_definition definition = {
        .name = "unreel-converter",
        .summary = "converts videos to MP3s",
        .keys = keys,
        .key_count = ARRAY_LEN(keys),
        .settings_size = sizeof(struct converter_settings),
        .start = start,
        .drain = drain,
        .is_idle = is_idle,
        .stop = stop,
    };
    return service_main(&definition, argc, argv);
}
