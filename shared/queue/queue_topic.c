#include "queue/queue_topic.h"

#include <stddef.h>
#include <string.h>

#include "queue/queue.h"
#include "core/banned.h"

/* A place in a text is the start of a word; NULL is behind the last word. "" has no words. */
static const char *first_word(const char *text)
{
    return text[0] == '\0' ? NULL : text;
}

static const char *next_word(const char *word)
{
    const char *dot = strchr(word, '.');

    return dot == NULL ? NULL : dot + 1;
}

static bool is_word(const char *word, const char *text)
{
    size_t len = strcspn(word, ".");

    return strlen(text) == len && memcmp(word, text, len) == 0;
}

static bool same_word(const char *a, const char *b)
{
    size_t len = strcspn(a, ".");

    return strcspn(b, ".") == len && memcmp(a, b, len) == 0;
}

bool queue_topic_is_key(const char *key)
{
    size_t len = strlen(key);

    return len > 0 && len < QUEUE_NAME_MAX && strpbrk(key, "*#") == NULL;
}

bool queue_topic_matches(const char *pattern, const char *key)
{
    const char *p = first_word(pattern);
    const char *k = first_word(key);
    const char *after_hash = NULL; /* the pattern behind the last '#' */
    const char *hash_end = NULL;   /* where in the key that '#' ends for now */
    bool has_hash = false;

    while (k != NULL) {
        if (p != NULL && is_word(p, "#")) {
            p = next_word(p);
            has_hash = true;
            after_hash = p;
            hash_end = k;
        } else if (p != NULL && (is_word(p, "*") || same_word(p, k))) {
            p = next_word(p);
            k = next_word(k);
        } else if (has_hash) {
            /* Let the last '#' eat one word more and try again behind it. */
            hash_end = next_word(hash_end);
            k = hash_end;
            p = after_hash;
        } else {
            return false;
        }
    }
    while (p != NULL && is_word(p, "#")) {
        p = next_word(p);
    }
    return p == NULL;
}
