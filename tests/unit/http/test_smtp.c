/* Mails, to a mail server that plays a script. */
#include "fixture.h"
#include "script.h"

#include <stdio.h>
#include <string.h>

#include "core/attr.h"
#include "http/client.h"

#define EHLO "250-test\r\n250 8BITMIME\r\n"

static void mails(void **state)
{
    (void)state;

    static const struct {
        const char *answers[8];
        bool require_tls;
        enum err err;
    } cases[] = {
        { { EHLO, "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 taken\r\n", "221 bye\r\n" },
          false,
          OK },
        { { EHLO, "250 ok\r\n", "550 no such user\r\n", "221 bye\r\n" }, false, ERR_INVALID },
        { { EHLO, "250 ok\r\n", "450 later\r\n", "221 bye\r\n" }, false, ERR_BUSY },
        { { EHLO, "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "554 spam\r\n", "221 bye\r\n" },
          false,
          ERR_INVALID },
        { { EHLO, "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "451 disk\r\n", "221 bye\r\n" },
          false,
          ERR_BUSY },
        { { EHLO, "221 bye\r\n" }, true, ERR_BUSY },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct script s = { .answers = cases[i].answers, .is_smtp = true };
        char target[64];
        struct error e = { 0 };
        static const char message[] = "Subject: x\r\n\r\n.dot\r\n";
        script_start(&s);
        (void)snprintf(target, sizeof(target), "smtp://127.0.0.1:%d", s.port);
        const struct smtp_mail mail = { .url = target,
                                        .require_tls = cases[i].require_tls,
                                        .from = "a@example.org",
                                        .to = "b@example.org",
                                        .message = message,
                                        .message_len = sizeof(message) - 1,
                                        .timeout_ms = 5000 };
        enum err err = smtp_send(&mail, &e);
        script_end(&s);
        if (err != cases[i].err) {
            fail_msg("case %zu: %s %s: %s", i, err_name(err), e.text, s.heard);
        }
        if (err == OK) {
            assert_non_null(strstr(s.heard, "MAIL FROM:<a@example.org>"));
            assert_non_null(strstr(s.heard, "RCPT TO:<b@example.org>"));
            assert_non_null(strstr(s.heard, "Subject: x\r\n\r\n..dot\r\n.\r\n"));
        }
    }
}

/* Whoever can drop STARTTLS from the answer must not get the password for it. 0.0.0.0 leads to this
 * machine, but does not say so. */
static void passwords_need_tls(void **state)
{
    (void)state;

    static const struct {
        const char *host;
        const char *user;
        enum err err;
    } cases[] = {
        { "0.0.0.0", "ann", ERR_BUSY }, { "ann:secret@0.0.0.0", NULL, ERR_BUSY },
        { "0.0.0.0", NULL, OK },        { "127.0.0.1", "ann", OK },
        { "localhost", "ann", OK },
    };

    static const char *const with_login[] = { "250-test\r\n250 AUTH PLAIN\r\n",
                                              "334 \r\n",
                                              "235 in\r\n",
                                              "250 ok\r\n",
                                              "250 ok\r\n",
                                              "354 go\r\n",
                                              "250 taken\r\n",
                                              "221 bye\r\n",
                                              NULL };
    static const char *const without[] = { EHLO,         "250 ok\r\n",    "250 ok\r\n",
                                           "354 go\r\n", "250 taken\r\n", "221 bye\r\n",
                                           NULL };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct script s = { .answers = cases[i].user != NULL ? with_login : without,
                            .is_smtp = true };
        char target[64];
        struct error e = { 0 };
        script_start(&s);
        (void)snprintf(target, sizeof(target), "smtp://%s:%d", cases[i].host, s.port);
        const struct smtp_mail mail = { .url = target,
                                        .user = cases[i].user,
                                        .password = "secret",
                                        .from = "a@example.org",
                                        .to = "b@example.org",
                                        .message = "",
                                        .timeout_ms = 5000 };
        enum err err = smtp_send(&mail, &e);
        script_end(&s);
        bool has_logged_in = strstr(s.heard, "AUTH") != NULL;
        if (err != cases[i].err || has_logged_in != (err == OK && cases[i].user != NULL)) {
            fail_msg("case %zu: %s %s: %s", i, err_name(err), e.text, s.heard);
        }
    }
}

static void mails_that_cannot_be(void **state)
{
    (void)state;
    static const char *const addresses[] = {
        "", "a", "a@b\r\nRCPT TO:<c@d>", "<a@b>", "a@b> SIZE=1", "a b@c",
    };
    for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
        struct error e = { 0 };
        struct smtp_mail mail = { .url = "smtp://127.0.0.1:1",
                                  .from = "a@b",
                                  .to = addresses[i],
                                  .message = "",
                                  .message_len = 0,
                                  .timeout_ms = 1000 };
        assert_int_equal(smtp_send(&mail, &e), ERR_INVALID);
        mail.from = addresses[i];
        mail.to = "a@b";
        assert_int_equal(smtp_send(&mail, &e), ERR_INVALID);
    }
    struct error e = { 0 };
    const struct smtp_mail mail = {
        .url = "smtp://127.0.0.1:1", .from = "a@b", .to = "a@b", .message = "", .timeout_ms = 1000
    };
    assert_int_equal(smtp_send(&mail, &e), ERR_BUSY);
}

int main(void)
{
    struct error e = { 0 };
    if (http_client_init(&e) != OK) {
        (void)fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mails),
        cmocka_unit_test(passwords_need_tls),
        cmocka_unit_test(mails_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
