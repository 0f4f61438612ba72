/* One connection to RabbitMQ with our timeouts, heartbeats and error texts. Wraps rabbitmq-c.
 *
 * Used by one thread at a time. After any failure but ERR_TIMEOUT of rabbit_conn_next it is to be
 * dropped. */
#ifndef UNREEL_QUEUE_RABBIT_CONN_H
#define UNREEL_QUEUE_RABBIT_CONN_H

#include <amqp.h>
#include <amqp_framing.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "core/mem.h"
#include "queue/queue_impl.h"

/* What each channel of a connection is for. */
#define RABBIT_CHANNEL_MAIN 1     /* confirmed publishes, or deliveries */
#define RABBIT_CHANNEL_EVENTS 2   /* publishes that nobody waits for */
#define RABBIT_CHANNEL_TOPOLOGY 3 /* declarations; open for their time only */

struct rabbit_settings {
    bool is_tls;
    char *host;
    int port;
    char *user;
    char *password;
    char *vhost;
    char *prefix;
    char *ca_file;
    int heartbeat_s;
};

/* On OK the caller owns *ret_settings. */
enum err rabbit_settings_parse(const char *url, struct rabbit_settings **ret_settings,
                               struct error *e) MUST_CHECK;
void rabbit_settings_free(struct rabbit_settings *s);
DEFINE_AUTO(struct rabbit_settings *, rabbit_settings_free)

#define RABBIT_NAME_SIZE 200

struct rabbit_conn {
    amqp_connection_state_t state;
    const struct rabbit_settings *settings;
    uint64_t published; /* on the main channel since it confirms: the last delivery tag */
    bool is_blocked;    /* the broker takes no publishes: an alarm of memory or disk */
    /* Whether queue i was there already with other arguments than ours. */
    bool is_foreign[QUEUE_COUNT];
};

/* Connects, logs in and opens the main channel; `purpose` is shown in the broker's list of
 * connections. `settings` must outlive the connection. ERR_BUSY for whatever stands in the way. */
enum err rabbit_conn_open(const struct rabbit_settings *settings, const char *purpose,
                          struct rabbit_conn **ret_conn, struct error *e) MUST_CHECK;
/* Says good-bye, for 2 s at most. NULL is fine. */
void rabbit_conn_close(struct rabbit_conn *c);
/* Closes the socket at once: for a connection that has failed. NULL is fine. */
void rabbit_conn_drop(struct rabbit_conn *c);
DEFINE_AUTO(struct rabbit_conn *, rabbit_conn_drop)

/* Waits for the next frame, and serves heartbeats meanwhile. ERR_TIMEOUT: none came. A closed
 * connection or channel is ERR_BUSY with the broker's reason. The frame is valid until the next
 * call. */
enum err rabbit_conn_next(struct rabbit_conn *c, int64_t timeout_ms, amqp_frame_t *ret_frame,
                          struct error *e) MUST_CHECK;
/* Whether rabbit_conn_next has something to do without waiting for the socket. */
bool rabbit_conn_has_input(const struct rabbit_conn *c);
/* How long a thread may sleep between two calls of rabbit_conn_next. */
int64_t rabbit_conn_service_ms(const struct rabbit_settings *settings);

/* OK, or ERR_BUSY with a text for the result of a call. */
enum err rabbit_check_reply(amqp_rpc_reply_t reply, const char *what, struct error *e) MUST_CHECK;
/* The same for the last call that returned a pointer. */
enum err rabbit_check_last(struct rabbit_conn *c, const char *what, struct error *e) MUST_CHECK;
enum err rabbit_check_status(int status, const char *what, struct error *e) MUST_CHECK;
/* The code with which the broker closed the channel in this reply, such as 404; else 0. */
int rabbit_reply_code(amqp_rpc_reply_t reply);
enum err rabbit_conn_open_channel(struct rabbit_conn *c, amqp_channel_t channel,
                                  struct error *e) MUST_CHECK;

/* "PREFIX" + name + suffix into dst, and as bytes that point to it. */
amqp_bytes_t rabbit_name(char dst[RABBIT_NAME_SIZE], const struct rabbit_settings *s,
                         const char *name, const char *suffix);
amqp_bytes_t rabbit_exchange_name(char dst[RABBIT_NAME_SIZE], const struct rabbit_settings *s);
/* Borrowed memory as bytes that the library only reads. */
amqp_bytes_t rabbit_bytes(const void *data, size_t len);
/* A copy as text, cut to size-1 bytes. Returns dst. */
char *rabbit_bytes_text(char *dst, size_t size, amqp_bytes_t bytes);

/* rabbit_topology.c: declares our queues and the exchange, where they are missing. */
enum err rabbit_topology_declare(struct rabbit_conn *c, struct error *e) MUST_CHECK;
/* To be called after a queue was found deleted, and before it is declared again. */
void rabbit_topology_pause(void);
/* Messages that wait in a queue ("video", "" | ".dead"); declares it when it is missing. */
enum err rabbit_topology_count(struct rabbit_conn *c, size_t index, bool is_dead,
                               int64_t *ret_count, struct error *e) MUST_CHECK;

#endif
