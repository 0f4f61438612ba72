/* The patterns of a topic exchange: words between dots, `*` is one word, `#` is any number. */
#ifndef UNREEL_QUEUE_QUEUE_TOPIC_H
#define UNREEL_QUEUE_QUEUE_TOPIC_H

#include <stdbool.h>

/* Whether a routing key is fit for an event: 1 to QUEUE_NAME_MAX-1 characters, no wildcards. */
bool queue_topic_is_key(const char *key);
bool queue_topic_matches(const char *pattern, const char *key);

#endif
