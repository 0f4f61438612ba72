/* The options of a conversion as both `unreel convert` and `unreel upload` take them. */
#ifndef UNREEL_CLI_JOB_OPTIONS_H
#define UNREEL_CLI_JOB_OPTIONS_H

#include <stddef.h>

#include "command.h"
#include "core/error.h"

/* The first rows of a command's table. */
#define JOB_OPTION_SPECS                                                                           \
    { "--preset", "NAME", "standard, voice, high or best (default: standard)" },                   \
        { "--mode", "MODE", "cbr, vbr or abr" },                                                   \
        { "--bitrate", "KBPS", "bitrate of cbr and abr; alone it means cbr" },                     \
        { "--quality", "0-9", "quality of vbr, 0 is best" },                                       \
        { "--sample-rate", "HZ", "sample rate (default: the source's nearest)" },                  \
        { "--channels", "1|2", "channels (default: the source's, two at most)" },                  \
        { "--start", "TIME", "leave out what is before: seconds, or HH:MM:SS.mmm" },               \
        { "--end", "TIME", "leave out what is after" },                                            \
        { "--track", "TRACK", "sound track, by number or language (default: the file's)" },        \
        { "--fade-in", "SECONDS", "fade the start in" },                                           \
        { "--fade-out", "SECONDS", "fade the end out" },                                           \
        { "--loudness", "HOW", "off, tag (for players) or normalize (EBU R128)" },                 \
        { "--loudness-target", "LUFS", "for normalize (default: -16)" },                           \
        { "--trim-silence", NULL, "leave out silence at the start and at the end" },               \
        { "--chapters", "HOW", "keep, split (an MP3 for each) or none" },                          \
        { "--cover", "PICTURE", "keep, none, a JPEG or PNG file, or the video's at a TIME" },      \
        { "--id3", "2.4|2.3", "version of the tag" },                                              \
        { "--copy", "WHEN", "auto (MP3 sound that stays as it is) or never" },                     \
        { "--set", "NAME=VALUE", "a tag of the MP3: title, artist, ...; empty leaves it out" },    \
    {                                                                                              \
        "--outputs", "JSON", "several MP3s: [{\"bitrate\": 320}, {\"preset\": \"voice\"}]"         \
    }
#define JOB_OPTION_COUNT 20

#define JOB_OPTION_NAME_SIZE 32

/* One of them as the server and job_request_set call it: "sample_rate", "tags.title". */
struct job_option {
    char name[JOB_OPTION_NAME_SIZE];
    const char *value;      /* borrowed */
    const char *cover_path; /* of --cover FILE, whose value is "upload"; else NULL */
};

/* Reads option `spec` of the table with its value on the command line (NULL for a switch). A value
 * that can be no picture's time or name is a file's path. ERR_INVALID: --set without a name. */
enum err job_option_read(const struct option_spec *spec, const char *value,
                         struct job_option *ret_option, struct error *e) MUST_CHECK;

#endif
