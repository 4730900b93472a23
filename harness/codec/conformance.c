#include "codec/conformance.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "codec/calls.h"
#include "codec/conformance_checks.h"
#include "codec/guard.h"
#include "codec/options.h"

#define COMBINATIONS_MAX 64 /* over that, options are varied one at a time */

struct suite {
    const struct qb_plugin *plugin;
    enum qb_isa isa;
    struct qb_conformance_limits limits;
    qb_conformance_report *report;
    void *context;
    struct qb_conformance_summary *summary;
    struct qb_error *err;
};

/* The byte that a check's process sends first. */
static const char verdict_bytes[] = {[QB_VERDICT_PASS] = 'P', [QB_VERDICT_FAIL] = 'F', [QB_VERDICT_SKIP] = 'S'};

_Noreturn static void child(const struct qb_check *check, struct qb_check_case *c, int fd)
{
    qb_guard_catch(fd, verdict_bytes[QB_VERDICT_FAIL]);
    enum qb_verdict verdict = check->run(c);
    char text[1 + QB_CHECK_MESSAGE];
    int size = snprintf(text, sizeof text, "%c%s", verdict_bytes[verdict], c->message);
    _exit(write(fd, text, (size_t)size) == size ? 0 : 1);
}

/* Reads until the other end closes or the time is over; false then. */
static bool receive(int fd, double seconds, char *text, size_t room)
{
    double end = qb_clock() + seconds;
    size_t size = 0;
    for (;;) {
        double left = end - qb_clock();
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int ready = left > 0 ? poll(&wait, 1, (int)(left * 1000) + 1) : 0;
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return false;
        ssize_t got = read(fd, text + size, room - 1 - size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return true;
        size += (size_t)got;
        text[size] = '\0';
    }
}

static enum qb_verdict judge(const struct suite *suite, const struct qb_check *check, bool in_time, int status,
                             const char *text, char *message)
{
    if (!in_time) {
        snprintf(message, QB_CHECK_MESSAGE, "hung: over %g s in check '%s'", suite->limits.seconds, check->name);
        return QB_VERDICT_FAIL;
    }
    if (WIFSIGNALED(status)) {
        const char *name = sigabbrev_np(WTERMSIG(status));
        snprintf(message, QB_CHECK_MESSAGE, "crashed with signal %d (SIG%s) in check '%s'", WTERMSIG(status),
                 name ? name : "?", check->name);
        return QB_VERDICT_FAIL;
    }
    for (int verdict = QB_VERDICT_PASS; verdict <= QB_VERDICT_SKIP; verdict++) {
        if (WEXITSTATUS(status) == 0 && text[0] == verdict_bytes[verdict]) {
            snprintf(message, QB_CHECK_MESSAGE, "%s", text + 1);
            return (enum qb_verdict)verdict;
        }
    }
    snprintf(message, QB_CHECK_MESSAGE, "ended the process with status %d in check '%s'", WEXITSTATUS(status),
             check->name);
    return QB_VERDICT_FAIL;
}

/* Runs one check in a process of its own. */
static enum qb_status run_check(struct suite *suite, const struct qb_check *check, struct qb_check_case *c,
                                enum qb_verdict *verdict)
{
    int ends[2];
    if (pipe(ends) != 0)
        return qb_fail(suite->err, QB_ERR_IO, "conformance: pipe: %s", strerror(errno));
    c->message[0] = '\0';
    fflush(NULL); /* or the child would hold a copy of what is buffered */
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        child(check, c, ends[1]);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return qb_fail(suite->err, QB_ERR_IO, "conformance: fork: %s", strerror(errno));
    }
    char text[1 + QB_CHECK_MESSAGE] = "";
    bool in_time = receive(ends[0], suite->limits.seconds, text, sizeof text);
    close(ends[0]);
    if (!in_time)
        kill(pid, SIGKILL);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    *verdict = judge(suite, check, in_time, status, text, c->message);
    return QB_OK;
}

static void tell(struct suite *suite, const char *check, const char *options, enum qb_verdict verdict,
                 const char *message)
{
    size_t *counts[] = {[QB_VERDICT_PASS] = &suite->summary->passed,
                        [QB_VERDICT_FAIL] = &suite->summary->failed,
                        [QB_VERDICT_SKIP] = &suite->summary->skipped};
    ++*counts[verdict];
    struct qb_conformance_result result = {check, options, verdict, message};
    if (suite->report)
        suite->report(suite->context, &result);
}

static enum qb_status run_combination(struct suite *suite, const struct qb_format *format, bool defaults)
{
    struct qb_text options = {0};
    qb_text_add(&options, "%s", "");
    qb_format_print(format, &options);
    struct qb_check_case c = {
        .codec = suite->plugin->codec, .config = format->config, .defaults = defaults, .seed = suite->limits.seed};
    if (options.failed)
        qb_fail(suite->err, QB_ERR_MEMORY, "conformance: no memory");
    for (const struct qb_check *check = qb_checks; !suite->err->status && check->name; check++) {
        enum qb_verdict verdict = QB_VERDICT_FAIL;
        if (!run_check(suite, check, &c, &verdict))
            tell(suite, check->name, options.data, verdict, c.message);
    }
    qb_text_free(&options);
    return suite->err->status;
}

/* The values of an option that are worth a run: the default is value 0. */
static size_t values_of(const struct qb_codec_option *option, union qb_option_value *values, size_t room)
{
    struct qb_error ignored = {0};
    size_t count = 0;
    qb_option_parse(option, option->default_value, &values[count++], &ignored);
    union qb_option_value more[16] = {0};
    size_t found = 0;
    switch (option->type) {
    case QB_OPTION_INT:
        more[found++].i = (int64_t)option->min;
        more[found++].i = (int64_t)option->max;
        break;
    case QB_OPTION_FLOAT:
        more[found++].f = option->min;
        more[found++].f = option->max;
        break;
    case QB_OPTION_BOOL:
        more[found++].i = !values[0].i;
        break;
    case QB_OPTION_CHOICE:
        more[found++].i = 0;
        for (const char *at = option->choices; *at && found < 16; at++)
            if (*at == '|') {
                more[found].i = more[found - 1].i + 1;
                found++;
            }
        break;
    case QB_OPTION_SCOPE:
        more[found++].scope = (struct qb_scope){.kind = QB_SCOPE_TENSOR};
        more[found++].scope = (struct qb_scope){.kind = QB_SCOPE_ROW};
        more[found++].scope = (struct qb_scope){.kind = QB_SCOPE_GROUP, .group = 32};
        more[found++].scope = (struct qb_scope){.kind = QB_SCOPE_GROUP, .group = 5};
        break;
    case QB_OPTION_SIZE:
        more[found++].i = 0;
        more[found++].i = (int64_t)option->min;
        more[found++].i = (int64_t)option->max;
        break;
    }
    for (size_t i = 0; i < found && count < room; i++)
        if (memcmp(&more[i], &values[0], sizeof more[i]) != 0)
            values[count++] = more[i];
    return count;
}

static enum qb_status run_all(struct suite *suite, struct qb_format *format)
{
    union qb_option_value values[QB_OPTIONS_MAX][16];
    memset(values, 0, sizeof values);
    size_t counts[QB_OPTIONS_MAX], total = 1, n = format->value_count;
    const struct qb_codec_option *options = suite->plugin->codec->options;
    for (size_t i = 0; i < n; i++) {
        counts[i] = values_of(&options[i], values[i], 16);
        total = total > COMBINATIONS_MAX ? total : total * counts[i];
    }
    if (run_combination(suite, format, true))
        return suite->err->status;
    if (total > COMBINATIONS_MAX) { /* one at a time */
        for (size_t i = 0; i < n; i++) {
            for (size_t v = 1; v < counts[i]; v++) {
                format->values[i] = values[i][v];
                if (run_combination(suite, format, false))
                    return suite->err->status;
            }
            format->values[i] = values[i][0];
        }
        return QB_OK;
    }
    for (size_t index = 1; index < total; index++) { /* index in a mixed radix */
        size_t rest = index;
        for (size_t i = 0; i < n; i++) {
            format->values[i] = values[i][rest % counts[i]];
            rest /= counts[i];
        }
        if (run_combination(suite, format, false))
            return suite->err->status;
    }
    return QB_OK;
}

enum qb_status qb_conformance(const struct qb_plugin *plugin, enum qb_isa isa,
                              const struct qb_conformance_limits *limits, qb_conformance_report *report, void *context,
                              struct qb_conformance_summary *summary, struct qb_error *err)
{
    *summary = (struct qb_conformance_summary){0};
    struct suite suite = {.plugin = plugin,
                          .isa = isa,
                          .limits = limits ? *limits : (struct qb_conformance_limits){.seed = 1},
                          .report = report,
                          .context = context,
                          .summary = summary,
                          .err = err};
    if (!(suite.limits.seconds > 0))
        suite.limits.seconds = 10;
    struct qb_format format;
    if (qb_format_make(plugin, NULL, isa, &format, err))
        return err->status;
    run_all(&suite, &format);
    qb_format_free(&format);
    return err->status;
}
