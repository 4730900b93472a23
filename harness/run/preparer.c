#include "run/preparer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compute/linear.h"
#include "run/process.h"

#define ANSWER_S 60 /* of a preparer that is asked for a cell: it has nothing else to do */

enum qb_status qb_preparer_adopt(bool adopt, struct qb_error *err)
{
    return prctl(PR_SET_CHILD_SUBREAPER, adopt ? 1UL : 0UL)
               ? qb_fail(err, QB_ERR_IO, "cannot adopt the processes of cells: %s", strerror(errno))
               : QB_OK;
}

/* ---- a cell's number and its ends of the pipes, over the socket ---- */

struct request {
    size_t cell;
};

union ends {
    struct cmsghdr header;
    char room[CMSG_SPACE(2 * sizeof(int))];
};

static bool send_request(int socket, size_t cell, const int ends[2])
{
    struct request request = {cell};
    struct iovec part = {&request, sizeof request};
    union ends control = {0};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.room};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(2 * sizeof(int));
    memcpy(CMSG_DATA(header), ends, 2 * sizeof(int));
    return sendmsg(socket, &message, MSG_NOSIGNAL) == (ssize_t)sizeof request;
}

static bool receive_request(int socket, size_t *cell, int ends[2])
{
    struct request request;
    struct iovec part = {&request, sizeof request};
    union ends control = {0};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.room};
    ssize_t n;
    while ((n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
        ;
    struct cmsghdr *header = n == (ssize_t)sizeof request ? CMSG_FIRSTHDR(&message) : NULL;
    if (!header || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(2 * sizeof(int)))
        return false;
    *cell = request.cell;
    memcpy(ends, CMSG_DATA(header), 2 * sizeof(int));
    return true;
}

/* ---- the preparer's own process ---- */

/* A cell, from its fork to its end. It starts when it is the run's child, which `go` tells: its end of the run would go
 * unseen, were it tied to the parent that it has before. */
static _Noreturn void be_cell(const struct qb_preparer_job *job, const struct qb_prepared *prepared, pid_t run,
                              size_t cell, const int ends[2], int go)
{
    struct qb_error err = {0};
    char word;
    if (read(go, &word, 1) != 1)
        _exit(1);
    qb_process_settle(run, ends[0], ends[1], -1);
    job->run(job->context, cell, prepared, &err);
    _exit(qb_process_report(&err) ? 0 : 1);
}

/* Forks a cell through a process that ends at once; its id, or -1. */
static pid_t fork_cell(const struct qb_preparer_job *job, const struct qb_prepared *prepared, pid_t run, size_t cell,
                       const int ends[2], const int go[2])
{
    int made[2];
    pid_t id = -1;
    if (pipe2(made, O_CLOEXEC))
        return -1;
    pid_t between = fork();
    if (between == 0) {
        id = fork();
        if (id == 0) {
            close(go[1]);
            be_cell(job, prepared, run, cell, ends, go[0]);
        }
        _exit(write(made[1], &id, sizeof id) == (ssize_t)sizeof id ? 0 : 1);
    }
    close(made[1]);
    while (between > 0 && waitpid(between, NULL, 0) < 0 && errno == EINTR)
        ;
    if (between < 0 || read(made[0], &id, sizeof id) != (ssize_t)sizeof id)
        id = -1;
    close(made[0]);
    return id;
}

/* Forks cells until the run has no more to ask for. */
static _Noreturn void serve(const struct qb_preparer_job *job, const struct qb_prepared *prepared, pid_t run)
{
    size_t cell;
    int ends[2], go[2];
    while (receive_request(QB_PROCESS_ASKS, &cell, ends)) {
        if (pipe2(go, O_CLOEXEC))
            _exit(1);
        pid_t id = fork_cell(job, prepared, run, cell, ends, go);
        if (write(QB_PROCESS_ASKS, &id, sizeof id) != (ssize_t)sizeof id || (id > 0 && write(go[1], "g", 1) != 1))
            _exit(1);
        const int mine[] = {ends[0], ends[1], go[0], go[1]};
        for (size_t i = 0; i < sizeof mine / sizeof *mine; i++)
            close(mine[i]);
    }
    _exit(0);
}

struct child {
    struct qb_preparer_job *job;
    int asks; /* its end of the socket */
};

static void prepare(void *context, pid_t run, int report, int chatter)
{
    struct child *child = context;
    struct qb_preparer_job *job = child->job;
    struct qb_prepared prepared = {0};
    struct qb_error err = {0};
    qb_process_settle(run, report, chatter, child->asks);
    qb_process_limit(job->limits, job->threads);
    qb_blas_init();
    if (!qb_pool_create(job->threads, &job->env.pool, &err))
        qb_cell_prepare(&job->env, &prepared, &err);
    qb_pool_free(job->env.pool); /* a process of one thread can fork; a cell makes a pool of its own */
    if (!qb_process_report(&err) || err.status)
        _exit(1);
    serve(job, &prepared, run);
}

/* ---- the run's side ---- */

enum qb_status qb_preparer_start(struct qb_preparer *preparer, size_t cell, struct qb_preparer_job *job,
                                 struct qb_error *err)
{
    const struct timeval patience = {.tv_sec = ANSWER_S};
    int sockets[2];
    *preparer = (struct qb_preparer){.worker = {.report = -1, .chatter = -1}, .cell = cell, .asks = -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets))
        return qb_fail(err, QB_ERR_IO, "cannot make a socket for a preparer: %s", strerror(errno));
    struct child child = {job, sockets[1]};
    preparer->asks = sockets[0];
    setsockopt(preparer->asks, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    qb_worker_start(&preparer->worker, prepare, &child, err);
    close(sockets[1]);
    if (err->status)
        qb_preparer_dismiss(preparer);
    return err->status;
}

bool qb_preparer_ready(const struct qb_preparer *preparer)
{
    struct qb_worker_report report;
    return qb_worker_reported(&preparer->worker, &report) && !report.status && preparer->asks >= 0;
}

void qb_preparer_dismiss(struct qb_preparer *preparer)
{
    if (preparer->asks >= 0)
        close(preparer->asks);
    preparer->asks = -1;
}

void qb_preparer_kill(struct qb_preparer *preparer)
{
    qb_preparer_dismiss(preparer);
    qb_worker_kill(&preparer->worker);
}

enum qb_status qb_preparer_cell(struct qb_preparer *preparer, size_t i, struct qb_worker *worker, struct qb_error *err)
{
    int ends[2];
    pid_t id = -1;
    if (qb_worker_open(worker, ends, err))
        return err->status;
    bool asked = send_request(preparer->asks, i, ends);
    close(ends[0]);
    close(ends[1]);
    if (!asked || recv(preparer->asks, &id, sizeof id, 0) != (ssize_t)sizeof id || id < 0) {
        qb_worker_kill(worker);     /* its pipes */
        qb_preparer_kill(preparer); /* a late answer would be taken for the next cell's */
        return qb_fail(err, QB_ERR_IO, "the process that prepared its net is gone or does not answer");
    }
    worker->pid = id;
    return QB_OK;
}
