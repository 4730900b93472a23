#include "base/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"

enum { TICK_MS = 50 };

static void limit(const struct qb_trial_limits *limits)
{
    const struct rlimit none = {0, 0}, processor = {limits->processor, limits->processor + 1};
    setrlimit(RLIMIT_CORE, &none);
    if (limits->processor)
        setrlimit(RLIMIT_CPU, &processor);
    if (limits->memory) {
        const uint64_t most = qb_address_space() + limits->memory;
        const struct rlimit memory = {most, most};
        setrlimit(RLIMIT_AS, &memory);
    }
}

static _Noreturn void child(const struct qb_trial_limits *limits, enum qb_status (*work)(void *, struct qb_error *),
                            void *context, pid_t parent, int out)
{
    struct qb_error err = {0};
    setpgid(0, 0); /* so that the terminal's Ctrl-C is for the parent to decide on, and all of the group can be ended */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (getppid() != parent || null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
        _exit(1);
    for (int number = 1; number < 32; number++)
        signal(number, SIG_DFL); /* whatever this process does about its own */
    limit(limits);
    work(context, &err);
    _exit(write(out, &err, sizeof err) == (ssize_t)sizeof err ? 0 : 1); /* smaller than PIPE_BUF: at once */
}

/* Waits for the answer, the child's end, of which it takes no notice yet, or the limit; false: neither came. A process
 * that the child left behind may keep the pipe open, so the pipe's end alone tells nothing. */
static bool await(pid_t pid, int in, double seconds, struct qb_error *answer, bool *answered)
{
    struct pollfd poll_in = {.fd = in, .events = POLLIN};
    const double end = qb_clock() + seconds;
    siginfo_t ended = {0};
    do {
        poll(&poll_in, 1, TICK_MS);
        waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT);
        *answered = read(in, answer, sizeof *answer) == (ssize_t)sizeof *answer;
        if (!ended.si_pid && !*answered && (poll_in.revents & POLLHUP))
            usleep(1000); /* it is ending, or has closed the pipe: poll waits no more */
    } while (!ended.si_pid && !*answered && (seconds <= 0 || qb_clock() < end));
    return ended.si_pid || *answered;
}

enum qb_status qb_trial(const struct qb_trial_limits *limits,
                        enum qb_status (*work)(void *context, struct qb_error *err), void *context,
                        struct qb_trial_result *result, struct qb_error *err)
{
    bool answered = false;
    int ends[2], status = 0;
    const pid_t self = getpid();
    *result = (struct qb_trial_result){0};
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
        return qb_fail(err, QB_ERR_IO, "pipe: %s", strerror(errno));
    fflush(NULL); /* or an exit() in the child would print what is buffered once more */
    pid_t pid = fork();
    if (pid == 0)
        child(limits, work, context, self, ends[1]);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return qb_fail(err, QB_ERR_IO, "fork: %s", strerror(errno));
    }
    setpgid(pid, pid);
    const bool in_time = await(pid, ends[0], limits->seconds, &result->answer, &answered);
    close(ends[0]);
    kill(-pid, SIGKILL); /* with what it has started; its id stays its own until it is waited for */
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    result->answer.message[sizeof result->answer.message - 1] = '\0';
    result->end = answered              ? QB_TRIAL_DONE
                  : !in_time            ? QB_TRIAL_LATE
                  : WIFSIGNALED(status) ? QB_TRIAL_CRASHED
                                        : QB_TRIAL_EXITED;
    result->number = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    return QB_OK;
}
