/* The parent's side of a worker: fork, pipes, limits, and what its end means. */
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
#include "run/worker_cell.h"

static void close_pipe(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

enum qb_status qb_worker_start(const struct qb_worker_job *job, struct qb_worker *worker, struct qb_error *err)
{
    int report[2] = {-1, -1}, chatter[2] = {-1, -1};
    pid_t parent = getpid();
    *worker = (struct qb_worker){.report = -1, .chatter = -1};
    if (pipe2(report, O_CLOEXEC) || pipe2(chatter, O_CLOEXEC)) {
        qb_fail(err, QB_ERR_IO, "cannot make a pipe for a worker: %s", strerror(errno));
        goto fail;
    }
    worker->started = qb_clock();
    worker->pid = fork();
    if (worker->pid == 0)
        qb_worker_cell(job, parent, report[1], chatter[1]);
    if (worker->pid < 0) {
        worker->pid = 0;
        qb_fail(err, QB_ERR_IO, "cannot start a worker: %s", strerror(errno));
        goto fail;
    }
    close(report[1]);
    close(chatter[1]);
    worker->report = report[0];
    worker->chatter = chatter[0];
    fcntl(worker->report, F_SETFL, O_NONBLOCK);
    fcntl(worker->chatter, F_SETFL, O_NONBLOCK);
    return QB_OK;
fail:
    for (int i = 0; i < 2; i++) {
        close_pipe(&report[i]);
        close_pipe(&chatter[i]);
    }
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

void qb_worker_read(struct qb_worker *worker)
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
    if (worker->answer_size != sizeof report) {
        qb_utf8_print(end->message, sizeof end->message, "ended with exit code %d and no result%s%s",
                      WEXITSTATUS(status), before, line);
        return;
    }
    memcpy(&report, worker->answer, sizeof report);
    end->done = report.status == QB_OK;
    end->nonfinite = report.status == QB_ERR_NUMERIC;
    qb_clean_into(end->message, sizeof end->message, report.message, sizeof report.message);
}

bool qb_worker_ended(struct qb_worker *worker, double seconds, struct qb_worker_end *end)
{
    int status = 0;
    qb_worker_read(worker);
    pid_t got = waitpid(worker->pid, &status, WNOHANG);
    if (got == 0) {
        if (!worker->overdue && qb_clock() - worker->started > seconds) {
            worker->overdue = true;
            kill(worker->pid, SIGKILL);
        }
        return false;
    }
    qb_worker_read(worker);
    worker->pid = 0;
    describe_end(worker, got < 0 ? 0 : status, seconds, end);
    close_pipe(&worker->report);
    close_pipe(&worker->chatter);
    return true;
}

void qb_worker_kill(struct qb_worker *worker)
{
    if (worker->pid <= 0)
        return;
    kill(worker->pid, SIGKILL);
    while (waitpid(worker->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    worker->pid = 0;
    close_pipe(&worker->report);
    close_pipe(&worker->chatter);
}
