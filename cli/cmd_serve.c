/* unreel serve: the four services on the embedded engines, with nothing to configure. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/text.h"
#include "environment.h"
#include "http/client.h"
#include "serve.h"

#include "core/banned.h"

enum { OPTION_DATA, OPTION_PORT, OPTION_BIND };

static const struct option_spec options[] = {
    { "--data", "FOLDER", "where everything is kept (default: ~/.local/share/unreel)" },
    { "--port", "PORT", "port of the API (default: UNREEL_PORT, else 8080); 0 picks a free one" },
    { "--bind", "ADDRESS",
      "address to listen on (default: UNREEL_BIND, else 127.0.0.1); 0.0.0.0 for all" },
};

static const int64_t ready_within_ms = 30000;
static const int64_t stop_within_ms = 60000;
/* Longer than a service's own drain: it gives back what it has not finished. */
static const int64_t stop_after_drain_ms = 30000;
static const int restarts_at_start_max = 2;

static bool is_ready(const struct serve_plan *plan)
{
    for (int i = 0; i < SERVE_COUNT; i++) {
        struct http_call call = { .method = "GET", .url = plan->ready_urls[i], .timeout_ms = 1000 };
        struct http_response answer = { 0 };
        if (http_client_call(&call, &answer, NULL) != OK) {
            return false;
        }
        int status = answer.status;
        http_response_release(&answer);
        if (status != 200) {
            return false;
        }
    }
    return true;
}

static void print_welcome_json(const struct serve_plan *plan, const char *password)
{
    json_t *welcome = json_pack(
        "{s:s, s:s, s:s, s:s*, s:s*, s:i, s:i, s:i, s:i}", "url", plan->url, "data", plan->folder,
        "user", plan->admin_email, "password", password, "password_file",
        plan->admin_password != NULL ? plan->login_file : NULL, "auth_ops_port",
        plan->ops_ports[SERVE_AUTH], "gateway_ops_port", plan->ops_ports[SERVE_GATEWAY],
        "converter_ops_port", plan->ops_ports[SERVE_CONVERTER], "notifier_ops_port",
        plan->ops_ports[SERVE_NOTIFIER]);
    print_json(welcome);
    json_decref(welcome);
}

static void print_welcome(const struct serve_plan *plan, bool json)
{
    const char *password = plan->is_first_start ? plan->admin_password : NULL;
    if (json) {
        print_welcome_json(plan, password);
        return;
    }
    (void)printf("Unreel is ready at %s\n", plan->url);
    (void)printf("  files     %s\n  user      %s\n", plan->folder, plan->admin_email);
    if (password != NULL) {
        (void)printf("  password  %s   (also in %s)\n", password, plan->login_file);
    } else if (plan->admin_password != NULL) {
        (void)printf("  password  in %s\n", plan->login_file);
    }
    (void)printf("\nTry it; ID is the id that the upload prints:\n"
                 "  TOKEN=$(curl -sS -X POST -u '%s:%s' %s/login)\n"
                 "  curl -sS -H \"Authorization: Bearer $TOKEN\" -F file=@video.mp4 %s/upload\n"
                 "  curl -sS -H \"Authorization: Bearer $TOKEN\" -o audio.mp3 "
                 "\"%s/download?fid=ID\"\n"
                 "\nCtrl-C stops it.\n",
                 plan->admin_email, password != NULL ? password : "PASSWORD", plan->url, plan->url,
                 plan->url);
    (void)fflush(stdout);
}

static void stop_in_order(struct serve_plan *plan)
{
    int64_t drain_s = 0;
    const char *drain = getenv("UNREEL_DRAIN_TIMEOUT_S");
    int64_t within_ms = stop_within_ms;
    if (drain != NULL && text_to_int64(drain, 0, 86400, &drain_s) == OK &&
        drain_s * 1000 + stop_after_drain_ms > within_ms) {
        within_ms = drain_s * 1000 + stop_after_drain_ms;
    }
    for (int i = SERVE_COUNT - 1; i >= 0; i--) {
        child_stop(&plan->children[i], within_ms);
    }
}

/* A service that cannot start says why; to start it for ever would hide that. */
static int look_for_failure(const struct serve_plan *plan, int64_t deadline_ms)
{
    for (int i = 0; i < SERVE_COUNT; i++) {
        const struct child *c = &plan->children[i];
        if (c->pid == 0 && c->last_code == EXIT_USAGE) {
            return EXIT_USAGE;
        }
        if (c->restarts > restarts_at_start_max) {
            say_error("%s does not start; see the lines above", c->name);
            return EXIT_FAILED;
        }
    }
    if (clock_mono_ms() > deadline_ms) {
        say_error("the services are not ready after %lld s; see the lines above",
                  (long long)(ready_within_ms / 1000));
        return EXIT_UNAVAILABLE;
    }
    return EXIT_OK;
}

static int supervise(struct serve_plan *plan, bool json)
{
    struct error e = { 0 };
    int code = EXIT_OK;
    for (int i = 0; i < SERVE_COUNT && code == EXIT_OK; i++) {
        if (child_start(&plan->children[i], &e) != OK) {
            say_error("%s", e.text);
            code = EXIT_FAILED;
        }
    }
    int64_t deadline_ms = clock_mono_ms() + ready_within_ms;
    bool was_ready = false;
    while (code == EXIT_OK && !supervisor_wait(was_ready ? 500 : 20)) {
        children_tend(plan->children, SERVE_COUNT);
        if (was_ready) {
            continue;
        }
        code = look_for_failure(plan, deadline_ms);
        if (code == EXIT_OK && is_ready(plan)) {
            was_ready = true;
            print_welcome(plan, json);
        }
    }
    stop_in_order(plan);
    return code;
}

struct wishes {
    const char *folder; /* NULL: the default */
    const char *bind_address;
    int64_t port;
    bool json;
};

/* False: a mistake was said. */
static bool read_wishes(const struct command *self, int argc, char **argv, struct wishes *w)
{
    struct arguments a;
    size_t option = 0;
    const char *value = NULL;
    const char *port = getenv("UNREEL_PORT");
    const char *bind_address = getenv("UNREEL_BIND");
    enum argument_kind kind = ARGUMENT_END;
    arguments_init(&a, self, argc, argv);
    while ((kind = arguments_next(&a, &option, &value)) != ARGUMENT_END) {
        if (kind == ARGUMENT_OPERAND) {
            say_error("serve: unexpected argument %s", value);
            return false;
        }
        if (option == OPTION_DATA) {
            w->folder = value;
        } else if (option == OPTION_BIND) {
            bind_address = value;
        } else {
            port = value;
        }
    }
    w->port = 8080;
    if (!a.has_failed && port != NULL && text_to_int64(port, 0, 65535, &w->port) != OK) {
        say_error("serve: --port and UNREEL_PORT take a number from 0 to 65535");
        return false;
    }
    if (!a.has_failed && getenv("UNREEL_OPS_PORT") != NULL) {
        say_error("serve: UNREEL_OPS_PORT is one port, but there are four services; unset it");
        return false;
    }
    w->bind_address = bind_address != NULL ? bind_address : "127.0.0.1";
    w->json = a.json;
    return !a.has_failed;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct wishes w = { 0 };
    if (!read_wishes(self, argc, argv, &w)) {
        return EXIT_USAGE;
    }
    AUTO(mem_free)
    char *folder = w.folder != NULL ? xstrdup(w.folder) : environment_data_folder();
    supervisor_init();
    struct serve_plan plan;
    struct error e = { 0 };
    enum err rc = http_client_init(&e);
    if (rc == OK) {
        rc = serve_plan_make(folder, w.bind_address, (int)w.port, &plan, &e);
    }
    if (rc != OK) {
        say_error("serve: %s", e.text);
        return rc == ERR_INVALID ? EXIT_USAGE : EXIT_FAILED;
    }
    int code = supervise(&plan, w.json);
    serve_plan_release(&plan);
    return code;
}

const struct command command_serve = {
    .name = "serve",
    .arguments = "",
    .help = "Runs everything on this machine: no database, no broker, no configuration.\n"
            "The services are restarted when they die, and stopped in order by SIGTERM or "
            "Ctrl-C.\n"
            "UNREEL_* variables are passed on to the services that know them (see unreel-gateway "
            "--help\nand the others); the first user is UNREEL_ADMIN_EMAIL with "
            "UNREEL_ADMIN_PASSWORD, or is made.",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run,
};
