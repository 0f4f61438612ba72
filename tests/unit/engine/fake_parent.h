/* The parent's side for tests of the child in this process: a thread that answers READs from
 * memory, and keeps what it was told. */
#ifndef UNREEL_TEST_FAKE_PARENT_H
#define UNREEL_TEST_FAKE_PARENT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "engine/protocol.h"
#include "engine_child/channel.h"

#define FAKE_PARENT_READS 256

struct fake_parent {
    const uint8_t *input;
    int64_t input_len;
    struct channel channel; /* for the child's code */
    /* After fake_parent_stop: */
    struct protocol_read reads[FAKE_PARENT_READS];
    size_t read_count;
    int progress_count;
    bool has_done, has_failed;
    struct protocol_done done;
    struct protocol_failed failed;
    struct job_input told_input;
    int output_count; /* OUTPUT frames */
    struct protocol_output told_outputs[JOB_OUTPUTS_MAX];
    struct buf outputs[JOB_OUTPUTS_MAX]; /* with what was patched */

    int control, output_fd;
    pthread_t control_thread, output_thread;
};

void fake_parent_start(struct fake_parent *p, const uint8_t *input, int64_t input_len);
/* Closes the child's ends and waits until everything it said was read. */
void fake_parent_stop(struct fake_parent *p);
void fake_parent_release(struct fake_parent *p);

#endif
