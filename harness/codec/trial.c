#include "codec/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

enum { TICK_MS = 50 };

struct answer { /* one write to the pipe, smaller than PIPE_BUF */
    enum qb_status status;
    char message[sizeof((struct qb_error){0}).message];
};

static _Noreturn void child(enum qb_status (*work)(const char *, struct qb_error *), const char *path, pid_t parent,
                            int out)
{
    const struct rlimit none = {0, 0};
    struct qb_error err = {0};
    struct answer answer = {0};
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int null = open("/dev/null", O_RDWR);
    if (getppid() != parent || null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
        _exit(1);
    setrlimit(RLIMIT_CORE, &none);
    for (int number = 1; number < 32; number++)
        signal(number, SIG_DFL); /* whatever this process does about its own */
    answer.status = work(path, &err);
    memcpy(answer.message, err.message, sizeof answer.message);
    _exit(write(out, &answer, sizeof answer) == (ssize_t)sizeof answer ? 0 : 1);
}

/* Waits for the answer, the child's end, of which it takes no notice yet, or the time limit; false: neither came. A
 * process that the child left behind may keep the pipe open, so the pipe's end alone tells nothing. */
static bool await(pid_t pid, int in, unsigned seconds, struct answer *answer, bool *answered)
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
    } while (!ended.si_pid && !*answered && qb_clock() < end);
    return ended.si_pid || *answered;
}

static enum qb_status judge(const char *path, int status, struct qb_error *err)
{
    if (!WIFSIGNALED(status))
        return qb_fail(err, QB_ERR_CODEC, "%s: the plugin ended the process with exit code %d while it was loaded",
                       path, WEXITSTATUS(status));
    const char *name = sigabbrev_np(WTERMSIG(status));
    return qb_fail(err, QB_ERR_CODEC, "%s: the plugin crashed with signal %d (SIG%s) while it was loaded%s", path,
                   WTERMSIG(status), name ? name : "?",
                   WTERMSIG(status) == SIGBUS ? "; expected a whole shared object" : "");
}

enum qb_status qb_trial(enum qb_status (*work)(const char *path, struct qb_error *err), const char *path,
                        unsigned seconds, struct qb_error *err)
{
    struct answer answer = {0};
    bool answered = false;
    int ends[2], status = 0;
    const pid_t self = getpid();
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
        return qb_fail(err, QB_ERR_IO, "%s: pipe: %s", path, strerror(errno));
    fflush(NULL); /* or the child's exit() would print what is buffered once more */
    pid_t pid = fork();
    if (pid == 0)
        child(work, path, self, ends[1]);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return qb_fail(err, QB_ERR_IO, "%s: fork: %s", path, strerror(errno));
    }
    setpgid(pid, pid);
    bool in_time = await(pid, ends[0], seconds, &answer, &answered);
    close(ends[0]);
    kill(-pid, SIGKILL); /* with what it has started; its id stays its own until it is waited for */
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!in_time)
        return qb_fail(err, QB_ERR_CODEC, "%s: the plugin was not loaded within %u s", path, seconds);
    if (!answered)
        return judge(path, status, err);
    return answer.status ? qb_fail(err, answer.status, "%.*s", (int)sizeof answer.message - 1, answer.message) : QB_OK;
}
