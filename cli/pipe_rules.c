#include "pipe_rules.h"

#include "core/banned.h"

enum err pipe_rules_check(const struct job_options *options, bool is_input_pipe,
                          bool is_output_pipe, struct error *e)
{
    if (is_input_pipe && options->loudness == JOB_LOUDNESS_NORMALIZE) {
        return err_set(e, ERR_INVALID,
                       "to normalize, the sound is read twice: give the video as a file, not "
                       "through a pipe");
    }
    if (is_input_pipe && options->trim_silence != 0) {
        return err_set(e, ERR_INVALID,
                       "to trim silence, the sound is read twice: give the video as a file, not "
                       "through a pipe");
    }
    if (is_input_pipe && options->cover == JOB_COVER_FRAME) {
        return err_set(e, ERR_INVALID,
                       "for a picture out of the video, it is read twice: give it as a file, not "
                       "through a pipe");
    }
    if (is_output_pipe && options->loudness == JOB_LOUDNESS_TAG) {
        return err_set(e, ERR_INVALID,
                       "the loudness is written at the start of the MP3 when its end is known: "
                       "name a file for it, a pipe has only one way");
    }
    if (is_output_pipe && options->chapters == JOB_CHAPTERS_SPLIT) {
        return err_set(e, ERR_INVALID,
                       "an MP3 for each chapter needs files: a pipe takes one MP3 only");
    }
    return OK;
}
