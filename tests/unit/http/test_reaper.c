#include "fixture.h"

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "http/reaper.h"

struct pair {
    struct reaper *reaper;
    struct watched *watched;
    int ours, theirs;
};

static struct pair begin(int64_t min_bytes_per_s)
{
    const struct reaper_options options = { .header_ms = 200,
                                            .idle_ms = 400,
                                            .body_deadline_ms = 1000,
                                            .body_min_bytes_per_s = min_bytes_per_s,
                                            .window_ms = 100 };
    struct pair p = { .reaper = NULL };
    int fds[2];
    assert_int_equal(reaper_start(&options, &p.reaper, NULL), OK);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    p.ours = fds[0];
    p.theirs = fds[1];
    p.watched = reaper_watch(p.reaper, p.ours);
    return p;
}

static void end(struct pair *p)
{
    reaper_forget(p->watched);
    reaper_stop(p->reaper);
    close(p->ours);
    close(p->theirs);
}

/* How long it takes until the connection is shut down; -1: longer than max_ms. */
static int64_t reaped_after(const struct pair *p, int max_ms)
{
    int64_t begun = now_ms();
    return fixture_is_closed(p->theirs, max_ms) ? now_ms() - begun : -1;
}

static void each_phase_has_its_deadline(void **state)
{
    (void)state;

    static const struct {
        enum watch_phase phase;
        int64_t at_least, at_most;
    } cases[] = {
        { WATCH_HEADER, 190, 390 },
        { WATCH_IDLE, 390, 700 },
    };

    for (size_t i = 0; i < 2; i++) {
        struct pair p = begin(0);
        reaper_set_phase(p.watched, cases[i].phase);
        int64_t took = reaped_after(&p, 2000);
        assert_in_range(took, cases[i].at_least, cases[i].at_most);
        end(&p);
    }
    struct pair p = begin(0);
    reaper_set_phase(p.watched, WATCH_FREE);
    assert_int_equal(reaped_after(&p, 600), -1);
    end(&p);
}

static void the_head_counts_from_the_accept(void **state)
{
    (void)state;
    struct pair p = begin(0);
    clock_sleep_ms(150);
    reaper_set_phase(p.watched, WATCH_HEADER); /* its first line came */
    assert_in_range(reaped_after(&p, 2000), 20, 120);
    end(&p);
}

static void slices(const struct pair *p, int count, size_t len, int every_ms, int work_ms)
{
    for (int i = 0; i < count; i++) {
        reaper_slice_begins(p->watched);
        clock_sleep_ms(work_ms);
        reaper_slice_ends(p->watched, len);
        clock_sleep_ms(every_ms);
    }
}

static void a_body_needs_its_rate(void **state)
{
    (void)state;
    struct pair p = begin(10000);
    reaper_set_phase(p.watched, WATCH_BODY);
    slices(&p, 20, 1000, 20, 0); /* 50 kB/s */
    assert_false(fixture_is_closed(p.theirs, 1));
    slices(&p, 20, 10, 20, 0); /* 500 B/s */
    assert_true(fixture_is_closed(p.theirs, 1));
    end(&p);
}

static void our_own_time_does_not_count(void **state)
{
    (void)state;
    struct pair p = begin(10000);
    reaper_set_phase(p.watched, WATCH_BODY);
    slices(&p, 2, 100, 1, 350); /* 285 B/s, but it is us who are slow */
    assert_false(fixture_is_closed(p.theirs, 1));
    end(&p);
}

static void a_body_has_a_deadline(void **state)
{
    (void)state;
    struct pair p = begin(1);
    reaper_set_phase(p.watched, WATCH_BODY);
    int64_t begun = now_ms();
    while (!fixture_is_closed(p.theirs, 1) && now_ms() - begun < 3000) {
        slices(&p, 1, 1000, 10, 0);
    }
    assert_in_range(now_ms() - begun, 950, 1500);
    end(&p);
}

static void *come_and_go(void *arg)
{
    struct reaper *r = arg;
    for (int i = 0; i < 200; i++) {
        int fds[2];
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) {
            return NULL;
        }
        struct watched *w = reaper_watch(r, fds[0]);
        reaper_set_phase(w, WATCH_BODY);
        reaper_slice_begins(w);
        reaper_slice_ends(w, 10);
        reaper_set_phase(w, i % 2 == 0 ? WATCH_IDLE : WATCH_FREE);
        reaper_forget(w);
        close(fds[0]);
        close(fds[1]);
    }
    return NULL;
}

/* The connections that have been shut down, as letters in the order of the phases below. */
static const char *given_up(const int theirs[], size_t count)
{
    static char letters[16];
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        char c;
        letters[len] = (char)('a' + i);
        len += recv(theirs[i], &c, 1, MSG_DONTWAIT) == 0 ? 1 : 0;
    }
    letters[len] = '\0';
    return letters;
}

static void a_crowd_gives_up_the_least_loss(void **state)
{
    (void)state;

    static const enum watch_phase phases[] = { WATCH_FREE, WATCH_BODY, WATCH_IDLE, WATCH_HEADER };

    static const struct {
        int sleep_ms;     /* before another connection comes */
        const char *gone; /* then */
    } steps[] = {
        { 0, "c" },      /* who is idle */
        { 0, "c" },      /* a head may take a moment, */
        { 70, "c" },     /* and two while there is room */
        { 0, "cd" },     /* but no more */
        { 1000, "cde" }, /* heads that are really slow */
        { 0, "cdef" },    { 0, "cdefg" },
        { 0, "cdefgh" },  { 0, "bcdefgh" }, /* a body that does not come */
        { 0, "bcdefgh" },                   /* what we work on ourselves stays */
    };
    const struct reaper_options options = { .header_ms = 60000,
                                            .idle_ms = 60000,
                                            .body_deadline_ms = 60000,
                                            .body_min_bytes_per_s = 1000,
                                            .window_ms = 60000,
                                            .crowded = ARRAY_LEN(phases) };

    enum { COUNT = ARRAY_LEN(phases) + ARRAY_LEN(steps) };
    struct reaper *r = NULL;
    struct watched *watched[COUNT];
    int ours[COUNT];
    int theirs[COUNT];
    assert_int_equal(reaper_start(&options, &r, NULL), OK);
    for (size_t i = 0; i < COUNT; i++) {
        int fds[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        ours[i] = fds[0];
        theirs[i] = fds[1];
    }
    for (size_t i = 0; i < COUNT; i++) {
        if (i < ARRAY_LEN(phases)) {
            watched[i] = reaper_watch(r, ours[i]);
            reaper_set_phase(watched[i], phases[i]);
        } else {
            clock_sleep_ms(steps[i - ARRAY_LEN(phases)].sleep_ms);
            watched[i] = reaper_watch(r, ours[i]);
            assert_string_equal(given_up(theirs, COUNT), steps[i - ARRAY_LEN(phases)].gone);
        }
    }
    for (size_t i = 0; i < COUNT; i++) {
        reaper_forget(watched[i]);
        close(ours[i]);
        close(theirs[i]);
    }
    reaper_stop(r);
}

static void threads_may_come_and_go(void **state)
{
    (void)state;
    const struct reaper_options options = { 1, 1, 1, 1, 1, 0 };
    struct reaper *r = NULL;
    assert_int_equal(reaper_start(&options, &r, NULL), OK);
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, r), 0);
    }
    for (int i = 0; i < 20; i++) {
        reaper_shutdown_all(r);
        clock_sleep_ms(1);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    reaper_stop(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_phase_has_its_deadline),
        cmocka_unit_test(the_head_counts_from_the_accept),
        cmocka_unit_test(a_body_needs_its_rate),
        cmocka_unit_test(our_own_time_does_not_count),
        cmocka_unit_test(a_body_has_a_deadline),
        cmocka_unit_test(a_crowd_gives_up_the_least_loss),
        cmocka_unit_test(threads_may_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
