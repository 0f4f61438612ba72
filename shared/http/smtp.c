#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "core/text.h"
#include "http/client.h"
#include "http/client_impl.h"

#include "core/banned.h"

#define DEFAULT_TIMEOUT_MS 30000
#define ADDRESS_MAX 254 /* RFC 5321, less its angle brackets */

struct outgoing {
    const char *at;
    size_t left;
};

static size_t on_read(char *dst, size_t size, size_t count, void *ctx)
{
    struct outgoing *out = ctx;
    size_t len = size * count < out->left ? size * count : out->left;
    memcpy(dst, out->at, len);
    out->at += len;
    out->left -= len;
    return len;
}

/* An address goes into a command: nothing in it may end that or begin another. */
static bool is_address(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && len <= ADDRESS_MAX && client_is_one_line(text) &&
           strpbrk(text, "<> ") == NULL && strchr(text, '@') != NULL;
}

/* Part of the URL; NULL without it. The caller frees it with curl_free. */
static char *part_of(const char *url, CURLUPart which)
{
    CURLU *parts = curl_url();
    char *part = NULL;
    if (parts == NULL || curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl_url_get(parts, which, &part, 0) != CURLUE_OK) {
        part = NULL;
    }
    curl_url_cleanup(parts);
    return part;
}

/* By the URL's text alone: a name that is looked up may lead anywhere. */
static bool is_on_this_machine(const char *url)
{
    char *host = part_of(url, CURLUPART_HOST);
    struct in_addr v4;
    bool is_loopback = host != NULL &&
                       (strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
                        (inet_pton(AF_INET, host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127));
    curl_free(host);
    return is_loopback;
}

static bool has_login(const struct smtp_mail *mail)
{
    char *user = part_of(mail->url, CURLUPART_USER);
    bool is_in_url = user != NULL;
    curl_free(user);
    return mail->user != NULL || is_in_url;
}

static void set_tls(CURL *curl, const struct smtp_mail *mail)
{
    /* Who can drop STARTTLS from the server's answer would read the password. */
    bool will_log_in = has_login(mail);
    bool must_have = mail->require_tls || (will_log_in && !is_on_this_machine(mail->url));
    (void)curl_easy_setopt(curl, CURLOPT_USE_SSL,
                           must_have ? (long)CURLUSESSL_ALL : (long)CURLUSESSL_TRY);
    bool is_opportunistic = !must_have && !will_log_in && !text_starts_with(mail->url, "smtps:");
    if (is_opportunistic) {
        /* Plain text would be accepted too, so a certificate of the server's own making is no
         * worse; with a password or require_tls it must be a good one. */
        (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
        (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

static void set_options(CURL *curl, const struct smtp_mail *mail, const char *from,
                        struct curl_slist *to, struct outgoing *out)
{
    long timeout_ms = mail->timeout_ms > 0 ? mail->timeout_ms : DEFAULT_TIMEOUT_MS;
    (void)curl_easy_setopt(curl, CURLOPT_URL, mail->url);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    /* Mails are rare: hang up instead of keeping a line to the mail server open. */
    (void)curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_MAIL_FROM, from);
    (void)curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, to);
    (void)curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_read);
    (void)curl_easy_setopt(curl, CURLOPT_READDATA, out);
    (void)curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)mail->message_len);
    if (mail->user != NULL) {
        (void)curl_easy_setopt(curl, CURLOPT_USERNAME, mail->user);
        (void)curl_easy_setopt(curl, CURLOPT_PASSWORD,
                               mail->password != NULL ? mail->password : "");
    }
    set_tls(curl, mail);
}

/* A 5xx is final whatever libcurl calls it, but for the answers about ourselves: a wrong password
 * or missing TLS will be mended, and the mail is none the worse. */
static enum err failure(CURL *curl, CURLcode code, const char *error_buffer, struct error *e)
{
    long answer = 0;
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer);
    if (code == CURLE_LOGIN_DENIED || code == CURLE_USE_SSL_FAILED) {
        return err_set(e, ERR_BUSY, "%s", error_buffer);
    }
    if (answer >= 500 && answer < 600) {
        return err_set(e, ERR_INVALID, "refused with %ld: %s", answer, error_buffer);
    }
    enum err err = client_error(code, error_buffer, e);
    return err == ERR_TIMEOUT ? err_set(e, ERR_BUSY, "%s", error_buffer) : err;
}

enum err smtp_send(const struct smtp_mail *mail, struct error *e)
{
    if (!is_address(mail->from) || !is_address(mail->to)) {
        return err_set(e, ERR_INVALID, "a mail address is malformed");
    }
    char error_buffer[CURL_ERROR_SIZE];
    AUTO(mem_free) char *from = xasprintf("<%s>", mail->from);
    AUTO(mem_free) char *to = xasprintf("<%s>", mail->to);
    struct curl_slist *recipients = curl_slist_append(NULL, to);
    CURL *curl = recipients != NULL ? client_take_handle(error_buffer) : NULL;
    if (curl == NULL) {
        curl_slist_free_all(recipients);
        return err_set(e, ERR_FAULT, "libcurl: out of memory");
    }
    struct outgoing out = { mail->message, mail->message_len };
    set_options(curl, mail, from, recipients, &out);
    CURLcode code = curl_easy_perform(curl);
    enum err err = code == CURLE_OK ? OK : failure(curl, code, error_buffer, e);
    client_give_handle(curl);
    curl_slist_free_all(recipients);
    return err;
}
