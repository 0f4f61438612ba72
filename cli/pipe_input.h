/* A pipe as the engine reads its input: by position. What has come is kept for a while, so a reader
 * may go back a little; what is asked for further ahead is waited for. */
#ifndef UNREEL_CLI_PIPE_INPUT_H
#define UNREEL_CLI_PIPE_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/mem.h"

/* Enough for a clip whose index is at its end. */
#define PIPE_INPUT_WINDOW ((size_t)32 << 20)

struct pipe_input;

/* fd stays the caller's. The last window_size bytes are kept; memory is taken as they come. */
struct pipe_input *pipe_input_new(int fd, size_t window_size) MUST_CHECK;
void pipe_input_free(struct pipe_input *p);
DEFINE_AUTO(struct pipe_input *, pipe_input_free)

/* Blocks until len bytes are there, or the pipe's end; short only at the end. ERR_INVALID, in the
 * user's terms: the offset is no longer kept. ERR_FAULT: the pipe cannot be read. */
enum err pipe_input_read(struct pipe_input *p, int64_t offset, void *dst, size_t len,
                         size_t *ret_len, struct error *e) MUST_CHECK;

#endif
