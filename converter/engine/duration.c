#include "duration.h"

#include <stdio.h>

#include "core/banned.h"

/* The parent takes no more. */
#define MAX_DURATION_US ((int64_t)1000 * 3600 * 1000000)

static int64_t believable_us(int64_t us)
{
    return us > 0 && us <= MAX_DURATION_US ? us : 0;
}

int64_t duration_of_stream_us(const AVStream *stream)
{
    if (stream->duration <= 0 || stream->duration == AV_NOPTS_VALUE) {
        return 0;
    }
    return believable_us(av_rescale_q(stream->duration, stream->time_base, AV_TIME_BASE_Q));
}

/* As text: 00:01:02.345000000 */
int64_t duration_of_tag_us(const AVStream *stream)
{
    const AVDictionaryEntry *tag = av_dict_get(stream->metadata, "DURATION", NULL, 0);
    int hours = 0;
    int minutes = 0;
    double seconds = 0;
    /* NOLINTNEXTLINE(cert-err34-c): the ranges are checked below, and it is only a hint. */
    if (tag == NULL || sscanf(tag->value, "%3d:%2d:%12lf", &hours, &minutes, &seconds) != 3 ||
        hours < 0 || minutes < 0 || !(seconds >= 0 && seconds < 60)) {
        return 0;
    }
    return believable_us(((int64_t)hours * 3600 + (int64_t)minutes * 60) * 1000000 +
                         (int64_t)(seconds * 1e6));
}

int64_t duration_of_container_us(const AVFormatContext *context)
{
    return believable_us(context->duration);
}
