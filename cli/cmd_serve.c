/* unreel serve: the four services on the embedded engines, with nothing to configure. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/text.h"
#include "http/client.h"
#include "serve.h"

#include "core/banned.h"

enum { OPTION_DATA, OPTION_PORT, OPTION_BIND };

static const struct option_spec options[] = {
    {"--data",  "FOLDER",  "where everything is kept (default: ~/.local/share/unreel)" },
    { "--port", "PORT",    "port of the API (default: 8080; 0 picks a free one)"       },
    { "--bind", "ADDRESS", "address to listen on (default: 127.0.0.1; 0.0.0.0 for all)"},
};

static const int64_t ready_within_ms = 30000;
static const int64_t stop_within_ms = 60000;

static char *default_folder(void)
{
    const char *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    if (data != NULL && data[0] == '/') {
        return xasprintf("%s/unreel", data);
    }
    return xasprintf("%s/.local/share/unreel", home != NULL ? home : ".");
}

static bool is_ready(int ops_port)
{
    AUTO(mem_free) char *url = xasprintf("http://127.0.0.1:%d/readyz", ops_port);
    struct http_call call = { .method = "GET", .url = url, .timeout_ms = 1000 };
    struct http_response answer = { 0 };
    if (http_client_call(&call, &answer, NULL) != OK) {
        return false;
    }
    int status = answer.status;
    http_response_release(&answer);
    return status == 200;
}

/* True: SIGTERM or SIGINT came within the time. */
static bool wait_for_signal(int64_t timeout_ms)
{
    sigset_t ends;
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGTERM);
    (void)sigaddset(&ends, SIGINT);
    struct timespec timeout = { .tv_sec = timeout_ms / 1000,
                                .tv_nsec = (timeout_ms % 1000) * 1000000 };
    return sigtimedwait(&ends, NULL, &timeout) > 0;
}

static void print_welcome(const struct serve_plan *plan, bool json)
{
    const char *password = plan->admin_password != NULL ? plan->admin_password : "PASSWORD";
    if (json) {
        (void)printf("{\"url\":\"http://127.0.0.1:%d\",\"user\":\"%s\",\"password_file\":\"%s\","
                     "\"ops_port\":%d}\n",
                     plan->port, plan->admin_email, plan->login_file, plan->gateway_ops_port);
        (void)fflush(stdout);
        return;
    }
    (void)printf("Unreel is ready at http://127.0.0.1:%d\n", plan->port);
    (void)printf("  files     %s\n  user      %s\n", plan->folder, plan->admin_email);
    if (plan->admin_password != NULL && plan->is_first_start) {
        (void)printf("  password  %s   (also in %s)\n", password, plan->login_file);
    } else if (plan->admin_password != NULL) {
        (void)printf("  password  in %s\n", plan->login_file);
        password = "PASSWORD";
    }
    (void)printf("\nTry it:\n"
                 "  TOKEN=$(curl -sS -X POST -u '%s:%s' http://127.0.0.1:%d/login)\n"
                 "  curl -sS -H \"Authorization: Bearer $TOKEN\" -F file=@video.mp4 "
                 "http://127.0.0.1:%d/upload\n"
                 "  curl -sS -H \"Authorization: Bearer $TOKEN\" -o audio.mp3 "
                 "\"http://127.0.0.1:%d/download?fid=ID\"   # the id that the upload printed\n"
                 "\nCtrl-C stops it.\n",
                 plan->admin_email, password, plan->port, plan->port, plan->port);
    (void)fflush(stdout);
}

/* Gateway first, so that nothing new comes in; auth last. */
static void stop_in_order(struct serve_plan *plan)
{
    for (int i = SERVE_COUNT - 1; i >= 0; i--) {
        children_stop(&plan->children[i], 1, stop_within_ms);
    }
}

static int supervise(struct serve_plan *plan, bool json)
{
    struct error e = { 0 };
    for (int i = 0; i < SERVE_COUNT; i++) {
        if (child_start(&plan->children[i], &e) != OK) {
            say_error("%s", e.text);
            stop_in_order(plan);
            return EXIT_FAILED;
        }
    }
    int64_t deadline_ms = clock_mono_ms() + ready_within_ms;
    bool was_ready = false;
    while (!wait_for_signal(was_ready ? 500 : 20)) {
        children_tend(plan->children, SERVE_COUNT);
        if (!was_ready && is_ready(plan->gateway_ops_port)) {
            was_ready = true;
            print_welcome(plan, json);
        } else if (!was_ready && clock_mono_ms() > deadline_ms) {
            say_error("the services are not ready after %lld s; see the lines above",
                      (long long)(ready_within_ms / 1000));
            stop_in_order(plan);
            return EXIT_UNAVAILABLE;
        }
    }
    stop_in_order(plan);
    return EXIT_OK;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct arguments a;
    AUTO(mem_free) char *folder = default_folder();
    const char *bind_address = "127.0.0.1";
    int64_t port = 8080;
    size_t option = 0;
    const char *value = NULL;
    enum argument_kind kind = ARGUMENT_END;
    arguments_init(&a, self, argc, argv);
    while ((kind = arguments_next(&a, &option, &value)) != ARGUMENT_END) {
        if (kind == ARGUMENT_OPERAND) {
            say_error("serve: unexpected argument %s", value);
            return EXIT_USAGE;
        }
        if (option == OPTION_DATA) {
            free(folder);
            folder = xstrdup(value);
        } else if (option == OPTION_BIND) {
            bind_address = value;
        } else if (text_to_int64(value, 0, 65535, &port) != OK) {
            say_error("serve: --port takes a number from 0 to 65535");
            return EXIT_USAGE;
        }
    }
    if (a.has_failed) {
        return EXIT_USAGE;
    }
    sigset_t ends;
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGTERM);
    (void)sigaddset(&ends, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &ends, NULL);
    struct serve_plan plan;
    struct error e = { 0 };
    enum err rc = http_client_init(&e);
    if (rc == OK) {
        rc = serve_plan_make(folder, bind_address, (int)port, &plan, &e);
    }
    if (rc != OK) {
        say_error("%s", e.text);
        return rc == ERR_INVALID ? EXIT_USAGE : EXIT_FAILED;
    }
    int code = supervise(&plan, a.json);
    serve_plan_release(&plan);
    return code;
}

const struct command command_serve = {
    .name = "serve",
    .arguments = "",
    .help = "Runs everything on this machine: no database, no broker, no configuration.\n"
            "UNREEL_* variables of the services are passed on to those that know them.",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run,
};
