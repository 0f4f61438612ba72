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
    int url_len; /* of the gateway's address, without a slash at its end */
    const char *url;
    int link_count;
};

/* Where a job's end is to be seen: its MP3s, or itself. */
struct link {
    char address[1200];
    char name[1200]; /* what to show for it */
};

static void describe(const struct job *job, const char *public_url, struct content *c)
{
    c->url = public_url;
    c->url_len = (int)strlen(public_url);
    while (c->url_len > 0 && public_url[c->url_len - 1] == '/') {
        c->url_len--;
    }
    c->link_count = 1;
    if (job->state == JOB_SUCCEEDED && job->output_count > 1) {
        c->link_count = job->output_count;
        (void)snprintf(c->subject, sizeof(c->subject), "Your %d MP3s are ready: %s",
                       job->output_count, job->filename);
        (void)snprintf(c->line, sizeof(c->line), "%s has been converted.", job->filename);
    } else if (job->state == JOB_SUCCEEDED) {
        (void)snprintf(c->subject, sizeof(c->subject), "Your MP3 is ready: %s", job->filename);
        (void)snprintf(c->line, sizeof(c->line), "%s has been converted.", job->filename);
    } else {
        (void)snprintf(c->subject, sizeof(c->subject), "Conversion %s: %s",
                       job->state == JOB_FAILED ? "failed" : "cancelled", job->filename);
        (void)snprintf(c->line, sizeof(c->line), "%s was not converted. %s", job->filename,
                       job->error.detail);
    }
}

static void find_link(const struct job *job, const struct content *c, int index,
                      struct link *ret_link)
{
    bool is_several = c->link_count > 1;
    bool is_mp3 = job->state == JOB_SUCCEEDED;
    const char *fid = is_several ? job->outputs[index].fid : is_mp3 ? job->mp3_fid : job->id;
    (void)snprintf(ret_link->address, sizeof(ret_link->address), "%.*s%s%s", c->url_len, c->url,
                   is_mp3 ? "/download?fid=" : "/v1/jobs/", fid);
    if (is_several) {
        job_output_name(job, index, ret_link->name);
    } else {
        (void)text_copy(ret_link->name, sizeof(ret_link->name), ret_link->address);
    }
}

static enum err append_html_link(struct buf *out, const struct link *link)
{
    enum err rc = buf_append_text(out, "<p><a href=\"");
    if (rc == OK) {
        rc = append_html_escaped(out, link->address);
    }
    if (rc == OK) {
        rc = buf_append_text(out, "\">");
    }
    if (rc == OK) {
        rc = append_html_escaped(out, link->name);
    }
    return rc == OK ? buf_append_text(out, "</a></p>") : rc;
}

/* The lines of the text and the paragraphs of the HTML. */
static enum err append_links(struct buf *text, struct buf *html, const struct job *job,
                             const struct content *c)
{
    enum err rc = OK;
    for (int i = 0; rc == OK && i < c->link_count && i < JOB_OUTPUTS_MAX; i++) {
        struct link link;
        find_link(job, c, i, &link);
        rc = c->link_count > 1 ? buf_appendf(text, "%s\n%s\n\n", link.name, link.address)
                               : buf_appendf(text, "%s\n", link.address);
        rc = rc == OK ? append_html_link(html, &link) : rc;
    }
    return rc;
}

static enum err append_bodies(struct buf *out, const struct job *job, const struct content *c,
                              const char *boundary)
{
    __attribute__((cleanup(buf_release_auto))) struct buf text;
    __attribute__((cleanup(buf_release_auto))) struct buf html;
    buf_init(&text, MAIL_MAX / 4);
    buf_init(&html, MAIL_MAX / 2);
    enum err rc = buf_appendf(&text, "%s\n\n", c->line);
    if (rc == OK) {
        rc = buf_append_text(&html, "<!doctype html><html><body><p>");
    }
    if (rc == OK) {
        rc = append_html_escaped(&html, c->line);
    }
    if (rc == OK) {
        rc = buf_append_text(&html, "</p>");
    }
    if (rc == OK) {
        rc = append_links(&text, &html, job, c);
    }
    if (rc == OK) {
        rc = buf_append_text(&html, "</body></html>\n");
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
        rc = append_bodies(out, job, &c, boundary);
    }
    return rc == OK ? OK : err_set(e, rc, "the mail is longer than %zu bytes", out->max);
}
