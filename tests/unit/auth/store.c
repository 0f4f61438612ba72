#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/text.h"

void store_open(struct store *s)
{
    memset(s, 0, sizeof(*s));
    (void)text_copy(s->folder, sizeof(s->folder), "/tmp/unreel-auth-XXXXXX");
    if (mkdtemp(s->folder) == NULL) {
        abort();
    }
    (void)snprintf(s->url, sizeof(s->url), "sqlite:%s/a.db", s->folder);
    struct error e;
    if (accounts_open(s->url, 8, &s->accounts, &e) != OK) {
        (void)fprintf(stderr, "%s\n", e.text);
        abort();
    }
}

void store_close(struct store *s)
{
    static const char *const names[] = { "a.db", "a.db-wal", "a.db-shm" };
    accounts_close(s->accounts);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[128];
        (void)snprintf(path, sizeof(path), "%s/%s", s->folder, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(s->folder);
}

int store_set_up(void **state)
{
    struct store *s = xmalloc(sizeof(*s));
    store_open(s);
    *state = s;
    return 0;
}

int store_tear_down(void **state)
{
    store_close(*state);
    free(*state);
    return 0;
}
