/* unreel download: the MP3 by its file id or its job's. */
#include <stdio.h>

#include "api.h"
#include "core/mem.h"
#include "escape.h"

#include "core/banned.h"

static const struct option_spec options[] = {
    { "--output", "FILE", "where to write it (default: the video's name with .mp3)" },
};

static int run(const struct command *self, int argc, char **argv)
{
    struct arguments a;
    const char *fid = NULL;
    const char *output = NULL;
    size_t count = 0;
    size_t option = 0;
    const char *value = NULL;
    enum argument_kind kind = ARGUMENT_END;
    arguments_init(&a, self, argc, argv);
    while ((kind = arguments_next(&a, &option, &value)) != ARGUMENT_END) {
        if (kind == ARGUMENT_OPERAND) {
            fid = value;
            count++;
        } else {
            output = value;
        }
    }
    if (a.has_failed || count != 1) {
        if (!a.has_failed) {
            say_error("download: name one job or file id");
        }
        return EXIT_USAGE;
    }
    struct login session = { 0 };
    AUTO(mem_free) char *path = NULL;
    int code = api_login(&session);
    if (code == EXIT_OK) {
        code = api_download(&session, fid, output, &path);
    }
    if (code == EXIT_OK && a.json) {
        AUTO(mem_free) char *shown = escape_controls(path);
        json_t *report = json_pack("{s:s, s:s}", "fid", fid, "path", shown);
        print_json(report);
        json_decref(report);
    } else if (code == EXIT_OK) {
        (void)printf("%s\n", path);
    }
    login_release(&session);
    return code;
}

const struct command command_download = {
    .name = "download",
    .arguments = "ID",
    .help = "Downloads an MP3 by its file id or its job's id.",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run,
};
