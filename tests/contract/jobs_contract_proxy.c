/* A write whose answer is lost on the network may have been made all the same. A small proxy before
 * the server swallows the answer to one command. */
#include "jobs_contract.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/url.h"

#define CONNECTIONS_MAX 64

static int server_port;
static int listener = -1;
/* The command whose next answer is swallowed: "update" or "insert" with its NUL; "" for none. */
static _Atomic(const char *) victim;
static atomic_int swallowed;

static struct sockaddr_in loopback(int port)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    at.sin_port = htons((uint16_t)port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return at;
}

static bool send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        data += sent;
        len -= (size_t)sent;
    }
    return true;
}

/* Passes on what `from` says. False: this connection is over. */
static bool pass(int from, int to, bool is_client, bool *is_hit)
{
    char data[65536];
    ssize_t len = recv(from, data, sizeof(data), 0);
    if (len <= 0 || (!is_client && *is_hit)) {
        return false;
    }
    const char *command = atomic_load(&victim);
    if (is_client && command[0] != '\0' &&
        memmem(data, (size_t)len, command, strlen(command) + 1) != NULL) {
        atomic_store(&victim, "");
        *is_hit = true;
        atomic_fetch_add(&swallowed, 1);
    }
    return send_all(to, data, (size_t)len);
}

static void *serve(void *arg)
{
    int client = (int)(intptr_t)arg;
    int server = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = loopback(server_port);
    bool is_open = connect(server, (struct sockaddr *)&at, sizeof(at)) == 0;
    bool is_hit = false;
    while (is_open) {
        struct pollfd fds[2] = { { client, POLLIN, 0 }, { server, POLLIN, 0 } };
        if (poll(fds, 2, -1) <= 0) {
            break;
        }
        if (fds[0].revents != 0) {
            is_open = pass(client, server, true, &is_hit);
        }
        if (is_open && fds[1].revents != 0) {
            is_open = pass(server, client, false, &is_hit);
        }
    }
    (void)close(server);
    (void)close(client);
    return NULL;
}

static void *accept_all(void *arg)
{
    (void)arg;
    pthread_t threads[CONNECTIONS_MAX];
    size_t count = 0;
    int client = accept(listener, NULL, NULL);
    while (client >= 0 && count < CONNECTIONS_MAX) {
        if (pthread_create(&threads[count], NULL, serve, (void *)(intptr_t)client) == 0) {
            count++;
        }
        client = accept(listener, NULL, NULL);
    }
    for (size_t i = 0; i < count; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    return NULL;
}

static int start_proxy(void)
{
    struct sockaddr_in at = loopback(0);
    socklen_t len = sizeof(at);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(listener >= 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(listener, 16), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    return ntohs(at.sin_port);
}

static void use_through_proxy(struct jobs *s)
{
    struct job j;
    struct job warm;
    job_init(&warm, OWNER);
    assert_ok(jobs_create(s, &warm, NULL));
    job_init(&j, OWNER);
    atomic_store(&victim, "insert");
    assert_ok(jobs_create(s, &j, NULL));
    assert_int_equal(atomic_load(&swallowed), 1);

    atomic_store(&victim, "update");
    assert_ok(jobs_claim(s, j.id, LEASE_MS, "", false, &j, NULL));
    assert_int_equal(atomic_load(&swallowed), 2);
    assert_int_equal(j.attempt, 1);
    assert_int_equal(j.rev, 2);

    j.state = JOB_SUCCEEDED;
    id_new(j.mp3_fid);
    atomic_store(&victim, "update");
    assert_ok(jobs_finish(s, &j, NULL));
    assert_int_equal(atomic_load(&swallowed), 3);
    assert_int_equal(j.rev, 3);
    assert_string_equal(reload(&j).mp3_fid, j.mp3_fid);
    assert_int_equal(reload(&j).rev, 3);
}

static void test_a_lost_answer_is_settled(void **state)
{
    (void)state;
    struct url *u = NULL;
    if (url_parse(store_url, &u, NULL) != OK) {
        skip(); /* several hosts */
    }
    char url[512];
    server_port = u->port != 0 ? u->port : 27017;
    atomic_store(&victim, "");
    (void)snprintf(url, sizeof(url), "mongodb://127.0.0.1:%d/?%s", start_proxy(), u->query);
    bool is_local = strcmp(u->host, "127.0.0.1") == 0 && u->user == NULL;
    url_free(u);
    if (!is_local) {
        (void)close(listener);
        skip();
    }
    pthread_t acceptor;
    struct jobs *s = NULL;
    assert_int_equal(pthread_create(&acceptor, NULL, accept_all, NULL), 0);
    assert_ok(jobs_open(url, 2, &s, NULL));
    use_through_proxy(s);
    jobs_close(s);
    (void)shutdown(listener, SHUT_RDWR);
    (void)pthread_join(acceptor, NULL);
    (void)close(listener);
}

const struct CMUnitTest proxy_cases[] = { CASE(test_a_lost_answer_is_settled) };
const size_t proxy_case_count = ARRAY_LEN(proxy_cases);
