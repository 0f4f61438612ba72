#include "input.h"

#include <libavutil/error.h>
#include <libavutil/mem.h>
#include <stdio.h>
#include <string.h>

#include "core/banned.h"

/* performance.md, section 3: measured. */
#define AVIO_BUFFER_SIZE 32768
#define SLOT_COUNT 4
#define AHEAD 2
/* Steps to the next chunk before access counts as sequential: sound that lies across the border of
 * two chunks, with video behind it, is one step. */
#define STEPS 2

struct slot {
    int64_t chunk; /* -1: empty */
    uint64_t used; /* the clock's value at its last use */
    size_t len;
    bool is_pending;
    uint8_t *data;
};

struct input {
    const struct channel *channel;
    AVIOContext *avio;
    int64_t size; /* -1: not known yet */
    int64_t position;
    int64_t current; /* the chunk read last; -1: none */
    int steps;       /* to the next chunk each, without a jump */
    bool is_broken;
    uint64_t clock;
    struct slot slots[SLOT_COUNT];
    struct slot *pending[PROTOCOL_READS_MAX]; /* in the order of their READs */
    size_t pending_count;
};

_Static_assert(SLOT_COUNT <= PROTOCOL_READS_MAX, "every slot may be asked for");
_Static_assert(INPUT_CHUNK_SIZE <= PROTOCOL_DATA_MAX, "a chunk is one frame");

static struct slot *find_slot(struct input *in, int64_t chunk)
{
    for (size_t i = 0; i < SLOT_COUNT; i++) {
        if (in->slots[i].chunk == chunk) {
            return &in->slots[i];
        }
    }
    return NULL;
}

/* The slot used longest ago; NULL when all others are waited for. */
static struct slot *pick_victim(struct input *in, int64_t keep)
{
    struct slot *victim = NULL;
    for (size_t i = 0; i < SLOT_COUNT; i++) {
        struct slot *s = &in->slots[i];
        if (!s->is_pending && (s->chunk < 0 || s->chunk != keep) &&
            (victim == NULL || s->used < victim->used)) {
            victim = s;
        }
    }
    return victim;
}

static enum err request(struct input *in, struct slot *s, int64_t chunk)
{
    struct protocol_read m = { .offset = chunk * INPUT_CHUNK_SIZE, .len = INPUT_CHUNK_SIZE };
    if (in->size >= 0 && in->size - m.offset < INPUT_CHUNK_SIZE) {
        m.len = (uint32_t)(in->size - m.offset);
    }
    uint8_t frame[PROTOCOL_HEADER_SIZE + PROTOCOL_SMALL_MAX];
    size_t len = protocol_pack_read(frame, &m);
    enum err err = channel_send(in->channel, frame, len);
    if (err == OK) {
        s->chunk = chunk;
        s->is_pending = true;
        s->used = ++in->clock;
        in->pending[in->pending_count++] = s;
    }
    return err;
}

/* The oldest answer that is due. A short one is the input's end. */
static enum err receive(struct input *in)
{
    struct slot *s = in->pending[0];
    enum err err = channel_receive_data(in->channel, s->data, INPUT_CHUNK_SIZE, &s->len);
    if (err != OK) {
        return err;
    }
    in->pending_count--;
    memmove(in->pending, in->pending + 1, in->pending_count * sizeof(in->pending[0]));
    s->is_pending = false;
    int64_t end = s->chunk * INPUT_CHUNK_SIZE + (int64_t)s->len;
    if (s->len < INPUT_CHUNK_SIZE && (in->size < 0 || end < in->size)) {
        in->size = end;
    }
    return OK;
}

static bool is_past_end(const struct input *in, int64_t chunk)
{
    return in->size >= 0 && chunk * INPUT_CHUNK_SIZE >= in->size;
}

static enum err ask_ahead(struct input *in, int64_t chunk)
{
    for (int64_t ahead = chunk + 1; ahead <= chunk + AHEAD; ahead++) {
        struct slot *victim = pick_victim(in, chunk);
        if (is_past_end(in, ahead) || find_slot(in, ahead) != NULL || victim == NULL) {
            continue;
        }
        enum err err = request(in, victim, ahead);
        if (err != OK) {
            return err;
        }
    }
    return OK;
}

static enum err fetch(struct input *in, int64_t chunk, struct slot **ret_slot)
{
    struct slot *s = find_slot(in, chunk);
    enum err err = OK;
    if (s == NULL) {
        /* At most AHEAD slots are pending here, so there is a victim. */
        s = pick_victim(in, -1);
        err = request(in, s, chunk);
    }
    while (err == OK && s->is_pending) {
        err = receive(in);
    }
    if (err == OK && chunk != in->current) {
        bool is_next = in->current >= 0 && chunk == in->current + 1;
        in->steps = is_next ? in->steps + (in->steps < STEPS) : 0;
        err = in->steps == STEPS ? ask_ahead(in, chunk) : OK;
    }
    in->current = chunk;
    s->used = ++in->clock;
    *ret_slot = s;
    return err;
}

static int read_packet(void *opaque, uint8_t *dst, int size)
{
    struct input *in = opaque;
    int64_t chunk = in->position / INPUT_CHUNK_SIZE;
    size_t skip = (size_t)(in->position % INPUT_CHUNK_SIZE);
    if (in->is_broken) {
        return AVERROR(EIO);
    }
    if ((in->size >= 0 && in->position >= in->size) || size <= 0) {
        return AVERROR_EOF;
    }
    struct slot *s = NULL;
    if (fetch(in, chunk, &s) != OK) {
        in->is_broken = true;
        return AVERROR(EIO);
    }
    if (skip >= s->len) {
        return AVERROR_EOF;
    }
    size_t take = s->len - skip < (size_t)size ? s->len - skip : (size_t)size;
    memcpy(dst, s->data + skip, take);
    in->position += (int64_t)take;
    return (int)take;
}

static int64_t seek(void *opaque, int64_t offset, int whence)
{
    struct input *in = opaque;
    int64_t base = 0;
    switch (whence & ~AVSEEK_FORCE) {
    case AVSEEK_SIZE:
        return in->size >= 0 ? in->size : AVERROR(ENOSYS);
    case SEEK_SET:
        break;
    case SEEK_CUR:
        base = in->position;
        break;
    case SEEK_END:
        base = in->size;
        break;
    default:
        return AVERROR(EINVAL);
    }
    int64_t target = 0;
    /* The last offset that a READ may have is PROTOCOL_DATA_MAX below the largest number. */
    if (base < 0 || __builtin_add_overflow(base, offset, &target) || target < 0 ||
        target > INT64_MAX - 4 * (int64_t)PROTOCOL_DATA_MAX) {
        return AVERROR(EINVAL);
    }
    in->position = target;
    return target;
}

struct input *input_new(const struct channel *channel, int64_t size)
{
    AUTO(input_free) struct input *in = xcalloc(1, sizeof(*in));
    in->channel = channel;
    in->size = size;
    in->current = -1;
    for (size_t i = 0; i < SLOT_COUNT; i++) {
        in->slots[i].chunk = -1;
        in->slots[i].data = xmalloc(INPUT_CHUNK_SIZE);
    }
    unsigned char *buffer = av_malloc(AVIO_BUFFER_SIZE);
    if (buffer == NULL) {
        return NULL;
    }
    in->avio = avio_alloc_context(buffer, AVIO_BUFFER_SIZE, 0, in, read_packet, NULL, seek);
    if (in->avio == NULL) {
        av_free(buffer);
        return NULL;
    }
    /* Of what may still be coming nothing is fetched from its end: demuxers go through it. */
    in->avio->seekable = size >= 0 ? AVIO_SEEKABLE_NORMAL : 0;
    return TAKE(in);
}

void input_free(struct input *in)
{
    if (in == NULL) {
        return;
    }
    if (in->avio != NULL) {
        /* libavformat may have replaced the buffer. */
        av_freep(&in->avio->buffer);
        avio_context_free(&in->avio);
    }
    for (size_t i = 0; i < SLOT_COUNT; i++) {
        free(in->slots[i].data);
    }
    free(in);
}

AVIOContext *input_avio(struct input *in)
{
    return in->avio;
}

bool input_is_broken(const struct input *in)
{
    return in->is_broken;
}
