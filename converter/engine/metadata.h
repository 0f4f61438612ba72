/* What a file says about itself: tags, chapters, a picture. libavformat has read all of it by the
 * time that the container is open: nothing more is fetched. */
#ifndef UNREEL_CONVERTER_ENGINE_METADATA_H
#define UNREEL_CONVERTER_ENGINE_METADATA_H

#include <libavformat/avformat.h>
#include <stddef.h>
#include <stdint.h>

#include "id3.h"
#include "jobs/job.h"

struct metadata {
    struct job_tags tags;   /* clean UTF-8 in one line; given: those that there are */
    const uint8_t *picture; /* JPEG or PNG; owned by the container; NULL: there is none */
    size_t picture_len;
    size_t chapter_count; /* sorted, not overlapping, on the clock of the sound */
    struct id3_chapter chapters[ID3_CHAPTERS_MAX];
};

/* sound: the stream that is converted. */
void metadata_read(const AVFormatContext *container, const AVStream *sound,
                   struct metadata *ret_metadata);
/* The chapters as the job's record shows them. duration_s of *input must be set. */
void metadata_describe(const struct metadata *m, struct job_input *input);

/* The tags of an MP3: what was given wins, given and "" is left out. */
void metadata_merge(const struct job_tags *source, const struct job_tags *wanted,
                    struct job_tags *ret_tags);
/* Turns the tags of the whole into those of an MP3 of one chapter: the title becomes the album
 * where there is none, and the number (from 1) the track unless that was given. */
void metadata_name_chapter(struct job_tags *tags, const struct job_tags *wanted,
                           const struct id3_chapter *chapter, int number, int count);
/* The chapters of the part from start_ms to end_ms (0: to the end), counted from its start. Returns
 * how many there are. */
size_t metadata_clip(const struct metadata *m, int64_t start_ms, int64_t end_ms,
                     struct id3_chapter ret_chapters[ID3_CHAPTERS_MAX]);

#endif
