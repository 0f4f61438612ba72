#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"

#include "core/banned.h"

#define WIDTH 30

void progress_init(struct progress *p, const char *label, bool is_wanted)
{
    p->label = label;
    p->is_shown = is_wanted && isatty(STDERR_FILENO);
    p->drawn_ms = 0;
}

static void draw(const struct progress *p, double percent, const char *note)
{
    char bar[WIDTH + 1];
    int filled = percent > 0 ? (int)(percent * WIDTH / 100) : 0;
    filled = filled > WIDTH ? WIDTH : filled;
    memset(bar, '.', WIDTH);
    memset(bar, '#', (size_t)filled);
    bar[WIDTH] = '\0';
    (void)fprintf(stderr, "\r\033[K%-10s [%s] %5.1f %%  %s", p->label, bar,
                  percent < 0 ? 0 : percent, note);
    (void)fflush(stderr);
}

void progress_update(struct progress *p, double percent, const char *note)
{
    int64_t now_ms = clock_mono_ms();
    if (!p->is_shown || now_ms - p->drawn_ms < 100) {
        return;
    }
    p->drawn_ms = now_ms;
    draw(p, percent, note);
}

void progress_end(struct progress *p, const char *note)
{
    if (p->is_shown) {
        draw(p, 100, note);
        (void)fputc('\n', stderr);
    }
}
