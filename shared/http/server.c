/* The server's start and end; its callbacks are in connection.c. */
#include "http/server.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "http/server_impl.h"

#include "core/banned.h"

#define LISTEN_BACKLOG 1024
#define THREAD_STACK_BYTES ((size_t)512 * 1024)
#define RATE_WINDOW_MS 30000
/* libmicrohttpd closes what comes over its limit at once, which the client sees as a reset. So that
 * is so many times ours: room for those that arrive until the ones that were given up are gone. */
#define HARD_LIMIT_FACTOR 2
/* How long a drain waits for requests on connections that are open. */
#define SETTLE_MS 250
/* Until then there may be connections that were accepted and are not counted yet: those that
 * accept_waiting handed over, and one that the polling thread has just taken. */
#define HANDOVER_MS 100

static void fill_defaults(struct http_server_options *o)
{
    o->max_connections = o->max_connections > 0 ? o->max_connections : 256;
    o->header_deadline_ms = o->header_deadline_ms > 0 ? o->header_deadline_ms : 10000;
    o->idle_timeout_ms = o->idle_timeout_ms > 0 ? o->idle_timeout_ms : 30000;
    o->body_min_bytes_per_s = o->body_min_bytes_per_s > 0 ? o->body_min_bytes_per_s : 8192;
    o->body_deadline_ms = o->body_deadline_ms > 0 ? o->body_deadline_ms
                                                  : INT64_C(6) * 60 * 60 * 1000;
    o->memory_per_connection = o->memory_per_connection > 0 ? o->memory_per_connection
                                                            : (size_t)32 * 1024;
}

static enum err listen_on(const struct addrinfo *a, int *ret_fd, struct error *e)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return err_set_errno(e, ERR_FAULT, errno, "make a socket");
    }
    int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (a->ai_family == AF_INET6) {
        int off = 0; /* "::" means every address, IPv4 too */
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    }
    if (bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, LISTEN_BACKLOG) != 0) {
        int errnum = errno;
        (void)close(fd);
        return err_set_errno(e, ERR_FAULT, errnum, "listen");
    }
    *ret_fd = fd;
    return OK;
}

static enum err open_listener(const char *address, int port, int *ret_fd, struct error *e)
{
    char service[16];
    (void)snprintf(service, sizeof(service), "%d", port);
    const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                                    .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    int failed = getaddrinfo(address, service, &hints, &found);
    if (failed != 0) {
        return err_set(e, ERR_INVALID, "address %s: %s", address != NULL ? address : "(none)",
                       gai_strerror(failed));
    }
    struct error why = { .code = OK, .text = "" };
    enum err err = listen_on(found, ret_fd, &why);
    freeaddrinfo(found);
    if (err != OK) {
        return err_set(e, err, "%s port %d: %s", address != NULL ? address : "(any)", port,
                       why.text);
    }
    return OK;
}

static int bound_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a = { .v6 = { .sin6_family = AF_UNSPEC } };

    socklen_t len = sizeof(a);
    if (getsockname(fd, &a.any, &len) != 0) {
        return 0;
    }
    return ntohs(a.any.sa_family == AF_INET6 ? a.v6.sin6_port : a.v4.sin_port);
}

static enum err start_daemon(struct http_server *s, struct error *e)
{
    const struct http_server_options *o = &s->options;
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ITC | MHD_USE_AUTO |
                     (o->single_thread ? 0 : (unsigned)MHD_USE_THREAD_PER_CONNECTION);
    s->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, connection_on_request, s,                                /* */
        MHD_OPTION_LISTEN_SOCKET, s->listen_fd,                                        /* */
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)o->max_connections * HARD_LIMIT_FACTOR, /* */
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)o->max_connections_per_ip,       /* */
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, o->memory_per_connection,                  /* */
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)((o->idle_timeout_ms + 999) / 1000),  /* */
        MHD_OPTION_THREAD_STACK_SIZE, THREAD_STACK_BYTES,                              /* */
        MHD_OPTION_STRICT_FOR_CLIENT, 1,                                               /* */
        MHD_OPTION_URI_LOG_CALLBACK, connection_on_target, s,                          /* */
        MHD_OPTION_NOTIFY_CONNECTION, connection_on_notify, s,                         /* */
        MHD_OPTION_NOTIFY_COMPLETED, connection_on_completed, s,                       /* */
        MHD_OPTION_END);
    return s->daemon != NULL ? OK : err_set(e, ERR_FAULT, "the HTTP server did not start");
}

static void init_locks(struct http_server *s)
{
    (void)pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&s->idle, &attr);
    (void)pthread_condattr_destroy(&attr);
}

static void free_server(struct http_server *s)
{
    reaper_stop(s->reaper);
    if (s->listen_fd >= 0) {
        (void)close(s->listen_fd);
    }
    (void)pthread_cond_destroy(&s->idle);
    (void)pthread_mutex_destroy(&s->lock);
    free(s->routes);
    free(s);
}

static enum err start_parts(struct http_server *s, struct error *e)
{
    const struct http_server_options *o = &s->options;
    const struct reaper_options deadlines = {
        .header_ms = o->header_deadline_ms,
        .idle_ms = o->idle_timeout_ms,
        .body_deadline_ms = o->body_deadline_ms,
        .body_min_bytes_per_s = o->body_min_bytes_per_s,
        .window_ms = RATE_WINDOW_MS,
        .crowded = (size_t)o->max_connections,
    };
    enum err err = open_listener(o->bind_address, o->port, &s->listen_fd, e);
    if (err == OK) {
        s->port = bound_port(s->listen_fd);
        err = reaper_start(&deadlines, &s->reaper, e);
    }
    return err == OK ? start_daemon(s, e) : err;
}

enum err http_server_start(const struct http_server_options *options,
                           struct http_server **ret_server, struct error *e)
{
    struct http_server *s = xcalloc(1, sizeof(*s));
    s->options = *options;
    s->listen_fd = -1;
    fill_defaults(&s->options);
    s->routes = xcalloc(options->route_count + 1, sizeof(*s->routes));
    for (size_t i = 0; i < options->route_count; i++) {
        s->routes[i] = options->routes[i];
    }
    s->options.routes = s->routes;
    init_locks(s);
    enum err err = start_parts(s, e);
    if (err != OK) {
        free_server(s);
        return err;
    }
    *ret_server = s;
    return OK;
}

int http_server_port(const struct http_server *s)
{
    return s->port;
}

/* Takes those whom the kernel has connected already, and would reset: no more than its queue holds,
 * for others may go on to connect. */
static void accept_waiting(struct http_server *s)
{
    union {
        struct sockaddr any;
        struct sockaddr_storage all;
    } from;

    for (int i = 0; i < LISTEN_BACKLOG; i++) {
        socklen_t len = sizeof(from);
        int fd = accept4(s->listen_fd, &from.any, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && errno != ECONNABORTED && errno != EINTR) {
            return;
        }
        if (fd >= 0) {
            (void)MHD_add_connection(s->daemon, fd, &from.any, len); /* closes it when it fails */
        }
    }
}

void http_server_drain(struct http_server *s)
{
    if (atomic_exchange(&s->is_draining, true)) {
        return;
    }
    atomic_store(&s->drained_at_ms, clock_mono_ms());
    /* The descriptor stays open until the polling thread, which may be about to accept from it, is
     * gone; shutting it down is what refuses new connections. */
    (void)MHD_quiesce_daemon(s->daemon);
    accept_waiting(s);
    (void)shutdown(s->listen_fd, SHUT_RDWR);
}

static unsigned in_flight_now(struct http_server *s)
{
    (void)pthread_mutex_lock(&s->lock);
    unsigned n = s->in_flight;
    (void)pthread_mutex_unlock(&s->lock);
    return n;
}

unsigned http_server_in_flight(const struct http_server *s)
{
    /* The lock is no part of what callers see. */
    unsigned n = in_flight_now((struct http_server *)(uintptr_t)s);
    int64_t drained_ms = clock_mono_ms() - atomic_load(&s->drained_at_ms);
    if (n > 0 || !atomic_load(&s->is_draining) || drained_ms >= SETTLE_MS) {
        return n;
    }
    n = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections;
    return n == 0 && drained_ms < HANDOVER_MS ? 1 : n;
}

static void wait_for_requests(struct http_server *s, int64_t timeout_ms)
{
    struct timespec end;
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += (time_t)(timeout_ms / 1000);
    end.tv_nsec += (long)(timeout_ms % 1000) * 1000000L;
    if (end.tv_nsec >= 1000000000L) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000L;
    }
    (void)pthread_mutex_lock(&s->lock);
    int waited = 0;
    while (s->in_flight > 0 && waited == 0) {
        waited = pthread_cond_timedwait(&s->idle, &s->lock, &end);
    }
    (void)pthread_mutex_unlock(&s->lock);
}

void http_server_stop(struct http_server *s, int64_t timeout_ms)
{
    if (s == NULL) {
        return;
    }
    http_server_drain(s);
    wait_for_requests(s, timeout_ms);
    atomic_store(&s->is_stopping, true);
    reaper_shutdown_all(s->reaper);
    MHD_stop_daemon(s->daemon);
    free_server(s);
}
