/* So many inside, so many waiting, the rest sent away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#include "auth/gate.h"
#include "core/clock.h"

#define SLOTS 2
#define QUEUE 3
#define THREADS 16

struct shared {
    struct gate *gate;
    atomic_int inside;
    atomic_int most_inside;
    atomic_int entered;
    atomic_int refused;
    atomic_bool is_open; /* those inside may leave */
};

static void *enter(void *arg)
{
    struct shared *s = arg;
    struct error e;
    if (gate_enter(s->gate, &e) != OK) {
        atomic_fetch_add(&s->refused, 1);
        return NULL;
    }
    const int now = atomic_fetch_add(&s->inside, 1) + 1;
    int most = atomic_load(&s->most_inside);
    while (now > most && !atomic_compare_exchange_weak(&s->most_inside, &most, now)) {
    }
    while (!atomic_load(&s->is_open)) {
        clock_sleep_ms(1);
    }
    atomic_fetch_add(&s->entered, 1);
    atomic_fetch_sub(&s->inside, 1);
    gate_leave(s->gate);
    return NULL;
}

static void test_limits(void **state)
{
    (void)state;
    struct shared s = { .gate = gate_new(SLOTS, QUEUE) };
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, enter, &s), 0);
    }
    /* Nobody leaves until all the others have been sent away. */
    const int64_t deadline_ms = clock_mono_ms() + 20000;
    while (atomic_load(&s.refused) < THREADS - SLOTS - QUEUE && clock_mono_ms() < deadline_ms) {
        clock_sleep_ms(1);
    }
    atomic_store(&s.is_open, true);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&s.refused), THREADS - SLOTS - QUEUE);
    assert_int_equal(atomic_load(&s.entered), SLOTS + QUEUE);
    assert_int_equal(atomic_load(&s.most_inside), SLOTS);
    gate_free(s.gate);
}

static void test_without_a_queue(void **state)
{
    (void)state;
    struct gate *g = gate_new(1, 0);
    struct error e;
    assert_int_equal(gate_enter(g, &e), OK);
    assert_int_equal(gate_enter(g, &e), ERR_BUSY);
    gate_leave(g);
    assert_int_equal(gate_enter(g, &e), OK);
    gate_leave(g);
    gate_free(g);
    gate_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_without_a_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
