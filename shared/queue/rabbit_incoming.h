/* Puts the frames of a delivered or returned message together: method, header, body... */
#ifndef UNREEL_QUEUE_RABBIT_INCOMING_H
#define UNREEL_QUEUE_RABBIT_INCOMING_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/rabbit_conn.h"

/* Zeroed at first. A body over QUEUE_BODY_MAX is cut there: what foreigners send must not fill our
 * memory, and what is broken is its consumer's to judge. */
struct rabbit_incoming {
    amqp_method_number_t method; /* AMQP_BASIC_DELIVER_METHOD, ..._RETURN_METHOD; 0: none yet */
    uint64_t delivery_tag;
    bool is_redelivered;
    char routing_key[QUEUE_NAME_MAX];
    char traceparent[TRACEPARENT_SIZE];
    char id[QUEUE_ID_SIZE];
    char *body; /* NUL-terminated once it is complete */
    size_t body_len;
    uint64_t left; /* bytes of the body that are still to come */
    bool has_header;
};

/* Feeds the next frame of a connection. True when it completes a message: take what is needed,
 * then reset. Frames that belong to no message are ignored. */
bool rabbit_incoming_feed(struct rabbit_incoming *in, const amqp_frame_t *frame);
void rabbit_incoming_reset(struct rabbit_incoming *in);

/* The traceparent header of a message, "" when there is no fitting one. */
void rabbit_read_traceparent(const amqp_basic_properties_t *properties,
                             char ret_traceparent[TRACEPARENT_SIZE]);
/* The value of a header, or NULL. */
const amqp_field_value_t *rabbit_table_find(const amqp_table_t *table, const char *key);

#endif
