/* unreel login: e-mail and password for a token, which is kept. */
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "api.h"
#include "core/mem.h"
#include "core/text.h"

#include "core/banned.h"

#define PASSWORD_MAX 256

static const struct option_spec options[] = {
    {"--password-stdin", NULL, "read the password from standard input"},
};

/* One line from standard input; without echo on a terminal. */
static bool read_password(char password[PASSWORD_MAX])
{
    struct termios shown;
    bool is_terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &shown) == 0;
    if (is_terminal) {
        struct termios hidden = shown;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        (void)fputs("Password: ", stderr);
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    }
    char *line = fgets(password, PASSWORD_MAX, stdin);
    if (is_terminal) {
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
        (void)fputc('\n', stderr);
    }
    if (line == NULL) {
        return false;
    }
    password[strcspn(password, "\r\n")] = '\0';
    return password[0] != '\0';
}

static int log_in(const char *server, const char *email, const char *password, bool json)
{
    struct login session = { .server = xstrdup(server) };
    size_t len = strlen(session.server);
    while (len > 0 && session.server[len - 1] == '/') {
        session.server[--len] = '\0';
    }
    AUTO(mem_free) char *url = xasprintf("%s/login", session.server);
    struct http_call call = { .method = "POST",
                              .url = url,
                              .user = email,
                              .password = password,
                              .body = "",
                              .timeout_ms = 30000 };
    struct http_response answer = { 0 };
    struct error e = { 0 };
    enum err rc = http_client_call(&call, &answer, &e);
    int code = EXIT_OK;
    if (rc != OK) {
        code = api_unreachable(&session, rc, &e);
    } else if (answer.status != 200) {
        code = api_refused(&answer);
        http_response_release(&answer);
    } else {
        session.token = buf_detach(&answer.body);
        http_response_release(&answer);
        if (login_save(&session, &e) != OK) {
            say_error("%s", e.text);
            code = EXIT_FAILED;
        } else if (json) {
            json_t *report = json_pack("{s:s, s:s}", "server", session.server, "user", email);
            (void)json_dumpf(report, stdout, JSON_COMPACT);
            (void)fputc('\n', stdout);
            json_decref(report);
        } else {
            (void)printf("Logged in to %s as %s.\n", session.server, email);
        }
    }
    login_release(&session);
    return code;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct arguments a;
    const char *operands[2] = { NULL, NULL };
    size_t count = 0;
    size_t option = 0;
    const char *value = NULL;
    enum argument_kind kind = ARGUMENT_END;
    arguments_init(&a, self, argc, argv);
    while ((kind = arguments_next(&a, &option, &value)) != ARGUMENT_END) {
        if (kind == ARGUMENT_OPERAND && count < 2) {
            operands[count] = value;
        }
        count += kind == ARGUMENT_OPERAND ? 1 : 0;
    }
    if (a.has_failed || count != 2) {
        if (!a.has_failed) {
            say_error("login: name the server and your e-mail address");
        }
        return EXIT_USAGE;
    }
    struct error e = { 0 };
    if (http_client_init(&e) != OK) {
        say_error("%s", e.text);
        return EXIT_FAILED;
    }
    char password[PASSWORD_MAX];
    if (!read_password(password)) {
        say_error("login: no password was given");
        return EXIT_USAGE;
    }
    int code = log_in(operands[0], operands[1], password, a.json);
    mem_wipe(password, sizeof(password));
    return code;
}

const struct command command_login = {
    .name = "login",
    .arguments = "SERVER EMAIL",
    .help = "Logs in to a server, e.g. http://127.0.0.1:8080; the password is asked for.",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run,
};
