/* The outbox: one thread that turns records into messages, so that a broker that is down delays
 * jobs and fails no upload.
 *
 * New jobs are published at once; what was missed (a crash, a broker that was down) is found by
 * scanning the store. Several gateways may run theirs at the same time: publishing twice is
 * harmless. */
#ifndef UNREEL_GATEWAY_RELAY_H
#define UNREEL_GATEWAY_RELAY_H

#include "gateway.h"

struct relay;

enum err relay_start(struct gateway *g, struct relay **ret_relay, struct error *e) MUST_CHECK;
/* Tells the broker about a job soon: a queued one on "video", one that has ended on "mp3". Never
 * blocks: when its list is full, the scan finds the job. Thread-safe. */
void relay_publish(struct relay *relay, const struct job *job);
/* Ends the thread after the message in hand. NULL is fine. */
void relay_stop(struct relay *relay);

#endif
