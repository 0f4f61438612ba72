/* The first process of a pod: it holds the namespaces and buries what is orphaned in them. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void leave(int signal_number)
{
    (void)signal_number;
    _exit(0);
}

static void bury(int signal_number)
{
    (void)signal_number;
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
}

int main(void)
{
    (void)signal(SIGINT, leave);
    (void)signal(SIGTERM, leave);
    (void)signal(SIGCHLD, bury);
    for (;;) {
        (void)pause();
    }
}
