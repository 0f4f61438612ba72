#include "lead.h"

#include <string.h>

#include "core/banned.h"

/* The first frame goes; its main data may still be reached. */
static void drop_first(struct lead *l)
{
    const struct lead_frame *first = &l->frames[0];
    const uint8_t *main_data = first->bytes + first->head.head_len;
    size_t len = first->head.len - first->head.head_len;
    if (len > MP3_FRAME_RESERVOIR_MAX) {
        main_data += len - MP3_FRAME_RESERVOIR_MAX;
        len = MP3_FRAME_RESERVOIR_MAX;
    }
    size_t kept = MP3_FRAME_RESERVOIR_MAX - len;
    kept = kept < l->reservoir_len ? kept : l->reservoir_len;
    memmove(l->reservoir, l->reservoir + l->reservoir_len - kept, kept);
    memcpy(l->reservoir + kept, main_data, len);
    l->reservoir_len = kept + len;
    l->count--;
    memmove(l->frames, l->frames + 1, (size_t)l->count * sizeof(l->frames[0]));
    l->is_cut = true;
}

void lead_add(struct lead *l, const uint8_t *bytes, const struct mp3_frame *head)
{
    if (l->count == LEAD_WARM_UP(head->version) + 1) {
        drop_first(l);
    }
    struct lead_frame *last = &l->frames[l->count++];
    last->head = *head;
    memcpy(last->bytes, bytes, head->len);
}

bool lead_settle(struct lead *l, int64_t samples, int64_t least_samples, const uint8_t *model,
                 int bitrate_kbps, struct lead_frame *ret_silence)
{
    while (l->is_cut && l->count > LEAD_WARM_UP(l->frames[0].head.version)) {
        drop_first(l);
    }
    for (int i = 0; i < l->count; i++) {
        samples += l->frames[i].head.samples;
    }
    size_t wanted = l->is_cut ? (size_t)l->frames[0].head.main_data_begin : 0;
    if (wanted == 0 && samples >= least_samples) {
        return false;
    }
    wanted = wanted < l->reservoir_len ? wanted : l->reservoir_len;
    mp3_frame_make_reservoir(model, bitrate_kbps, l->reservoir + l->reservoir_len - wanted, wanted,
                             ret_silence->bytes, &ret_silence->head);
    return true;
}
