/* The routes that the server's tests ask. */
#ifndef TESTS_HTTP_ROUTES_H
#define TESTS_HTTP_ROUTES_H

#include <stdatomic.h>

#include "http/server.h"

/* What the handlers saw. */
struct seen {
    atomic_llong bytes;       /* of streamed bodies */
    atomic_int handled;       /* requests that reached their handler */
    atomic_int done;          /* calls of done */
    atomic_int begun;         /* calls of begin */
    atomic_int aborted;       /* done without handle */
    atomic_int released;      /* streams released */
    atomic_int observed;      /* calls of observe */
    atomic_int last_status;   /* of observe */
    atomic_int slots_waiting; /* handlers in /wait */
    atomic_bool go;           /* lets /wait answer */
    atomic_bool was_alive;    /* what /wait saw when it ended */
};

/* Starts a server with all routes; `change` may alter the options first. */
struct http_server *routes_start(struct seen *to_see,
                                 void (*change)(struct http_server_options *options));

/* One such server, for test files that need no more: a setup and a teardown of cases. */
extern struct seen seen;
extern struct http_server *server; /* NULL once a case has stopped it */
extern int port;
int serve(void **state);
int serve_with(void (*change)(struct http_server_options *options));
int serve_no_more(void **state);
#define SERVED(name) cmocka_unit_test_setup_teardown(name, serve, serve_no_more)
#define SERVED_BY(name, begin) cmocka_unit_test_setup_teardown(name, begin, serve_no_more)

/* Waits up to 5 s until *value is `wanted`, else fails the test. */
void wait_until(atomic_int *value, int wanted);

#endif
