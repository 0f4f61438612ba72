/* Options come from users: as "name=value" lines, and as a JSON object. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/options.h"

#define TEXT_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

/* What passed the check can be written and read again. */
static void check(const struct job_options *o)
{
    if (job_options_check(o, NULL) != OK) {
        return;
    }
    struct job_options effective = *o;
    struct job_options again;
    effective.given = 0;
    job_options_default(&again);
    json_t *json = job_options_to_json(o);
    require(job_options_from_json(&again, json, NULL) == OK);
    require(memcmp(&again, &effective, sizeof(again)) == 0);
    json_decref(json);
}

static void read_lines(char *text, struct job_options *o)
{
    struct error e;
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        char *value = line;
        const char *name = strsep(&value, "=");
        enum err err = job_options_set(o, name, value != NULL ? value : "", &e);
        require(err == OK || err == ERR_INVALID || err == ERR_NOT_FOUND);
        require(err == OK || strlen(e.text) > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[TEXT_MAX + 1];
    struct job_options o;
    size_t len = size < TEXT_MAX ? size : TEXT_MAX;
    job_options_default(&o);
    json_t *json = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY,
                              NULL);
    if (json != NULL && job_options_from_json(&o, json, NULL) == OK) {
        check(&o);
    }
    json_decref(json);
    job_options_default(&o);
    memcpy(text, data, len);
    text[len] = '\0';
    read_lines(text, &o);
    check(&o);
    return 0;
}
