#include "mail.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/text.h"

#include "core/banned.h"

/* An address in a header: no controls, no brackets, no spaces. */
static bool is_address(const char *text)
{
    const char *at = strchr(text, '@');
    if (at == NULL || at == text || at[1] == '\0' || strlen(text) > 254) {
        return false;
    }
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c <= ' ' || *c == '<' || *c == '>' || *c == '"' || *c == ',' ||
            *c == 0x7f) {
            return false;
        }
    }
    return true;
}

/* RFC 2047: encoded words of at most 75 characters, cut between characters, folded. */
static enum err append_subject(struct buf *out, const char *subject)
{
    enum err rc = buf_append_text(out, "Subject:");
    size_t len = strlen(subject);
    size_t at = 0;
    while (rc == OK && at < len) {
        size_t take = len - at < 42 ? len - at : 42;
        while (at + take < len && ((unsigned char)subject[at + take] & 0xc0) == 0x80) {
            take--;
        }
        char word[TEXT_BASE64_SIZE(42)];
        text_to_base64(word, subject + at, take);
        rc = buf_appendf(out, "%s =?UTF-8?B?%s?=", at > 0 ? "\r\n" : "", word);
        at += take;
    }
    return rc == OK ? buf_append_text(out, "\r\n") : rc;
}

/* A body as base64 in lines of 76. */
static enum err append_part(struct buf *out, const char *boundary, const char *type,
                            const char *text)
{
    enum err rc = buf_appendf(out,
                              "--%s\r\nContent-Type: %s; charset=utf-8\r\n"
                              "Content-Transfer-Encoding: base64\r\n\r\n",
                              boundary, type);
    size_t len = strlen(text);
    for (size_t at = 0; rc == OK && at < len; at += 57) {
        char line[TEXT_BASE64_SIZE(57)];
        text_to_base64(line, text + at, len - at < 57 ? len - at : 57);
        rc = buf_appendf(out, "%s\r\n", line);
    }
    return rc;
}

static enum err append_html_escaped(struct buf *out, const char *text)
{
    enum err rc = OK;
    for (const char *c = text; rc == OK && *c != '\0'; c++) {
        switch (*c) {
        case '&':
            rc = buf_append_text(out, "&amp;");
            break;
        case '<':
            rc = buf_append_text(out, "&lt;");
            break;
        case '>':
            rc = buf_append_text(out, "&gt;");
            break;
        case '"':
            rc = buf_append_text(out, "&quot;");
            break;
        default:
            rc = buf_append(out, c, 1);
        }
    }
    return rc;
}

struct content {
    char subject[JOB_FILENAME_SIZE + 64];
    char line[JOB_FILENAME_SIZE + JOB_DETAIL_SIZE + 64];
    char link[1200];
};

static void describe(const struct job *job, const char *public_url, struct content *c)
{
    int len = (int)strlen(public_url);
    while (len > 0 && public_url[len - 1] == '/') {
        len--;
    }
    if (job->state == JOB_SUCCEEDED) {
        (void)snprintf(c->subject, sizeof(c->subject), "Your MP3 is ready: %s", job->filename);
        (void)snprintf(c->line, sizeof(c->line), "%s has been converted.", job->filename);
        (void)snprintf(c->link, sizeof(c->link), "%.*s/download?fid=%s", len, public_url,
                       job->mp3_fid);
    } else {
        (void)snprintf(c->subject, sizeof(c->subject), "Conversion %s: %s",
                       job->state == JOB_FAILED ? "failed" : "cancelled", job->filename);
        (void)snprintf(c->line, sizeof(c->line), "%s was not converted. %s", job->filename,
                       job->error.detail);
        (void)snprintf(c->link, sizeof(c->link), "%.*s/v1/jobs/%s", len, public_url, job->id);
    }
}

static enum err append_bodies(struct buf *out, const struct content *c, const char *boundary)
{
    __attribute__((cleanup(buf_release_auto))) struct buf text;
    __attribute__((cleanup(buf_release_auto))) struct buf html;
    buf_init(&text, 4096);
    buf_init(&html, 8192);
    enum err rc = buf_appendf(&text, "%s\n\n%s\n", c->line, c->link);
    if (rc == OK) {
        rc = buf_append_text(&html, "<!doctype html><html><body><p>");
    }
    if (rc == OK) {
        rc = append_html_escaped(&html, c->line);
    }
    if (rc == OK) {
        rc = buf_append_text(&html, "</p><p><a href=\"");
    }
    if (rc == OK) {
        rc = append_html_escaped(&html, c->link);
    }
    if (rc == OK) {
        rc = buf_append_text(&html, "\">");
    }
    if (rc == OK) {
        rc = append_html_escaped(&html, c->link);
    }
    if (rc == OK) {
        rc = buf_append_text(&html, "</a></p></body></html>\n");
    }
    if (rc == OK) {
        rc = append_part(out, boundary, "text/plain", buf_text(&text));
    }
    if (rc == OK) {
        rc = append_part(out, boundary, "text/html", buf_text(&html));
    }
    return rc == OK ? buf_appendf(out, "--%s--\r\n", boundary) : rc;
}

enum err mail_compose(const struct job *job, const char *from, const char *public_url,
                      const char *event_id, struct buf *out, struct error *e)
{
    if (!is_address(from) || !is_address(job->owner)) {
        return err_set(e, ERR_INVALID, "not an e-mail address");
    }
    struct content c;
    describe(job, public_url, &c);
    char date[64];
    time_t now = (time_t)(clock_wall_ms() / 1000);
    struct tm utc;
    (void)gmtime_r(&now, &utc);
    (void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &utc);
    char boundary[64];
    (void)snprintf(boundary, sizeof(boundary), "=_unreel_%s", job->id);
    enum err rc = buf_appendf(out, "Date: %s\r\nFrom: Unreel <%s>\r\nTo: <%s>\r\n", date, from,
                              job->owner);
    if (rc == OK) {
        rc = append_subject(out, c.subject);
    }
    if (rc == OK) {
        rc = buf_appendf(out,
                         "Message-ID: <%s@unreel>\r\nX-Unreel-Job: %s\r\n"
                         "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
                         "Content-Type: multipart/alternative; boundary=\"%s\"\r\n\r\n",
                         event_id, job->id, boundary);
    }
    if (rc == OK) {
        rc = append_bodies(out, &c, boundary);
    }
    return rc == OK ? OK : err_set(e, rc, "the mail is longer than %zu bytes", out->max);
}
