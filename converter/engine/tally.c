#include "tally.h"

#include <libavutil/avutil.h>
#include <libavutil/mathematics.h>

#include "core/banned.h"

/* reliability.md, M8 and M9. */
#define MAX_ERRORS_IN_A_ROW 500
/* Without a frame: an hour of packets that say nothing, and no error either. */
#define MAX_PACKETS_IN_VAIN 100000
#define MIN_PERCENT 95
/* Durations are rounded, priming is counted in by some, and the last frame is counted as whole: a
 * short clip is not 5 % off for that. */
#define SLACK_US 100000
/* More are not counted: days of them, and the product with a frame's length stays a number. */
#define MAX_EMPTY_PACKETS 10000000
#define MAX_TIME_US ((int64_t)1000 * 3600 * 1000000)

enum err tally_packet(struct tally *t, const AVPacket *packet, struct failure *f)
{
    if (packet->size == 0) {
        t->empty_packets += t->empty_packets < MAX_EMPTY_PACKETS ? 1 : 0;
        return OK;
    }
    t->packets++;
    t->packets_in_vain++;
    if (t->packets_in_vain > MAX_PACKETS_IN_VAIN) {
        return failure_set(f, PROBLEM_CORRUPT_INPUT,
                           "The sound is damaged: more than %d packets in a row hold none.",
                           MAX_PACKETS_IN_VAIN);
    }
    if (av_packet_get_side_data(packet, AV_PKT_DATA_ENCRYPTION_INFO, NULL) != NULL) {
        return failure_set(f, PROBLEM_ENCRYPTED_INPUT, "The sound is encrypted (DRM).");
    }
    return OK;
}

static bool is_promised(const struct tally *t, int64_t end_us)
{
    return end_us - t->promised_us <= t->promised_us / 100 * (100 - MIN_PERCENT) + SLACK_US;
}

/* The sound may have gaps, so it reaches as far as its last timestamp says. One that is later than
 * the promised end is of another clock: it would hide that the rest is missing. */
static void note_end(struct tally *t, int64_t start_us, int64_t length_us)
{
    /* Timestamps are the file's word: they may be anything. */
    start_us = start_us < MAX_TIME_US ? start_us : MAX_TIME_US;
    int64_t end_us = start_us + length_us;
    if (end_us > t->end_us && is_promised(t, end_us)) {
        t->end_us = end_us;
    }
}

void tally_good(struct tally *t, int samples, int sample_rate_hz, int64_t pts, AVRational time_base)
{
    t->errors_in_a_row = 0;
    t->packets_in_vain = 0;
    double length_us = (double)samples * 1e6 / sample_rate_hz + t->rest_us;
    t->sound_us += (int64_t)length_us;
    t->longest_us = (int64_t)length_us > t->longest_us ? (int64_t)length_us : t->longest_us;
    t->rest_us = length_us - (double)(int64_t)length_us;
    if (pts != AV_NOPTS_VALUE) {
        note_end(t, av_rescale_q(pts, time_base, AV_TIME_BASE_Q), (int64_t)length_us);
    }
}

enum err tally_bad(struct tally *t, struct failure *f)
{
    t->bad_packets++;
    t->errors_in_a_row++;
    if (t->errors_in_a_row > MAX_ERRORS_IN_A_ROW) {
        return failure_set(f, PROBLEM_CORRUPT_INPUT,
                           "The sound is damaged: more than %d packets in a row cannot be decoded.",
                           MAX_ERRORS_IN_A_ROW);
    }
    return OK;
}

enum err tally_check(const struct tally *t, struct failure *f)
{
    int64_t reached_us = t->sound_us > t->end_us ? t->sound_us : t->end_us;
    reached_us += t->empty_packets * t->longest_us;
    if (t->packets == 0 && t->promised_us == 0) {
        return failure_set(f, PROBLEM_NO_AUDIO, "The video's sound track is empty.");
    }
    if (t->sound_us == 0) {
        return failure_set(f, PROBLEM_CORRUPT_INPUT, "None of the sound could be decoded.");
    }
    if (reached_us + SLACK_US + t->longest_us < t->promised_us / 100 * MIN_PERCENT) {
        return failure_set(f, PROBLEM_CORRUPT_INPUT,
                           "The file is cut off: it has %.1f s of the %.1f s of sound that it "
                           "says it has.",
                           (double)reached_us / 1e6, (double)t->promised_us / 1e6);
    }
    if (t->bad_packets > t->packets / 100 * (100 - MIN_PERCENT) + 2) {
        return failure_set(f, PROBLEM_CORRUPT_INPUT,
                           "The sound is damaged: %lld of %lld packets cannot be decoded.",
                           (long long)t->bad_packets, (long long)t->packets);
    }
    return OK;
}
