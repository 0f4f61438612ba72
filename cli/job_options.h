/* The options of a conversion as both `unreel convert` and `unreel upload` take them. */
#ifndef UNREEL_CLI_JOB_OPTIONS_H
#define UNREEL_CLI_JOB_OPTIONS_H

#include <stddef.h>

#include "command.h"

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
    {                                                                                              \
        "--fade-out", "SECONDS", "fade the end out"                                                \
    }
#define JOB_OPTION_COUNT 11

#define JOB_OPTION_NAME_SIZE 32
/* "--sample-rate" as the server and jobs/options.h call it: "sample_rate". */
const char *job_option_name(char dst[JOB_OPTION_NAME_SIZE], const struct option_spec *spec);

#endif
