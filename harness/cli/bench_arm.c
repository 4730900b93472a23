#include "bench_arm.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/text_format.h"

enum { LINE_MOST = 4096, TAIL = 4096 };

const char *qb_pass_name(enum qb_pass pass)
{
    return pass == QB_PASS_PREFILL ? "prefill" : "decode";
}

/* ---- processes ---- */

/* In the child: it ends with its parent, alone hears of it (a Ctrl-C is the parent's), and has `socket` and nothing
 * else of the other arms. A group of its own is ended as a whole. */
static int settle(pid_t parent, int socket)
{
    enum { KEPT = 3 };
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it died before prctl */
        _exit(1);
    if (socket != KEPT && dup2(socket, KEPT) < 0)
        _exit(1);
    return KEPT;
}

static enum qb_status start(struct qb_bench_arm *arm, int sockets[2], struct qb_error *err)
{
    arm->socket = arm->chatter = -1;
    arm->peak_rss_bytes = NAN;
    arm->facts = (struct qb_arm_facts){.model_size = NAN,
                                       .model_params = NAN,
                                       .n_threads = NAN,
                                       .n_batch = NAN,
                                       .n_ubatch = NAN,
                                       .step_bytes = NAN,
                                       .kv_value_bytes = NAN,
                                       .position_bytes = NAN,
                                       .rss_before_bytes = NAN};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
        return qb_fail(err, QB_ERR_IO, "cannot make a socket for arm %s: %s", arm->name, strerror(errno));
    return QB_OK;
}

static enum qb_status started(struct qb_bench_arm *arm, const int sockets[2], pid_t pid, struct qb_error *err)
{
    const int reason = errno;
    close(sockets[1]);
    arm->socket = sockets[0];
    if (pid < 0)
        return qb_fail(err, QB_ERR_IO, "cannot start a process for arm %s: %s", arm->name, strerror(reason));
    arm->pid = pid;
    setpgid(pid, pid); /* whichever of the two comes first */
    return QB_OK;
}

enum qb_status qb_arm_fork(struct qb_bench_arm *arm, qb_arm_serve serve, void *context, struct qb_error *err)
{
    int sockets[2];
    const pid_t parent = getpid();
    if (start(arm, sockets, err))
        return err->status;
    const pid_t pid = fork();
    if (pid == 0) {
        const int socket = settle(parent, sockets[1]);
        close_range((unsigned)socket + 1, ~0u, 0);
        serve(context, socket);
        _exit(0);
    }
    return started(arm, sockets, pid, err);
}

/* In the child: the program, or why there is none as the first answer. */
static _Noreturn void run_program(const char *const *argv, int socket, int chatter)
{
    char words[512];
    struct qb_text line = {0};
    for (int i = 0; i < 2; i++)
        if (dup2(socket, i) < 0)
            _exit(1);
    if (dup2(chatter, 2) < 0)
        _exit(1);
    close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
    signal(SIGPIPE, SIG_DFL); /* what is ignored stays so behind exec */
    signal(SIGXFSZ, SIG_DFL);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    snprintf(words, sizeof words, "cannot start '%s': %s", argv[0], strerror(errno));
    qb_text_add(&line, "{\"error\": ");
    qb_json_string(&line, words);
    qb_text_add(&line, "}\n");
    _exit(!line.failed && write(socket, line.data, line.size) > 0 ? 1 : 2);
}

enum qb_status qb_arm_spawn(struct qb_bench_arm *arm, const char *const *argv, struct qb_error *err)
{
    int sockets[2];
    const pid_t parent = getpid();
    if (start(arm, sockets, err))
        return err->status;
    arm->chatter = memfd_create("what a peer prints", MFD_CLOEXEC);
    const pid_t pid = arm->chatter < 0 ? -1 : fork();
    if (pid == 0) {
        const int chatter = fcntl(arm->chatter, F_DUPFD_CLOEXEC, 10);
        run_program(argv, settle(parent, sockets[1]), chatter);
    }
    return started(arm, sockets, pid, err);
}

void qb_arm_end(struct qb_bench_arm *arm)
{
    if (arm->pid > 0) {
        close(arm->socket);
        kill(-arm->pid, SIGKILL); /* it has nothing to lose */
        kill(arm->pid, SIGKILL);
        while (waitpid(arm->pid, NULL, 0) < 0 && errno == EINTR)
            ;
        if (arm->chatter >= 0)
            close(arm->chatter);
    }
    arm->pid = 0;
}

/* ---- why an arm ended ---- */

/* The last line of what a peer printed. */
static void last_words(const struct qb_bench_arm *arm, char words[256])
{
    char tail[TAIL];
    const off_t size = arm->chatter < 0 ? 0 : lseek(arm->chatter, 0, SEEK_END);
    const off_t from = size > TAIL ? size - TAIL : 0;
    ssize_t n = size > 0 ? pread(arm->chatter, tail, TAIL, from) : 0;
    while (n > 0 && (tail[n - 1] == '\n' || tail[n - 1] == '\0'))
        n--;
    ssize_t begin = n;
    while (begin > 0 && tail[begin - 1] != '\n' && n - begin < 200)
        begin--;
    qb_clean_into(words, 256, tail + (n > 0 ? begin : 0), n > 0 ? (size_t)(n - begin) : 0);
}

/* It closed its end: how it came to its own. */
static enum qb_status fail_ended(struct qb_bench_arm *arm, struct qb_error *err)
{
    int status = 0;
    char how[64] = "closed its stdout", words[256];
    const double start = qb_clock();
    pid_t gone = 0;
    while ((gone = waitpid(arm->pid, &status, WNOHANG)) == 0 && qb_clock() - start < 10) /* it is on its way */
        usleep(1000);
    if (gone == arm->pid) {
        if (WIFSIGNALED(status))
            snprintf(how, sizeof how, "crashed (SIG%s)", sigabbrev_np(WTERMSIG(status)));
        else
            snprintf(how, sizeof how, "ended with exit code %d", WEXITSTATUS(status));
        kill(-arm->pid, SIGKILL);
        close(arm->socket);
    }
    last_words(arm, words);
    if (gone == arm->pid) {
        if (arm->chatter >= 0)
            close(arm->chatter);
        arm->pid = 0;
    }
    return qb_fail(err, QB_ERR_IO, "it %s%s%s", how, *words ? "; its last words: " : "", words);
}

/* ---- lines ---- */

static enum qb_status send_line(struct qb_bench_arm *arm, const char *line, struct qb_error *err)
{
    const size_t size = strlen(line);
    return send(arm->socket, line, size, MSG_NOSIGNAL) == (ssize_t)size ? QB_OK : fail_ended(arm, err);
}

/* One line without its end. Byte after byte is no loss: lines are short, and nothing is timed by them. */
static enum qb_status read_line(struct qb_bench_arm *arm, char line[LINE_MOST], struct qb_error *err)
{
    const double start = qb_clock();
    for (size_t size = 0; size < LINE_MOST;) {
        struct pollfd ready = {arm->socket, POLLIN, 0};
        const double left = arm->limit - (qb_clock() - start);
        const int some = poll(&ready, 1, arm->limit > 0 ? left > 0 ? (int)fmin(left * 1e3 + 1, 1e9) : 0 : -1);
        if (some == 0)
            return qb_fail(err, QB_ERR_IO, "it gave no answer in %g seconds (--peer-limit)", arm->limit);
        if (some < 0 && errno == EINTR)
            continue;
        const ssize_t n = recv(arm->socket, line + size, 1, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fail_ended(arm, err);
        if (line[size] == '\n') {
            line[size] = '\0';
            return QB_OK;
        }
        size++;
    }
    return qb_fail(err, QB_ERR_IO, "its answer has more than %d bytes", LINE_MOST);
}

/* The object that an arm answers with, for json_decref. */
static enum qb_status read_answer(struct qb_bench_arm *arm, json_t **answer, struct qb_error *err)
{
    char line[LINE_MOST];
    json_error_t cause;
    if (read_line(arm, line, err))
        return err->status;
    json_t *object = qb_json_load(line, strlen(line), JSON_REJECT_DUPLICATES, &cause);
    if (!json_is_object(object)) {
        json_decref(object);
        return qb_fail(err, QB_ERR_IO, "it answered '%.200s', expected an object of JSON", line);
    }
    const json_t *error = json_object_get(object, "error");
    if (error) {
        qb_fail(err, QB_ERR_INPUT, "%s",
                json_is_string(error) ? json_string_value(error) : "it says that it failed, and not why");
        json_decref(object);
        return err->status;
    }
    *answer = object;
    return QB_OK;
}

/* A number that is finite and not under 0; NaN where there is none. */
static enum qb_status take_number(const json_t *object, const char *key, double *number, struct qb_error *err)
{
    const json_t *value = json_object_get(object, key);
    *number = value && json_is_number(value) ? json_number_value(value) : NAN;
    if (value && !(isfinite(*number) && *number >= 0))
        return qb_fail(err, QB_ERR_IO, "its answer's %s is no number of 0 or more", key);
    return QB_OK;
}

static enum qb_status take_text(const json_t *object, const char *key, char *text, size_t room, struct qb_error *err)
{
    const json_t *value = json_object_get(object, key);
    if (value && !json_is_string(value))
        return qb_fail(err, QB_ERR_IO, "its answer's %s is no text", key);
    if (value)
        qb_clean_into(text, room, json_string_value(value), json_string_length(value));
    return QB_OK;
}

static enum qb_status take_facts(const json_t *object, struct qb_arm_facts *f, struct qb_error *err)
{
    const struct {
        const char *key;
        double *number;
    } numbers[] = {{"model_size", &f->model_size},
                   {"model_n_params", &f->model_params},
                   {"n_threads", &f->n_threads},
                   {"n_batch", &f->n_batch},
                   {"n_ubatch", &f->n_ubatch},
                   {"step_bytes", &f->step_bytes},
                   {"kv_value_bytes", &f->kv_value_bytes},
                   {"position_bytes", &f->position_bytes},
                   {"rss_before_bytes", &f->rss_before_bytes}};
    const struct {
        const char *key;
        char *text;
        size_t room;
    } texts[] = {{"program", f->program, sizeof f->program},
                 {"build", f->build, sizeof f->build},
                 {"arithmetic", f->arithmetic, sizeof f->arithmetic},
                 {"type_k", f->type_k, sizeof f->type_k},
                 {"type_v", f->type_v, sizeof f->type_v},
                 {"model_type", f->model_type, sizeof f->model_type}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && !err->status; i++)
        take_number(object, numbers[i].key, numbers[i].number, err);
    for (size_t i = 0; i < sizeof texts / sizeof *texts && !err->status; i++)
        take_text(object, texts[i].key, texts[i].text, texts[i].room, err);
    return err->status;
}

enum qb_status qb_arm_facts(struct qb_bench_arm *arm, struct qb_error *err)
{
    json_t *answer = NULL;
    if (!read_answer(arm, &answer, err))
        take_facts(answer, &arm->facts, err);
    json_decref(answer);
    return err->status;
}

/* ---- questions ---- */

/* Puts the error where the arm's is and ends it. */
static bool settle_answer(struct qb_bench_arm *arm, const struct qb_error *err)
{
    if (!err->status)
        return true;
    arm->failed = *err;
    qb_arm_end(arm);
    return false;
}

static bool ask(struct qb_bench_arm *arm, const char *line, json_t **answer)
{
    struct qb_error err = {0};
    if (arm->failed.status)
        return false;
    if (!send_line(arm, line, &err))
        read_answer(arm, answer, &err);
    return settle_answer(arm, &err);
}

bool qb_arm_open(struct qb_bench_arm *arm, size_t sequences, size_t positions)
{
    char line[96];
    struct qb_error err = {0};
    double bytes;
    json_t *answer = NULL;
    snprintf(line, sizeof line, "open %zu %zu\n", sequences, positions);
    if (!ask(arm, line, &answer))
        return false;
    if (!take_number(answer, "position_bytes", &bytes, &err) && !isnan(bytes))
        arm->facts.position_bytes = bytes;
    json_decref(answer);
    return settle_answer(arm, &err);
}

bool qb_arm_prepare(struct qb_bench_arm *arm, enum qb_pass pass, size_t tokens, size_t depth)
{
    char line[96];
    json_t *answer = NULL;
    snprintf(line, sizeof line, "prepare %s %zu %zu\n", qb_pass_name(pass), tokens, depth);
    const bool done = ask(arm, line, &answer);
    json_decref(answer);
    return done;
}

bool qb_arm_time(struct qb_bench_arm *arm, double *seconds)
{
    struct qb_error err = {0};
    json_t *answer = NULL;
    if (!ask(arm, "time\n", &answer))
        return false;
    if (!take_number(answer, "seconds", seconds, &err) && !(*seconds > 0))
        qb_fail(&err, QB_ERR_IO, "its answer has no seconds over 0");
    if (!err.status)
        take_number(answer, "peak_rss_bytes", &arm->peak_rss_bytes, &err);
    json_decref(answer);
    return settle_answer(arm, &err);
}
