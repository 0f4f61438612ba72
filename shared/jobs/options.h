/* The options of one MP3: one table says their names, types, ranges and defaults, for parsing,
 * openapi and --help. What a job asks for as a whole is jobs/request.h. */
#ifndef UNREEL_JOBS_OPTIONS_H
#define UNREEL_JOBS_OPTIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

#define JOB_TRACK_SIZE 16
#define JOB_FADE_MAX_MS 30000
#define JOB_LOUDNESS_MIN_CENTI_LUFS (-7000)
#define JOB_LOUDNESS_MAX_CENTI_LUFS (-500)
#define JOB_LOUDNESS_DEFAULT_CENTI_LUFS (-1600)

enum job_mode { JOB_MODE_CBR, JOB_MODE_VBR, JOB_MODE_ABR };

enum job_preset {
    JOB_PRESET_STANDARD, /* vbr 2 */
    JOB_PRESET_VOICE,    /* abr 64, mono */
    JOB_PRESET_HIGH,     /* vbr 0 */
    JOB_PRESET_BEST,     /* cbr 320 */
};

enum job_loudness {
    JOB_LOUDNESS_OFF,
    JOB_LOUDNESS_TAG,       /* measured (EBU R128) and written as ReplayGain; the sound stays */
    JOB_LOUDNESS_NORMALIZE, /* measured first, then one gain for the whole */
};

enum job_chapters {
    JOB_CHAPTERS_KEEP,  /* as ID3 CHAP and CTOC */
    JOB_CHAPTERS_SPLIT, /* one MP3 for each */
    JOB_CHAPTERS_NONE,
};

enum job_cover {
    JOB_COVER_KEEP, /* the source's picture, if it has one */
    JOB_COVER_NONE,
    JOB_COVER_UPLOAD, /* a picture that came with the job */
    JOB_COVER_FRAME,  /* the video's picture at cover_at_ms */
};

enum job_id3 { JOB_ID3_V24, JOB_ID3_V23 };

enum job_copy {
    JOB_COPY_AUTO,  /* sound that is MP3 already is copied: nothing was asked that changes it */
    JOB_COPY_NEVER, /* encoded in any case */
};

/* The values are the effective ones, whatever they come from.
 *
 * What `copy` is: a copy can neither fade, normalize nor trim, so each of these means NEVER. Who
 * gives a preset, mode, bitrate, quality, or a sample rate or channels other than 0, wants it so,
 * which means NEVER too, unless `copy` is given as auto: then this is how what is no MP3 is
 * encoded. `start` and `end` alone change nothing: frames can be left out of a copy. An object of
 * JSON without `copy` is one from before there was any; it names all other options, so it counts as
 * NEVER only where a value differs from the default: a job that waits in a queue over an upgrade
 * becomes what the same request would become now. */
struct job_options {
    enum job_preset preset; /* what was not given by name comes from it */
    enum job_mode mode;     /* mode; a bitrate alone means cbr, a quality alone vbr */
    int bitrate_kbps;       /* bitrate: cbr one of MPEG's, abr 8..320 */
    int quality;            /* quality: vbr 0 (best)..9 */
    int sample_rate_hz;     /* sample_rate: MPEG's nine rates, 0: the source's nearest */
    int channels;           /* channels: 1, 2, 0: the source's, two at most */
    enum job_loudness loudness;
    int loudness_target_centi_lufs; /* for normalize: hundredths of a LUFS */
    int trim_silence;               /* 1: silence at the start and at the end is left out */
    enum job_chapters chapters;
    enum job_cover cover;
    enum job_id3 id3;
    enum job_copy copy; /* see above */
    unsigned given;     /* bits of what job_options_set was called for */
    int64_t start_ms;   /* start, end: of the source's sound; end 0: to its end */
    int64_t end_ms;
    int64_t fade_in_ms, fade_out_ms; /* 0..JOB_FADE_MAX_MS */
    int64_t cover_at_ms;             /* for JOB_COVER_FRAME, on the source's clock */
    char track[JOB_TRACK_SIZE];      /* number or language; "": the file's default */
};

void job_options_default(struct job_options *o);

struct job_option_info {
    const char *name;
    const char *help;
    const char *values; /* in words: "8..320", "cbr|vbr|abr" */
    const char *default_value;
};
const struct job_option_info *job_option_table(size_t *ret_count);

/* Sets one option from text ("bitrate", "192" or "192k"; "start", "90.5" or "1:30.5"), in any
 * order. ERR_NOT_FOUND: no such option; ERR_INVALID: out of range, and *e says the range in the
 * user's terms. */
enum err job_options_set(struct job_options *o, const char *name, const char *value,
                         struct error *e) MUST_CHECK;
/* Checks that the whole fits together (a bitrate that MPEG-2's rates lack, ...). Call after the
 * last set. */
enum err job_options_check(const struct job_options *o, struct error *e) MUST_CHECK;
/* The same once more when the source has told its rate, for options that leave it to the source. A
 * preset's own bitrate yields to what that rate has; one that was chosen does not. */
enum err job_options_check_rate(const struct job_options *o, int sample_rate_hz,
                                struct error *e) MUST_CHECK;
/* Whether both have the same effect, however that was said. */
bool job_options_equal(const struct job_options *a, const struct job_options *b);
/* An object of name: value, and back (unknown members are ERR_INVALID; absent ones but `copy` keep
 * their value). Times are seconds, LUFS a number, trim_silence a boolean, id3 a text; cover is a
 * text, or a number of seconds. */
json_t *job_options_to_json(const struct job_options *o) MUST_CHECK;
enum err job_options_from_json(struct job_options *o, const json_t *json,
                               struct error *e) MUST_CHECK;

#endif
