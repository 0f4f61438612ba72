#include "core/id.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/log.h"
#include "core/text.h"

#include "core/banned.h"

void random_bytes(void *dst, size_t len)
{
    unsigned char *next = dst;

    while (len > 0) {
        ssize_t got = getrandom(next, len, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            log_error("the kernel gives no random bytes");
            abort();
        }
        next += got;
        len -= (size_t)got;
    }
}

unsigned random_below(unsigned bound)
{
    /* The values above the last whole multiple of bound would make small results likelier. */
    unsigned limit = bound * (0xffffffffu / bound);
    unsigned value = 0;

    do {
        random_bytes(&value, sizeof(value));
    } while (value >= limit);
    return value % bound;
}

void id_new(char ret_id[ID_SIZE])
{
    unsigned char bytes[ID_LEN / 2];

    random_bytes(bytes, sizeof(bytes));
    text_to_hex(ret_id, bytes, sizeof(bytes));
}

bool id_is_valid(const char *text)
{
    return text != NULL && strnlen(text, ID_SIZE) == ID_LEN &&
           strspn(text, "0123456789abcdef") == ID_LEN;
}
