/* Ids: 24 hex digits, an ObjectId whose 12 bytes are random, so that nobody can guess another's.
 * Thread-safe. */
#ifndef UNREEL_CORE_ID_H
#define UNREEL_CORE_ID_H

#include <stdbool.h>
#include <stddef.h>

#define ID_LEN 24
#define ID_SIZE (ID_LEN + 1)

void id_new(char ret_id[ID_SIZE]);
/* Exactly 24 lower-case hex digits. */
bool id_is_valid(const char *text);
/* Bytes from the kernel's random source; aborts when there is none. */
void random_bytes(void *dst, size_t len);
/* Uniform in [0, bound); bound > 0. */
unsigned random_below(unsigned bound);

#endif
