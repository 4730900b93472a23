#include "run/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"

static void close_pipe(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void close_pipes(struct qb_worker *worker)
{
    close_pipe(&worker->report);
    close_pipe(&worker->chatter);
}

enum qb_status qb_worker_open(struct qb_worker *worker, int ends[2], struct qb_error *err)
{
    int report[2], chatter[2];
    *worker = (struct qb_worker){.report = -1, .chatter = -1, .started = qb_clock()};
    if (pipe2(report, O_CLOEXEC))
        return qb_fail(err, QB_ERR_IO, "cannot make a pipe for a worker: %s", strerror(errno));
    if (pipe2(chatter, O_CLOEXEC)) {
        qb_fail(err, QB_ERR_IO, "cannot make a pipe for a worker: %s", strerror(errno));
        close(report[0]);
        close(report[1]);
        return err->status;
    }
    worker->report = report[0];
    worker->chatter = chatter[0];
    ends[0] = report[1];
    ends[1] = chatter[1];
    fcntl(worker->report, F_SETFL, O_NONBLOCK);
    fcntl(worker->chatter, F_SETFL, O_NONBLOCK);
    return QB_OK;
}

enum qb_status qb_worker_start(struct qb_worker *worker, qb_worker_child child, void *context, struct qb_error *err)
{
    int ends[2];
    pid_t parent = getpid();
    if (qb_worker_open(worker, ends, err))
        return err->status;
    pid_t pid = fork();
    if (pid == 0) {
        child(context, parent, ends[0], ends[1]);
        _exit(1);
    }
    if (pid < 0)
        qb_fail(err, QB_ERR_IO, "cannot start a worker: %s", strerror(errno));
    else
        worker->pid = pid;
    close(ends[0]);
    close(ends[1]);
    if (err->status)
        close_pipes(worker);
    return err->status;
}

/* Keeps the end of what a plugin or library printed; the rest goes nowhere. */
static void keep_tail(struct qb_worker *worker, const char *data, size_t size)
{
    size_t room = sizeof worker->tail - 1;
    if (size > room) {
        data += size - room;
        size = room;
    }
    size_t keep = worker->tail_size + size > room ? room - size : worker->tail_size;
    memmove(worker->tail, worker->tail + worker->tail_size - keep, keep);
    memcpy(worker->tail + keep, data, size);
    worker->tail_size = keep + size;
}

static void read_pipes(struct qb_worker *worker)
{
    char buffer[4096];
    ssize_t n;
    /* A bounded number of reads: a worker that prints without end must not hold the parent. */
    for (int i = 0; worker->chatter >= 0 && i < 64; i++) {
        if ((n = read(worker->chatter, buffer, sizeof buffer)) > 0)
            keep_tail(worker, buffer, (size_t)n);
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
            close_pipe(&worker->chatter);
        else
            break;
    }
    while (worker->report >= 0) {
        size_t room = sizeof worker->answer - worker->answer_size;
        n = room ? read(worker->report, worker->answer + worker->answer_size, room) : 0;
        if (n > 0)
            worker->answer_size += (size_t)n;
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
            close_pipe(&worker->report);
        else
            break;
    }
}

/* The last line of what the worker printed, cleaned. A NUL ends a line too: strchr finds the one of its list. */
static void last_line(struct qb_worker *worker, char out[256])
{
    size_t end = worker->tail_size;
    while (end > 0 && strchr("\n\r ", worker->tail[end - 1]))
        end--;
    size_t start = end;
    while (start > 0 && !strchr("\n\r", worker->tail[start - 1]) && end - start < 200)
        start--;
    while (start < end && ((unsigned char)worker->tail[start] & 0xC0) == 0x80) /* the rest of a character */
        start++;
    qb_clean_into(out, 256, worker->tail + start, end - start);
}

bool qb_worker_reported(const struct qb_worker *worker, struct qb_worker_report *report)
{
    if (worker->answer_size == sizeof *report)
        memcpy(report, worker->answer, sizeof *report);
    return worker->answer_size == sizeof *report;
}

static void describe_end(struct qb_worker *worker, int status, double seconds, struct qb_worker_end *end)
{
    struct qb_worker_report report;
    char line[256];
    *end = (struct qb_worker_end){0};
    last_line(worker, line);
    const char *before = line[0] ? "; it printed: " : "";
    if (worker->overdue) {
        qb_utf8_print(end->message, sizeof end->message, "hung: over %g s%s%s", seconds, before, line);
        return;
    }
    if (WIFSIGNALED(status)) {
        const char *name = sigabbrev_np(WTERMSIG(status));
        qb_utf8_print(end->message, sizeof end->message, "%s signal %d (SIG%s)%s%s",
                      WTERMSIG(status) == SIGKILL ? "killed by" : "crashed with", WTERMSIG(status), name ? name : "?",
                      before, line);
        return;
    }
    if (!qb_worker_reported(worker, &report)) {
        qb_utf8_print(end->message, sizeof end->message, "ended with exit code %d and no result%s%s",
                      WEXITSTATUS(status), before, line);
        return;
    }
    end->done = !report.status;
    end->nonfinite = report.status == QB_ERR_NUMERIC;
    qb_clean_into(end->message, sizeof end->message, report.message, sizeof report.message);
}

bool qb_worker_ended(struct qb_worker *worker, double seconds, struct qb_worker_end *end)
{
    int status = 0;
    read_pipes(worker);
    pid_t got = waitpid(worker->pid, &status, WNOHANG);
    if (got == 0) {
        if (!worker->overdue && qb_clock() - worker->started > seconds) {
            worker->overdue = true;
            kill(worker->pid, SIGKILL);
        }
        return false;
    }
    read_pipes(worker);
    worker->pid = 0;
    describe_end(worker, got < 0 ? 0 : status, seconds, end);
    close_pipes(worker);
    return true;
}

void qb_worker_kill(struct qb_worker *worker)
{
    if (worker->pid > 0) {
        kill(worker->pid, SIGKILL);
        while (waitpid(worker->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    worker->pid = 0;
    close_pipes(worker);
}
