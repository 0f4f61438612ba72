/* Slow clients, many clients, and the end of a server. */
#include "fixture.h"
#include "routes.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/attr.h"
#include "core/clock.h"

/* ---- slow clients ---- */

static void be_impatient(struct http_server_options *options)
{
    options->header_deadline_ms = 300;
    options->idle_timeout_ms = 1000;
    options->body_deadline_ms = 600;
}

static int start_impatient(void **state)
{
    (void)state;
    return serve_with(be_impatient);
}

/* Sends a byte now and then until the connection ends; returns after how long that was. */
static int64_t drip(int fd, const char *text, int every_ms)
{
    int64_t begun = now_ms();
    while (now_ms() - begun < 5000) {
        if (send(fd, text, 1, MSG_NOSIGNAL) != 1 || fixture_is_closed(fd, every_ms)) {
            break;
        }
        text += text[1] != '\0' ? 1 : 0;
    }
    return now_ms() - begun;
}

static void a_slow_head_is_cut_off(void **state)
{
    (void)state;
    int fd = fixture_connect(port);
    int64_t took = drip(fd, "GET /hello HTTP/1.1\r\nHost: a\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                        20);
    assert_in_range(took, 250, 1500);
    close(fd);
    /* And one that sends nothing. */
    fd = fixture_connect(port);
    int64_t begun = now_ms();
    assert_true(fixture_is_closed(fd, 5000));
    assert_in_range(now_ms() - begun, 250, 1500);
    close(fd);
}

static void a_slow_second_head_is_cut_off(void **state)
{
    (void)state;
    int fd = fixture_connect(port);
    fixture_send_text(fd, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    struct answer a = fixture_read(fd, false);
    assert_int_equal(a.status, 200);
    answer_release(&a);
    clock_sleep_ms(400); /* idle for longer than a head may take: fine */
    fixture_send_text(fd, "GET /hello HTTP/1.1\r\n");
    int64_t took = drip(fd, "X: aaaaaaaaaaaaaaaaaaaaaaaaaaaa", 20);
    assert_in_range(took, 250, 1500);
    close(fd);
}

static void a_slow_body_is_cut_off(void **state)
{
    (void)state;
    int fd = fixture_connect(port);
    fixture_send_text(fd, "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
    int64_t took = drip(fd, "a", 20);
    assert_in_range(took, 500, 2000);
    close(fd);
    wait_until(&seen.done, 1);
    assert_int_equal(seen.handled, 0);
}

static void a_slow_handler_is_not(void **state)
{
    (void)state;
    int fd = fixture_connect(port);
    fixture_send_text(fd, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    clock_sleep_ms(2200);
    seen.go = true;
    struct answer a = fixture_read(fd, false);
    assert_int_equal(a.status, 200);
    assert_true(seen.was_alive);
    answer_release(&a);
    close(fd);
}

static void be_impatient_when_idle(struct http_server_options *options)
{
    options->idle_timeout_ms = 1000;
}

static int start_impatient_when_idle(void **state)
{
    (void)state;
    return serve_with(be_impatient_when_idle);
}

/* libmicrohttpd looks at its timeout right after a callback: the time that we took ourselves must
 * not count as the client's silence. */
static void our_slowness_is_not_the_clients(void **state)
{
    (void)state;
    struct answer a = fixture_ask(
        port, "POST /upload?sleep=2300 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    assert_int_equal(a.status, 201);
    answer_release(&a);
    a = fixture_ask(port, "GET /stream?sleep=2300 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body_len, 3000000);
    answer_release(&a);
}

static void an_idle_connection_is_closed(void **state)
{
    (void)state;
    int fd = fixture_connect(port);
    fixture_send_text(fd, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    struct answer a = fixture_read(fd, false);
    answer_release(&a);
    int64_t begun = now_ms();
    assert_true(fixture_is_closed(fd, 5000));
    assert_in_range(now_ms() - begun, 900, 3500);
    close(fd);
}

/* ---- many clients ---- */

static void allow_two_per_address(struct http_server_options *options)
{
    options->max_connections_per_ip = 2;
}

static int start_few(void **state)
{
    (void)state;
    return serve_with(allow_two_per_address);
}

static void connections_of_an_address_are_limited(void **state)
{
    (void)state;
    int fds[3];
    int closed = 0;
    for (int i = 0; i < 3; i++) {
        fds[i] = fixture_connect(port);
        clock_sleep_ms(50);
    }
    for (int i = 0; i < 3; i++) {
        closed += fixture_is_closed(fds[i], 100) ? 1 : 0;
        close(fds[i]);
    }
    assert_int_equal(closed, 1);
}

static void use_one_thread(struct http_server_options *options)
{
    options->single_thread = true;
    options->header_deadline_ms = 500;
}

static int start_single(void **state)
{
    (void)state;
    return serve_with(use_one_thread);
}

static void one_thread_serves_many(void **state)
{
    (void)state;
    int fds[50];
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = fixture_connect(port); /* slow ones, which must not be in the way */
    }
    for (int i = 0; i < 50; i++) {
        struct answer a = fixture_ask(port, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_int_equal(a.status, 200);
        answer_release(&a);
        a = fixture_ask(port, "POST /json HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\nxyz");
        assert_int_equal(a.status, 413);
        answer_release(&a);
    }
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        assert_true(fixture_is_closed(fds[i], 2000));
        close(fds[i]);
    }
}

/* ---- the end ---- */

static void draining_finishes_what_was_begun(void **state)
{
    (void)state;
    int idle = fixture_connect(port);
    fixture_send_text(idle, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    struct answer a = fixture_read(idle, false);
    answer_release(&a);
    int busy = fixture_connect(port);
    fixture_send_text(busy, "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    wait_until(&seen.begun, 1);
    assert_int_equal(http_server_in_flight(server), 1);
    http_server_drain(server);
    http_server_drain(server);
    assert_false(fixture_can_connect(port));
    /* Known ones are answered and sent away. */
    fixture_send_text(idle, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    a = fixture_read(idle, false);
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_header(&a, "Connection"), "close");
    answer_release(&a);
    fixture_send_text(busy, "cde");
    a = fixture_read(busy, false);
    assert_int_equal(a.status, 201);
    assert_string_equal(answer_header(&a, "Connection"), "close");
    answer_release(&a);
    close(idle);
    close(busy);
}

/* The kernel takes connections before the server does. */
static void draining_answers_who_is_connected(void **state)
{
    (void)state;
    int fds[20];
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = fixture_connect(port);
        fixture_send_text(fds[i], "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    http_server_drain(server);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        struct answer a = fixture_read(fds[i], false);
        assert_int_equal(a.status, 200);
        answer_release(&a);
        close(fds[i]);
    }
}

/* Drains and stops as a service does: as soon as nothing is in hand. */
static void drain_and_stop(void)
{
    int64_t end_ms = now_ms() + 5000;
    http_server_drain(server);
    assert_true(http_server_in_flight(server) > 0);
    while (http_server_in_flight(server) > 0 && now_ms() < end_ms) {
        clock_sleep_ms(1);
    }
    http_server_stop(server, 0);
    server = NULL;
}

/* Between the kernel's accepting and the server's counting nothing is seen of a connection. */
static void draining_counts_who_was_connected_just_now(void **state)
{
    for (int round = 0; round < 10; round++) {
        int fd = fixture_connect(port);
        fixture_send_text(fd, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
        drain_and_stop();
        struct answer a = fixture_read(fd, false);
        assert_int_equal(a.status, 200);
        answer_release(&a);
        close(fd);
        assert_int_equal(serve(state), 0);
    }
}

/* A port that somebody never stops to call. */
int __real_accept4(int fd, struct sockaddr *from, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *from, socklen_t *len, int flags);
static int calls_left;

int __wrap_accept4(int fd, struct sockaddr *from, socklen_t *len, int flags)
{
    if (calls_left == 0) {
        return __real_accept4(fd, from, len, flags);
    }
    calls_left--;
    errno = ECONNABORTED;
    return -1;
}

static void draining_ends_while_others_go_on_to_connect(void **state)
{
    (void)state;
    calls_left = 5000;
    http_server_drain(server);
    assert_int_equal(calls_left, 5000 - 1024); /* the length of the kernel's queue */
    calls_left = 0;
}

static void draining_waits_a_moment_for_a_request(void **state)
{
    (void)state;
    int fd = fixture_connect(port);
    http_server_drain(server);
    clock_sleep_ms(50);
    assert_int_equal(http_server_in_flight(server), 1);
    fixture_send_text(fd, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    struct answer a = fixture_read(fd, false);
    assert_int_equal(a.status, 200);
    answer_release(&a);
    int64_t end_ms = clock_mono_ms() + 5000;
    while (http_server_in_flight(server) > 0 && clock_mono_ms() < end_ms) {
        clock_sleep_ms(5);
    }
    assert_int_equal(http_server_in_flight(server), 0);
    close(fd);
}

static void handlers_that_wait_hear_of_the_drain(void **state)
{
    (void)state;
    int fd = fixture_connect(port);
    fixture_send_text(fd, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until(&seen.slots_waiting, 1);
    http_server_drain(server);
    struct answer a = fixture_read(fd, false);
    assert_int_equal(a.status, 200);
    answer_release(&a);
    close(fd);
}

static void handlers_that_wait_hear_of_a_client_that_left(void **state)
{
    (void)state;
    int fd = fixture_connect(port);
    fixture_send_text(fd, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until(&seen.slots_waiting, 1);
    close(fd);
    wait_until(&seen.observed, 1);
    assert_false(seen.was_alive);
}

static void *let_go_later(void *arg)
{
    (void)arg;
    clock_sleep_ms(300);
    seen.go = true;
    return NULL;
}

static void stopping_waits_for_requests_in_hand(void **state)
{
    (void)state;
    int fd = fixture_connect(port);
    fixture_send_text(fd, "GET /stubborn HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until(&seen.slots_waiting, 1);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, let_go_later, NULL), 0);
    int64_t begun = now_ms();
    http_server_stop(server, 5000);
    server = NULL;
    assert_in_range(now_ms() - begun, 250, 3000);
    struct answer a = fixture_read(fd, false);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "stubborn");
    answer_release(&a);
    close(fd);
    pthread_join(thread, NULL);
}

static void stopping_breaks_off_what_takes_too_long(void **state)
{
    (void)state;
    int sending = fixture_connect(port);
    fixture_send_text(sending, "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    int silent = fixture_connect(port);
    wait_until(&seen.begun, 1);
    int64_t begun = now_ms();
    http_server_stop(server, 200);
    server = NULL;
    assert_in_range(now_ms() - begun, 150, 3000);
    assert_int_equal(seen.done, 1);
    assert_int_equal(seen.aborted, 1);
    close(sending);
    close(silent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED_BY(a_slow_head_is_cut_off, start_impatient),
        SERVED_BY(a_slow_second_head_is_cut_off, start_impatient),
        SERVED_BY(a_slow_body_is_cut_off, start_impatient),
        SERVED_BY(a_slow_handler_is_not, start_impatient),
        SERVED_BY(our_slowness_is_not_the_clients, start_impatient_when_idle),
        SERVED_BY(an_idle_connection_is_closed, start_impatient_when_idle),
        SERVED_BY(connections_of_an_address_are_limited, start_few),
        SERVED_BY(one_thread_serves_many, start_single),
        SERVED(draining_finishes_what_was_begun),
        SERVED(draining_answers_who_is_connected),
        SERVED(draining_counts_who_was_connected_just_now),
        SERVED(draining_ends_while_others_go_on_to_connect),
        SERVED(draining_waits_a_moment_for_a_request),
        SERVED(handlers_that_wait_hear_of_the_drain),
        SERVED(handlers_that_wait_hear_of_a_client_that_left),
        SERVED(stopping_waits_for_requests_in_hand),
        SERVED(stopping_breaks_off_what_takes_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
