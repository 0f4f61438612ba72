#include "queue/rabbit_conn.h"

#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "core/text.h"
#include "core/banned.h"

#define CONNECT_TIMEOUT_S 5
#define RPC_TIMEOUT_S 10
#define CLOSE_TIMEOUT_S 2
#define SEND_TIMEOUT_MS 15000
#define CHANNELS_MAX 16
/* Larger than a body, its headers and its frames together: a body is never split, nor left corked
 * by rabbitmq-c 0.11, which flushes no body that ends with a full frame. */
#define FRAME_MAX 131072

amqp_bytes_t rabbit_bytes(const void *data, size_t len)
{
    /* The library's type has no const; it only reads what is sent. */
    const amqp_bytes_t bytes = { .len = len, .bytes = (void *)(uintptr_t)data };

    return bytes;
}

char *rabbit_bytes_text(char *dst, size_t size, amqp_bytes_t bytes)
{
    size_t len = bytes.len < size - 1 ? bytes.len : size - 1;

    if (len > 0) {
        memcpy(dst, bytes.bytes, len);
    }
    dst[len] = '\0';
    return dst;
}

enum err rabbit_check_status(int status, const char *what, struct error *e)
{
    if (status >= 0) {
        return OK;
    }
    return err_set(e, ERR_BUSY, "rabbitmq %s: %s", what, amqp_error_string2(status));
}

static enum err closed(amqp_method_t method, const char *what, struct error *e)
{
    char text[160];
    int code;

    if (method.id == AMQP_CONNECTION_CLOSE_METHOD) {
        const amqp_connection_close_t *close = method.decoded;

        code = close->reply_code;
        (void)rabbit_bytes_text(text, sizeof(text), close->reply_text);
    } else {
        const amqp_channel_close_t *close = method.decoded;

        code = close->reply_code;
        (void)rabbit_bytes_text(text, sizeof(text), close->reply_text);
    }
    return err_set(e, ERR_BUSY, "rabbitmq %s: %d %s", what, code, text);
}

static bool is_close(amqp_method_number_t id)
{
    return id == AMQP_CONNECTION_CLOSE_METHOD || id == AMQP_CHANNEL_CLOSE_METHOD;
}

enum err rabbit_check_reply(amqp_rpc_reply_t reply, const char *what, struct error *e)
{
    if (reply.reply_type == AMQP_RESPONSE_NORMAL) {
        return OK;
    }
    if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION && is_close(reply.reply.id)) {
        return closed(reply.reply, what, e);
    }
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION) {
        return rabbit_check_status(reply.library_error, what, e);
    }
    return err_set(e, ERR_BUSY, "rabbitmq %s: no answer", what);
}

enum err rabbit_check_last(struct rabbit_conn *c, const char *what, struct error *e)
{
    return rabbit_check_reply(amqp_get_rpc_reply(c->state), what, e);
}

int rabbit_reply_code(amqp_rpc_reply_t reply)
{
    if (reply.reply_type != AMQP_RESPONSE_SERVER_EXCEPTION ||
        reply.reply.id != AMQP_CHANNEL_CLOSE_METHOD) {
        return 0;
    }
    return ((const amqp_channel_close_t *)reply.reply.decoded)->reply_code;
}

static enum err open_socket(struct rabbit_conn *c, struct error *e)
{
    const struct rabbit_settings *s = c->settings;
    amqp_socket_t *socket = s->is_tls ? amqp_ssl_socket_new(c->state)
                                      : amqp_tcp_socket_new(c->state);
    struct timeval timeout = { .tv_sec = CONNECT_TIMEOUT_S };
    unsigned send_timeout_ms = SEND_TIMEOUT_MS;
    int status;

    if (socket == NULL) {
        return err_set(e, ERR_FAULT, "rabbitmq: no socket");
    }
    if (s->is_tls) {
        amqp_ssl_socket_set_verify_peer(socket, 1);
        amqp_ssl_socket_set_verify_hostname(socket, 1);
        (void)amqp_ssl_socket_set_ssl_versions(socket, AMQP_TLSv1_2, AMQP_TLSvLATEST);
        if (amqp_ssl_socket_set_cacert(socket, s->ca_file) != AMQP_STATUS_OK) {
            return err_set(e, ERR_BUSY, "rabbitmq: cannot read the CA file %s", s->ca_file);
        }
    }
    status = amqp_socket_open_noblock(socket, s->host, s->port, &timeout);
    if (status != AMQP_STATUS_OK) {
        return err_set(e, ERR_BUSY, "rabbitmq at %s:%d: %s", s->host, s->port,
                       amqp_error_string2(status));
    }
    /* The library waits for ever for room in the socket; this makes a broker that has stopped
     * reading a broken connection. */
    (void)setsockopt(amqp_get_sockfd(c->state), IPPROTO_TCP, TCP_USER_TIMEOUT, &send_timeout_ms,
                     sizeof(send_timeout_ms));
    return OK;
}

static amqp_table_entry_t capability(const char *name)
{
    amqp_table_entry_t entry = { .key = amqp_cstring_bytes(name) };

    entry.value.kind = AMQP_FIELD_KIND_BOOLEAN;
    entry.value.value.boolean = 1;
    return entry;
}

static enum err log_in(struct rabbit_conn *c, const char *purpose, struct error *e)
{
    const struct rabbit_settings *s = c->settings;
    /* Without consumer_cancel_notify nobody tells us that our queue was deleted. */
    amqp_table_entry_t capabilities[] = { capability("consumer_cancel_notify"),
                                          capability("connection.blocked") };
    amqp_table_entry_t properties[2];
    amqp_table_t table = { .num_entries = ARRAY_LEN(properties), .entries = properties };

    properties[0].key = amqp_cstring_bytes("capabilities");
    properties[0].value.kind = AMQP_FIELD_KIND_TABLE;
    properties[0].value.value.table.num_entries = ARRAY_LEN(capabilities);
    properties[0].value.value.table.entries = capabilities;
    properties[1].key = amqp_cstring_bytes("connection_name");
    properties[1].value.kind = AMQP_FIELD_KIND_UTF8;
    properties[1].value.value.bytes = amqp_cstring_bytes(purpose);
    return rabbit_check_reply(
        amqp_login_with_properties(c->state, s->vhost, CHANNELS_MAX, FRAME_MAX, s->heartbeat_s,
                                   &table, AMQP_SASL_METHOD_PLAIN, s->user, s->password),
        "login", e);
}

enum err rabbit_conn_open_channel(struct rabbit_conn *c, amqp_channel_t channel, struct error *e)
{
    (void)amqp_channel_open(c->state, channel);
    return rabbit_check_last(c, "channel", e);
}

enum err rabbit_conn_open(const struct rabbit_settings *settings, const char *purpose,
                          struct rabbit_conn **ret_conn, struct error *e)
{
    AUTO(rabbit_conn_drop) struct rabbit_conn *c = xcalloc(1, sizeof(*c));
    struct timeval handshake = { .tv_sec = CONNECT_TIMEOUT_S };
    struct timeval rpc = { .tv_sec = RPC_TIMEOUT_S };
    enum err err;

    c->settings = settings;
    c->state = amqp_new_connection();
    if (c->state == NULL) {
        return err_set(e, ERR_FAULT, "rabbitmq: no memory");
    }
    (void)amqp_set_handshake_timeout(c->state, &handshake);
    (void)amqp_set_rpc_timeout(c->state, &rpc);
    err = open_socket(c, e);
    if (err == OK) {
        err = log_in(c, purpose, e);
    }
    if (err == OK) {
        err = rabbit_conn_open_channel(c, RABBIT_CHANNEL_MAIN, e);
    }
    if (err != OK) {
        return err;
    }
    *ret_conn = TAKE(c);
    return OK;
}

void rabbit_conn_drop(struct rabbit_conn *c)
{
    if (c != NULL) {
        if (c->state != NULL) {
            (void)amqp_destroy_connection(c->state);
        }
        free(c);
    }
}

void rabbit_conn_close(struct rabbit_conn *c)
{
    if (c != NULL) {
        struct timeval timeout = { .tv_sec = CLOSE_TIMEOUT_S };

        (void)amqp_set_rpc_timeout(c->state, &timeout);
        (void)amqp_connection_close(c->state, AMQP_REPLY_SUCCESS);
        rabbit_conn_drop(c);
    }
}

enum err rabbit_conn_next(struct rabbit_conn *c, int64_t timeout_ms, amqp_frame_t *ret_frame,
                          struct error *e)
{
    struct timeval timeout = { .tv_sec = timeout_ms / 1000, .tv_usec = (timeout_ms % 1000) * 1000 };
    int status;

    amqp_maybe_release_buffers(c->state);
    status = amqp_simple_wait_frame_noblock(c->state, ret_frame, &timeout);
    if (status == AMQP_STATUS_TIMEOUT) {
        return err_set(e, ERR_TIMEOUT, "rabbitmq: nothing came");
    }
    if (status != AMQP_STATUS_OK) {
        return rabbit_check_status(status, "connection", e);
    }
    if (ret_frame->frame_type == AMQP_FRAME_METHOD) {
        amqp_method_number_t id = ret_frame->payload.method.id;

        if (is_close(id)) {
            return closed(ret_frame->payload.method, "closed", e);
        }
        c->is_blocked = id == AMQP_CONNECTION_BLOCKED_METHOD ||
                        (c->is_blocked && id != AMQP_CONNECTION_UNBLOCKED_METHOD);
    }
    return OK;
}

bool rabbit_conn_has_input(const struct rabbit_conn *c)
{
    return amqp_frames_enqueued(c->state) != 0 || amqp_data_in_buffer(c->state) != 0;
}

int64_t rabbit_conn_service_ms(const struct rabbit_settings *settings)
{
    int64_t quarter_ms = (int64_t)settings->heartbeat_s * 250;

    return quarter_ms < 1000 ? quarter_ms : 1000;
}
