#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "escape.h"

#include "core/banned.h"

#define BAR_WIDTH 30
#define LINE_SIZE 256

void progress_init(struct progress *p, const char *label, bool is_wanted)
{
    *p = (struct progress){ .label = label, .is_shown = is_wanted && isatty(STDERR_FILENO) };
}

/* A line that wraps cannot be drawn over. */
static int columns(void)
{
    struct winsize size = { 0 };
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
        return 80;
    }
    return size.ws_col;
}

static void draw(struct progress *p, double percent, const char *note)
{
    char bar[BAR_WIDTH + 1];
    char line[LINE_SIZE];
    int filled = percent > 0 ? (int)(percent * BAR_WIDTH / 100) : 0;
    filled = filled > BAR_WIDTH ? BAR_WIDTH : filled;
    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', (size_t)filled);
    bar[BAR_WIDTH] = '\0';
    if (percent < 0) {
        (void)snprintf(line, sizeof(line), "%-8s %s", p->label, note);
    } else {
        (void)snprintf(line, sizeof(line), "%-8s [%s] %5.1f %%  %s", p->label, bar, percent, note);
    }
    AUTO(mem_free) char *clean = escape_controls(line);
    (void)fprintf(stderr, "\r\033[K%.*s", columns() - 1, clean);
    (void)fflush(stderr);
    p->is_drawn = true;
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

void progress_done(struct progress *p, const char *note)
{
    if (p->is_shown) {
        draw(p, 100, note);
        progress_break(p);
    }
}

void progress_break(struct progress *p)
{
    if (p->is_drawn) {
        (void)fputc('\n', stderr);
        p->is_drawn = false;
    }
}
