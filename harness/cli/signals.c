/* Signals that end the program: said, and nothing half made is left. */
#include <signal.h>
#include <stdlib.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/temp.h"
#include "cli.h"

static pid_t self; /* a process forked from this one inherits the handler and has nothing to say */

static void on_end(int number)
{
    qb_temp_remove_all();
    if (getpid() == self)
        qb_tell_at_once((const char *const[]){"qinsbench: ended by SIG", sigabbrev_np(number),
                                              "; no file was left half written", NULL});
    signal(number, SIG_DFL);
    raise(number); /* ends the process when the handler returns */
}

/* A crash, of a codec that came from outside or of our own: the signal stays how the program ends. */
static void on_crash(int number)
{
    signal(number, SIG_DFL);
    qb_temp_remove_all();
    if (getpid() == self)
        qb_tell_at_once((const char *const[]){"qinsbench: crashed (SIG", sigabbrev_np(number),
                                              ") in a codec, a library or its own code; no file was left half written",
                                              NULL});
    raise(number);
}

/* On a stack of its own, for the one in use may be what has no room. A sanitizer's handlers stay. */
static void tell_crashes(void)
{
    static const int crashes[] = {SIGSEGV, SIGABRT, SIGFPE, SIGILL};
    static char room[1 << 16];
    struct sigaction action = {.sa_handler = on_crash, .sa_flags = SA_ONSTACK}, before;
    const stack_t stack = {.ss_sp = room, .ss_size = sizeof room};
    sigemptyset(&action.sa_mask);
    if (sigaltstack(&stack, NULL) != 0)
        return;
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
        if (sigaction(crashes[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL &&
            !(before.sa_flags & SA_SIGINFO))
            sigaction(crashes[i], &action, NULL);
}

void qb_tell_signals(void)
{
    static const int ends[] = {SIGHUP, SIGINT, SIGTERM};
    struct sigaction action = {.sa_handler = on_end}, before;
    sigemptyset(&action.sa_mask);
    self = getpid();
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (sigaction(ends[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN) /* nohup stays nohup */
            sigaction(ends[i], &action, NULL);
    tell_crashes();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

static bool came_back; /* from the command */

/* libhdf5 ends the process where it has no memory for one of its lists. */
static void tell_exit(int code, void *context)
{
    (void)code;
    (void)context;
    if (came_back || getpid() != self) /* a child's parent tells of its end */
        return;
    qb_temp_remove_all();
    qb_tell_at_once((const char *const[]){"qinsbench: a codec or a library called exit, as libhdf5 does without "
                                          "memory; no file was left half written",
                                          NULL});
    _exit(QB_EXIT_INPUT);
}

void qb_tell_exits(void)
{
    on_exit(tell_exit, NULL);
}

int qb_end(int code)
{
    came_back = true;
    return code;
}
