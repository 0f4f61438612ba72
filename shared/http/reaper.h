/* Deadlines of connections: one thread that shuts down the sockets of clients that take too long.
 *
 * libmicrohttpd's own timeout is about inactivity only, so a client that sends a byte now and then
 * would hold its connection for ever. The reaper sleeps until the earliest deadline of all. When
 * the connections run short it does not wait for the deadlines: for each new one it gives up the
 * one that is the least loss, so that no number of slow clients keeps the others out.
 *
 * It never closes a descriptor: it calls shutdown(2), under the lock under which connections are
 * forgotten, so it never touches a descriptor that has been closed and used again. Thread-safe. */
#ifndef UNREEL_HTTP_REAPER_H
#define UNREEL_HTTP_REAPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct reaper;
struct watched;

struct reaper_options {
    int64_t header_ms; /* from the first phase, or the end of an idle one, to the end of the head */
    int64_t idle_ms;   /* between two requests */
    int64_t body_deadline_ms;
    int64_t body_min_bytes_per_s; /* averaged over each window */
    int64_t window_ms;
    size_t crowded; /* over so many connections one is given up for each new one; 0: never */
};

enum watch_phase {
    WATCH_HEADER, /* a new connection, or the head of a request is arriving */
    WATCH_BODY,
    WATCH_FREE, /* ours to work on: no deadline */
    WATCH_IDLE  /* between two requests */
};

enum err reaper_start(const struct reaper_options *options, struct reaper **ret_reaper,
                      struct error *e) MUST_CHECK;
/* Every connection must have been forgotten. NULL is fine. */
void reaper_stop(struct reaper *r);

/* Never NULL; in phase WATCH_HEADER. */
struct watched *reaper_watch(struct reaper *r, int fd);
/* To be called before the descriptor is closed. Frees w. */
void reaper_forget(struct watched *w);
void reaper_set_phase(struct watched *w, enum watch_phase phase);
/* A slice of the body begins and ends to be worked on: that time does not count against the client,
 * and the bytes count for it. Called by the connection's thread only. */
void reaper_slice_begins(struct watched *w);
void reaper_slice_ends(struct watched *w, size_t len);
/* Shuts down every connection. */
void reaper_shutdown_all(struct reaper *r);

#endif
