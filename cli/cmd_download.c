/* unreel download: the MP3 by its file id, or those of a job. */
#include <stdio.h>

#include "api.h"

#include "core/banned.h"

static const struct option_spec options[] = {
    { "--output", "FILE", "where to write it, or a folder (default: the video's name with .mp3)" },
};

static void print_files(const char *id, json_t *files, bool json)
{
    if (json) {
        const json_t *first = json_object_get(json_array_get(files, 0), "path");
        json_t *report = json_pack("{s:s, s:s, s:O}", "fid", id, "path", json_string_value(first),
                                   "files", files);
        print_json(report);
        json_decref(report);
        return;
    }
    for (size_t i = 0; i < json_array_size(files); i++) {
        const json_t *path = json_object_get(json_array_get(files, i), "path");
        (void)printf("%s\n", json_string_value(path));
    }
}

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
    json_auto_t *files = NULL;
    int code = api_login(&session);
    if (code == EXIT_OK) {
        code = api_download(&session, fid, output, &files);
    }
    if (code == EXIT_OK) {
        print_files(fid, files, a.json);
    }
    login_release(&session);
    return code;
}

const struct command command_download = {
    .name = "download",
    .arguments = "ID",
    .help = "Downloads an MP3 by its file id, or all of a job by its id.",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run,
};
