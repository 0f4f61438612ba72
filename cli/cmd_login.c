/* unreel login: e-mail and password for a token, which is kept. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "api.h"
#include "core/mem.h"
#include "core/url.h"

#include "core/banned.h"

#define PASSWORD_MAX 2048

static const struct option_spec options[] = {
    { "--password-stdin", NULL, "read the password from standard input" },
};

/* For the handler: the terminal with its echo. */
static struct termios shown;

static void show_again(int number)
{
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    (void)raise(number);
}

static bool hide_typing(void)
{
    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &shown) != 0) {
        return false;
    }
    /* Whoever breaks off gets a terminal back that shows what he types. */
    struct sigaction action = { .sa_flags = (int)SA_RESETHAND };
    action.sa_handler = show_again;
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    struct termios hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    /* First the echo, then the question: what is typed in between would be shown and lost. */
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    (void)fputs("Password: ", stderr);
    (void)fflush(stderr);
    return true;
}

/* One line from standard input; without echo on a terminal. */
static bool read_password(char password[PASSWORD_MAX])
{
    bool is_hidden = hide_typing();
    char *line = fgets(password, PASSWORD_MAX, stdin);
    if (is_hidden) {
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
        (void)signal(SIGINT, SIG_DFL);
        (void)signal(SIGTERM, SIG_DFL);
        (void)fputc('\n', stderr);
    }
    if (line == NULL) {
        return false;
    }
    password[strcspn(password, "\r\n")] = '\0';
    return password[0] != '\0';
}

/* "http://host:8080" of what was typed; the caller frees it. NULL: said what is wrong. */
static char *server_url(const char *typed)
{
    if (!url_has_scheme(typed, "http") && !url_has_scheme(typed, "https")) {
        say_error("login: the server is written as http://HOST:PORT or https://HOST");
        return NULL;
    }
    size_t len = strlen(typed);
    while (len > 0 && typed[len - 1] == '/') {
        len--;
    }
    return xstrndup(typed, len);
}

static int keep(struct login *session, bool json)
{
    struct error e = { 0 };
    session->token[strcspn(session->token, "\r\n")] = '\0';
    if (session->token[0] == '\0') {
        say_error("the server's answer is no token");
        return EXIT_FAILED;
    }
    if (login_save(session, &e) != OK) {
        say_error("%s", e.text);
        return EXIT_FAILED;
    }
    if (json) {
        json_t *report = json_pack("{s:s, s:s}", "server", session->server, "user", session->user);
        print_json(report);
        json_decref(report);
    } else {
        (void)printf("Logged in to %s as %s.\n", session->server, session->user);
    }
    return EXIT_OK;
}

static int log_in(const char *server, const char *email, const char *password, bool json)
{
    struct login session = { .server = xstrdup(server), .user = xstrdup(email) };
    AUTO(mem_free) char *url = xasprintf("%s/login", session.server);
    struct http_call call = { .method = "POST",
                              .url = url,
                              .user = email,
                              .password = password,
                              .traceparent = api_trace(),
                              .timeout_ms = 30000 };
    struct http_response answer = { 0 };
    struct error e = { 0 };
    enum err rc = http_client_call(&call, &answer, &e);
    int code = EXIT_OK;
    if (rc != OK) {
        code = api_unreachable(&session, rc, &e);
    } else if (answer.status != 200) {
        code = api_refused(&session, &answer);
        http_response_release(&answer);
    } else {
        session.token = buf_detach(&answer.body);
        http_response_release(&answer);
        code = keep(&session, json);
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
    AUTO(mem_free) char *server = server_url(operands[0]);
    if (server == NULL) {
        return EXIT_USAGE;
    }
    if (http_client_init(&e) != OK) {
        say_error("%s", e.text);
        return EXIT_FAILED;
    }
    char password[PASSWORD_MAX];
    if (!read_password(password)) {
        say_error("login: no password was given");
        return EXIT_USAGE;
    }
    int code = log_in(server, operands[1], password, a.json);
    mem_wipe(password, sizeof(password));
    return code;
}

const struct command command_login = {
    .name = "login",
    .arguments = "SERVER EMAIL",
    .help = "Logs in to a server, e.g. http://127.0.0.1:8080; the password is asked for.\n"
            "The login is kept in ~/.config/unreel/session.json and lasts for 15 minutes, unless "
            "the server\nsays otherwise (UNREEL_TOKEN_LIFE_S of unreel-auth).",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run,
};
