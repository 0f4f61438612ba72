#include "queue/rabbit_incoming.h"

#include <string.h>

#include "core/banned.h"

const amqp_field_value_t *rabbit_table_find(const amqp_table_t *table, const char *key)
{
    size_t len = strlen(key);

    for (int i = 0; i < table->num_entries; i++) {
        const amqp_table_entry_t *entry = &table->entries[i];

        if (entry->key.len == len && memcmp(entry->key.bytes, key, len) == 0) {
            return &entry->value;
        }
    }
    return NULL;
}

void rabbit_read_traceparent(const amqp_basic_properties_t *properties,
                             char ret_traceparent[TRACEPARENT_SIZE])
{
    const amqp_field_value_t *value = NULL;

    ret_traceparent[0] = '\0';
    if ((properties->_flags & AMQP_BASIC_HEADERS_FLAG) != 0) {
        value = rabbit_table_find(&properties->headers, "traceparent");
    }
    if (value != NULL &&
        (value->kind == AMQP_FIELD_KIND_UTF8 || value->kind == AMQP_FIELD_KIND_BYTES) &&
        value->value.bytes.len < TRACEPARENT_SIZE) {
        (void)rabbit_bytes_text(ret_traceparent, TRACEPARENT_SIZE, value->value.bytes);
    }
}

void rabbit_incoming_reset(struct rabbit_incoming *in)
{
    free(in->body);
    memset(in, 0, sizeof(*in));
}

static void feed_method(struct rabbit_incoming *in, const amqp_method_t *method)
{
    if (method->id == AMQP_BASIC_DELIVER_METHOD) {
        const amqp_basic_deliver_t *deliver = method->decoded;

        rabbit_incoming_reset(in);
        in->method = method->id;
        in->delivery_tag = deliver->delivery_tag;
        in->is_redelivered = deliver->redelivered != 0;
        (void)rabbit_bytes_text(in->routing_key, sizeof(in->routing_key), deliver->routing_key);
    } else if (method->id == AMQP_BASIC_RETURN_METHOD) {
        rabbit_incoming_reset(in);
        in->method = method->id;
    }
}

static void feed_header(struct rabbit_incoming *in, const amqp_frame_t *frame)
{
    uint64_t size = frame->payload.properties.body_size;

    const amqp_basic_properties_t *properties = frame->payload.properties.decoded;

    rabbit_read_traceparent(properties, in->traceparent);
    if ((properties->_flags & AMQP_BASIC_MESSAGE_ID_FLAG) != 0) {
        (void)rabbit_bytes_text(in->id, sizeof(in->id), properties->message_id);
    }
    in->left = size;
    in->body = xcalloc(1, (size < QUEUE_BODY_MAX ? (size_t)size : QUEUE_BODY_MAX) + 1);
    in->has_header = true;
}

static void feed_body(struct rabbit_incoming *in, amqp_bytes_t fragment)
{
    size_t len = fragment.len < in->left ? fragment.len : (size_t)in->left;
    size_t room = QUEUE_BODY_MAX - in->body_len;
    size_t kept = len < room ? len : room;

    if (kept > 0) {
        memcpy(in->body + in->body_len, fragment.bytes, kept);
    }
    in->body_len += kept;
    in->left -= len;
}

bool rabbit_incoming_feed(struct rabbit_incoming *in, const amqp_frame_t *frame)
{
    if (frame->frame_type == AMQP_FRAME_METHOD) {
        feed_method(in, &frame->payload.method);
        return false;
    }
    if (in->method == 0) {
        return false;
    }
    if (frame->frame_type == AMQP_FRAME_HEADER) {
        feed_header(in, frame);
    } else if (frame->frame_type == AMQP_FRAME_BODY && in->has_header) {
        feed_body(in, frame->payload.body_fragment);
    }
    return in->has_header && in->left == 0;
}
