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
struct http_server *routes_start(struct seen *seen,
                                 void (*change)(struct http_server_options *options));

/* Waits up to 5 s until *value is `wanted`, else fails the test. */
void wait_until(atomic_int *value, int wanted);

#endif
