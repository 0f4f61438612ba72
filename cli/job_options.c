#include "job_options.h"

#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "jobs/options.h"

#include "core/banned.h"

static enum err read_tag(const char *text, struct job_option *o, struct error *e)
{
    size_t len = strcspn(text, "=");
    if (len == 0 || text[len] == '\0' || len > sizeof(o->name) - sizeof("tags.")) {
        return err_set(e, ERR_INVALID, "--set takes NAME=VALUE, as title=Prelude");
    }
    (void)snprintf(o->name, sizeof(o->name), "tags.%.*s", (int)len, text);
    o->value = text + len + 1;
    return OK;
}

static void read_cover(const char *text, struct job_option *o)
{
    struct job_options trial;
    job_options_default(&trial);
    if (strcmp(text, "upload") == 0 || job_options_set(&trial, "cover", text, NULL) != OK) {
        o->value = "upload";
        o->cover_path = text;
    }
}

enum err job_option_read(const struct option_spec *spec, const char *value,
                         struct job_option *ret_option, struct error *e)
{
    struct job_option o = { .value = value != NULL ? value : "on" };
    if (strcmp(spec->name, "--set") == 0) {
        enum err err = read_tag(o.value, &o, e);
        if (err != OK) {
            return err;
        }
    } else {
        (void)text_copy(o.name, sizeof(o.name), spec->name + strlen("--"));
        for (char *c = strchr(o.name, '-'); c != NULL; c = strchr(c, '-')) {
            *c = '_';
        }
    }
    if (strcmp(spec->name, "--cover") == 0) {
        read_cover(o.value, &o);
    }
    *ret_option = o;
    return OK;
}
