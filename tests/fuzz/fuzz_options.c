/* Options come from users: as "name=value" lines, and as a JSON object. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/request.h"

#define TEXT_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

/* What passed the check can be written and read again. */
static void check(struct job_request *r)
{
    if (job_request_settle(r, NULL) != OK) {
        return;
    }
    static struct job_request again;
    job_request_default(&again);
    json_t *json = job_request_to_json(r);
    require(job_request_from_json(&again, json, NULL) == OK);
    r->options.given = 0;
    require(memcmp(&again, r, sizeof(again)) == 0);
    require(job_request_settle(&again, NULL) == OK);
    require(memcmp(&again, r, sizeof(again)) == 0);
    require(job_request_equal(&again, r));
    json_decref(json);
}

static void read_lines(char *text, struct job_request *r)
{
    struct error e;
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        char *value = line;
        const char *name = strsep(&value, "=");
        enum err err = job_request_set(r, name, value != NULL ? value : "", &e);
        require(err == OK || err == ERR_INVALID || err == ERR_NOT_FOUND);
        require(err == OK || strlen(e.text) > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[TEXT_MAX + 1];
    static struct job_request r;
    size_t len = size < TEXT_MAX ? size : TEXT_MAX;
    job_request_default(&r);
    json_t *json = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY,
                              NULL);
    if (json != NULL && job_request_from_json(&r, json, NULL) == OK) {
        check(&r);
    }
    json_decref(json);
    job_request_default(&r);
    memcpy(text, data, len);
    text[len] = '\0';
    read_lines(text, &r);
    check(&r);
    return 0;
}
