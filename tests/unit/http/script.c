#include "script.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"

static void say(int fd, const char *text)
{
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static size_t hear_line(struct script *s, int fd, size_t heard)
{
    size_t begun = heard;
    char c = 0;
    while (heard < sizeof(s->heard) - 1 && recv(fd, &c, 1, 0) == 1) {
        s->heard[heard++] = c;
        if (c == '\n') {
            break;
        }
    }
    return heard - begun;
}

static void play_smtp(struct script *s, int fd)
{
    size_t heard = 0;
    size_t answer = 0;
    bool in_data = false;
    say(fd, "220 test\r\n");
    for (size_t len = hear_line(s, fd, heard); len > 0; len = hear_line(s, fd, heard)) {
        const char *line = s->heard + heard;
        heard += len;
        if (in_data && memcmp(line, ".\r\n", 3) != 0) {
            continue;
        }
        in_data = memcmp(line, "DATA", 4) == 0;
        say(fd, s->answers[answer]);
        answer += s->answers[answer + 1] != NULL ? 1 : 0;
    }
}

static void play_http(struct script *s, int fd)
{
    size_t heard = 0;
    while (heard < 4 || memcmp(s->heard + heard - 4, "\r\n\r\n", 4) != 0) {
        size_t len = hear_line(s, fd, heard);
        if (len == 0) {
            return;
        }
        heard += len;
    }
    say(fd, s->answers[0]);
}

static void *play(void *arg)
{
    struct script *s = arg;
    int fd = accept(s->listen_fd, NULL, NULL);
    if (fd >= 0) {
        (s->is_smtp ? play_smtp : play_http)(s, fd);
        close(fd);
    }
    return NULL;
}

void script_start(struct script *s)
{
    s->listen_fd = fixture_listen(&s->port);
    assert_int_equal(pthread_create(&s->thread, NULL, play, s), 0);
}

void script_end(struct script *s)
{
    (void)shutdown(s->listen_fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listen_fd);
}
