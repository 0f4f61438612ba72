#include "head.h"

#include <string.h>

#include "cover_frame.h"

#include "core/banned.h"

struct picture {
    int64_t at_ms; /* for one of the video's */
    uint8_t *bytes;
    size_t len;
};

struct heads {
    const struct job_tags *wanted;
    struct metadata metadata; /* its picture is `own`'s */
    struct picture own, uploaded;
    struct picture frames[JOB_REQUEST_OUTPUTS_MAX + 1];
    size_t frame_count;
};

/* One READ after the other: the picture is small, and nothing else is under way. */
static enum err fetch(const struct channel *channel, struct picture *p)
{
    for (size_t have = 0; have < p->len;) {
        size_t left = p->len - have;
        struct protocol_read m = { PROTOCOL_COVER, (int64_t)have,
                                   (uint32_t)(left < PROTOCOL_DATA_MAX ? left
                                                                       : PROTOCOL_DATA_MAX) };
        uint8_t frame[PROTOCOL_HEADER_SIZE + PROTOCOL_SMALL_MAX];
        size_t len = protocol_pack_read(frame, &m);
        size_t got = 0;
        if (channel_send(channel, frame, len) != OK ||
            channel_receive_data(channel, p->bytes + have, left, &got) != OK || got == 0) {
            return ERR_CANCELLED;
        }
        have += got;
    }
    return OK;
}

enum err heads_new(const struct channel *channel, const struct protocol_start *start,
                   struct heads **ret_heads, struct failure *f)
{
    AUTO(heads_free) struct heads *h = xcalloc(1, sizeof(*h));
    h->wanted = &start->request.tags;
    if (start->cover_size > 0) {
        if (start->cover_size > (int64_t)ID3_PICTURE_MAX) {
            return failure_set(f, PROBLEM_COVER_NOT_FOUND,
                               "cover: the picture has more than %zu bytes.", ID3_PICTURE_MAX);
        }
        h->uploaded.len = (size_t)start->cover_size;
        h->uploaded.bytes = xmalloc(h->uploaded.len);
        enum err err = fetch(channel, &h->uploaded);
        if (err != OK) {
            return err;
        }
    }
    *ret_heads = TAKE(h);
    return OK;
}

void heads_free(struct heads *h)
{
    if (h == NULL) {
        return;
    }
    free(h->own.bytes);
    free(h->uploaded.bytes);
    for (size_t i = 0; i < h->frame_count; i++) {
        free(h->frames[i].bytes);
    }
    free(h);
}

void heads_describe(struct heads *h, const struct metadata *m)
{
    h->metadata = *m;
    if (m->picture != NULL && m->picture_len <= ID3_PICTURE_MAX) {
        h->own.len = m->picture_len;
        h->own.bytes = xmalloc(m->picture_len);
        memcpy(h->own.bytes, m->picture, m->picture_len);
    }
    h->metadata.picture = h->own.bytes;
    h->metadata.picture_len = h->own.len;
}

const struct metadata *heads_metadata(const struct heads *h)
{
    return &h->metadata;
}

bool heads_wants_frames(const struct plan *plan)
{
    for (int i = 0; i < plan->output_count; i++) {
        if (plan->outputs[i].options->cover == JOB_COVER_FRAME) {
            return true;
        }
    }
    return false;
}

static const struct picture *find_frame(const struct heads *h, int64_t at_ms)
{
    for (size_t i = 0; i < h->frame_count; i++) {
        if (h->frames[i].at_ms == at_ms) {
            return &h->frames[i];
        }
    }
    return NULL;
}

enum err heads_take_frames(struct heads *h, const struct plan *plan, struct input *in,
                           struct failure *f)
{
    for (int i = 0; i < plan->output_count; i++) {
        const struct job_options *o = plan->outputs[i].options;
        if (o->cover != JOB_COVER_FRAME || find_frame(h, o->cover_at_ms) != NULL) {
            continue;
        }
        struct picture *p = &h->frames[h->frame_count];
        enum err err = cover_frame_take(in, o->cover_at_ms, &p->bytes, &p->len, f);
        if (err != OK) {
            return err;
        }
        p->at_ms = o->cover_at_ms;
        h->frame_count++;
    }
    return OK;
}

static const struct picture *choose_picture(const struct heads *h, const struct job_options *o)
{
    switch (o->cover) {
    case JOB_COVER_KEEP:
        return &h->own;
    case JOB_COVER_UPLOAD:
        return &h->uploaded;
    case JOB_COVER_FRAME:
        return find_frame(h, o->cover_at_ms);
    case JOB_COVER_NONE:
        break;
    }
    return NULL;
}

static bool has_text(const struct job_tags *tags)
{
    for (int i = 0; i < JOB_TAG_COUNT; i++) {
        if (tags->texts[i][0] != '\0') {
            return true;
        }
    }
    return false;
}

struct id3 *heads_make(const struct heads *h, const struct plan_output *output, int64_t start_ms,
                       int64_t end_ms)
{
    const struct job_options *o = output->options;
    const struct metadata *m = &h->metadata;
    struct job_tags tags;
    AUTO(mem_free) struct id3_chapter *chapters = xcalloc(ID3_CHAPTERS_MAX, sizeof(*chapters));
    metadata_merge(&m->tags, h->wanted, &tags);
    struct id3_params params = {
        .version = o->id3,
        .tags = &tags,
        .encoder = "Unreel",
        .chapters = chapters,
        .has_replaygain = o->loudness != JOB_LOUDNESS_OFF,
    };
    if (output->chapter > 0) {
        metadata_name_chapter(&tags, h->wanted, &m->chapters[output->chapter - 1], output->chapter,
                              (int)m->chapter_count);
    } else if (o->chapters == JOB_CHAPTERS_KEEP) {
        params.chapter_count = metadata_clip(m, start_ms, end_ms, chapters);
    }
    const struct picture *picture = choose_picture(h, o);
    if (picture != NULL) {
        params.picture = picture->bytes;
        params.picture_len = picture->len;
    }
    bool has_content = has_text(&tags) || params.chapter_count > 0 || params.picture != NULL ||
                       params.has_replaygain;
    return has_content ? id3_new(&params) : NULL;
}
