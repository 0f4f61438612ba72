/* What came of a stream's packets: whether it is what the container promised, or nearly. */
#ifndef UNREEL_CONVERTER_ENGINE_TALLY_H
#define UNREEL_CONVERTER_ENGINE_TALLY_H

#include <libavcodec/packet.h>
#include <stdint.h>

#include "core/mem.h"
#include "failure.h"

/* Begins as zeros, but for what is promised. */
struct tally {
    int64_t promised_us; /* 0: the container promises nothing */
    int64_t packets, bad_packets;
    int64_t empty_packets; /* AVI fills a gap with them, and its length counts them in */
    int errors_in_a_row;
    int packets_in_vain; /* since the last frame */
    int64_t sound_us;    /* sum of the frames' lengths */
    double rest_us;      /* of the division */
    int64_t end_us;      /* on the container's clock, within what it promises */
    int64_t longest_us;  /* of the frames */
};

/* The next packet. PROBLEM_CORRUPT_INPUT after too many that nothing came of, and for those that
 * are encrypted PROBLEM_ENCRYPTED_INPUT. */
enum err tally_packet(struct tally *t, const AVPacket *packet, struct failure *f) MUST_CHECK;
/* A frame of sound; pts: AV_NOPTS_VALUE when it has no time. */
void tally_good(struct tally *t, int samples, int sample_rate_hz, int64_t pts,
                AVRational time_base);
/* A packet, or a part of one, that no sound came of. PROBLEM_CORRUPT_INPUT after too many in a row.
 */
enum err tally_bad(struct tally *t, struct failure *f) MUST_CHECK;
/* At the end: whether that was all that was promised, or nearly (95 %). */
enum err tally_check(const struct tally *t, struct failure *f) MUST_CHECK;

#endif
