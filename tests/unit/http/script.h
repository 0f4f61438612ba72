/* A server for one connection that says what it is told to. */
#ifndef TESTS_HTTP_SCRIPT_H
#define TESTS_HTTP_SCRIPT_H

#include <pthread.h>
#include <stdbool.h>

struct script {
    int listen_fd;
    int port;
    /* For HTTP the whole answer; for SMTP one answer for each line, the last ones repeated. */
    const char *const *answers;
    bool is_smtp;
    char heard[8192];
    pthread_t thread;
};

/* Listens on a free port; answers and is_smtp must be set. */
void script_start(struct script *s);
/* Waits until the connection has ended; `heard` is complete then. */
void script_end(struct script *s);

#endif
