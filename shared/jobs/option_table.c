#include "jobs/option_table.h"

#include <stdio.h>
#include <string.h>

#include "core/attr.h"
#include "core/banned.h"

const struct job_option_info option_infos[OPTION_COUNT] = {
    [OPTION_PRESET] = { "preset", "voice is small and mono, best is the largest; others refine it",
                        "standard|voice|high|best", "standard" },
    [OPTION_MODE] = { "mode", "constant, variable or average bitrate", "cbr|vbr|abr", "vbr" },
    [OPTION_BITRATE] = { "bitrate", "kbit/s, for cbr (one of MPEG's steps) and abr", "8..320",
                         "192" },
    [OPTION_QUALITY] = { "quality", "for vbr: 0 is the best, 9 the smallest", "0..9", "2" },
    [OPTION_SAMPLE_RATE] = { "sample_rate", "Hz; 0 is the source's, or the nearest that MP3 has",
                             "0|8000|11025|12000|16000|22050|24000|32000|44100|48000", "0" },
    [OPTION_CHANNELS] = { "channels", "1 is mono, 2 stereo; 0 is the source's, two at most",
                          "0|1|2", "0" },
    [OPTION_START] = { "start", "leaves out what is before", "seconds, or HH:MM:SS.mmm", "0" },
    [OPTION_END] = { "end", "leaves out what is after", "seconds, or HH:MM:SS.mmm", "" },
    [OPTION_TRACK] = { "track",
                       "the sound track, by its number or language; else the file's default",
                       "a number, or a language (deu)", "" },
    [OPTION_FADE_IN] = { "fade_in", "seconds of fading in at the start", "0..30", "0" },
    [OPTION_FADE_OUT] = { "fade_out", "seconds of fading out at the end", "0..30", "0" },
    [OPTION_LOUDNESS] = { "loudness",
                          "EBU R128: tag notes it for players, normalize changes the level",
                          "off|tag|normalize", "off" },
    [OPTION_LOUDNESS_TARGET] = { "loudness_target", "LUFS, for normalize", "-70..-5", "-16" },
    [OPTION_TRIM_SILENCE] = { "trim_silence", "leaves out silence at the start and at the end",
                              "off|on", "off" },
    [OPTION_CHAPTERS] = { "chapters", "kept in the MP3, or split: one MP3 for each",
                          "keep|split|none", "keep" },
    [OPTION_COVER] = { "cover", "the source's picture, one that is sent, or the video's at a time",
                       "keep, none, upload, seconds, or HH:MM:SS.mmm", "keep" },
    [OPTION_ID3] = { "id3", "version of the tag", "2.4|2.3", "2.4" },
    [OPTION_COPY] = { "copy", "auto: sound that is MP3 already is kept if nothing here changes it",
                      "auto|never", "auto" },
};

#define PLACE(option_kind, field, low, high)                                                       \
    {                                                                                              \
        OPTION_KIND_##option_kind, offsetof(struct job_options, field),                            \
            sizeof(((struct job_options *)NULL)->field), low, high                                 \
    }

const struct option_place option_places[OPTION_COUNT] = {
    [OPTION_PRESET] = PLACE(NAME, preset, 0, JOB_PRESET_BEST),
    [OPTION_MODE] = PLACE(NAME, mode, 0, JOB_MODE_ABR),
    [OPTION_BITRATE] = PLACE(NUMBER, bitrate_kbps, 8, 320),
    [OPTION_QUALITY] = PLACE(NUMBER, quality, 0, 9),
    [OPTION_SAMPLE_RATE] = PLACE(NUMBER, sample_rate_hz, 0, 48000),
    [OPTION_CHANNELS] = PLACE(NUMBER, channels, 0, 2),
    [OPTION_START] = PLACE(TIME, start_ms, 0, OPTION_TIME_MAX_MS),
    [OPTION_END] = PLACE(TIME, end_ms, 0, OPTION_TIME_MAX_MS),
    [OPTION_TRACK] = PLACE(TRACK, track, 0, OPTION_TRACK_NUMBER_MAX),
    [OPTION_FADE_IN] = PLACE(TIME, fade_in_ms, 0, JOB_FADE_MAX_MS),
    [OPTION_FADE_OUT] = PLACE(TIME, fade_out_ms, 0, JOB_FADE_MAX_MS),
    [OPTION_LOUDNESS] = PLACE(NAME, loudness, 0, JOB_LOUDNESS_NORMALIZE),
    [OPTION_LOUDNESS_TARGET] = PLACE(LUFS, loudness_target_centi_lufs, JOB_LOUDNESS_MIN_CENTI_LUFS,
                                     JOB_LOUDNESS_MAX_CENTI_LUFS),
    [OPTION_TRIM_SILENCE] = PLACE(SWITCH, trim_silence, 0, 1),
    [OPTION_CHAPTERS] = PLACE(NAME, chapters, 0, JOB_CHAPTERS_NONE),
    [OPTION_COVER] = PLACE(COVER, cover, 0, JOB_COVER_FRAME),
    [OPTION_ID3] = PLACE(NAME, id3, 0, JOB_ID3_V23),
    [OPTION_COPY] = PLACE(NAME, copy, 0, JOB_COPY_NEVER),
};

static const char *const preset_names[] = { "standard", "voice", "high", "best", NULL };
static const char *const mode_names[] = { "cbr", "vbr", "abr", NULL };
static const char *const loudness_names[] = { "off", "tag", "normalize", NULL };
static const char *const chapters_names[] = { "keep", "split", "none", NULL };
static const char *const cover_names[] = { "keep", "none", "upload", NULL };
static const char *const id3_names[] = { "2.4", "2.3", NULL };
static const char *const copy_names[] = { "auto", "never", NULL };

static const char *const *const names[OPTION_COUNT] = {
    [OPTION_PRESET] = preset_names,     [OPTION_MODE] = mode_names,
    [OPTION_LOUDNESS] = loudness_names, [OPTION_CHAPTERS] = chapters_names,
    [OPTION_COVER] = cover_names,       [OPTION_ID3] = id3_names,
    [OPTION_COPY] = copy_names,
};

const struct job_option_info *job_option_table(size_t *ret_count)
{
    *ret_count = OPTION_COUNT;
    return option_infos;
}

enum option option_find(const char *name)
{
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (strcmp(option_infos[i].name, name) == 0) {
            return (enum option)i;
        }
    }
    return OPTION_COUNT;
}

enum err option_unknown(const char *name, enum err code, struct error *e)
{
    char known[256] = "";
    size_t len = 0;
    for (size_t i = 0; i < OPTION_COUNT && len < sizeof(known); i++) {
        len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s", i == 0 ? "" : ", ",
                                option_infos[i].name);
    }
    return err_set(e, code, "there is no option %.40s; there are %s", name, known);
}

const char *const *option_names(enum option option)
{
    return names[option];
}

enum err option_out_of_range(enum option option, struct error *e)
{
    enum option_kind kind = option_places[option].kind;
    const char *what = "";
    if (option == OPTION_BITRATE || option == OPTION_QUALITY) {
        what = "a whole number within ";
    } else if (kind == OPTION_KIND_LUFS) {
        what = "a number with two decimals at most within ";
    } else if (kind == OPTION_KIND_NAME || kind == OPTION_KIND_NUMBER ||
               kind == OPTION_KIND_SWITCH) {
        what = "one of ";
    }
    return err_set(e, ERR_INVALID, "%s must be %s%s", option_infos[option].name, what,
                   option_infos[option].values);
}

int64_t option_value(const struct job_options *o, enum option option)
{
    const char *field = (const char *)o + option_places[option].offset;
    int64_t value = 0;
    int small = 0;
    if (option_places[option].kind == OPTION_KIND_TIME) {
        memcpy(&value, field, sizeof(value));
        return value;
    }
    memcpy(&small, field, sizeof(small));
    return small;
}
