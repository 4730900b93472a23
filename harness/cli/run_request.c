#include "run_request.h"

#include <unistd.h>

#include "base/cpu.h"
#include "base/escape.h"
#include "base/temp.h"
#include "cli.h"

static volatile sig_atomic_t stop_requests; /* a signal handler has no other way to speak */

static void on_stop(int signal_number)
{
    if (stop_requests++ > 0) {
        qb_temp_remove_all();
        _exit(128 + signal_number); /* the workers die with us */
    }
}

/* A terminal that is gone stops a run as Ctrl-C does; under nohup it goes on. */
const volatile sig_atomic_t *qb_await_stop(void)
{
    const struct sigaction action = {.sa_handler = on_stop};
    struct sigaction before;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        sigaction(SIGHUP, &action, NULL);
    return &stop_requests;
}

void qb_command_line(int argc, char **argv, struct qb_text *out)
{
    qb_text_add(out, "qinsbench");
    for (int i = 0; i < argc; i++) {
        qb_text_add(out, " ");
        qb_escape_shell(out, argv[i]);
    }
}

enum qb_status qb_repeats_add(struct qb_repeats *repeats, const char *flag, const char *value, struct qb_error *err)
{
    if (repeats->count == QB_REPEATS_MAX)
        return qb_fail(err, QB_ERR_INPUT, "%s: at most %d of them", flag, QB_REPEATS_MAX);
    repeats->all[repeats->count++] = value;
    return QB_OK;
}

unsigned qb_jobs(long asked, long threads)
{
    const unsigned fit = qb_cpu()->cores / (unsigned)threads, jobs = asked ? (unsigned)asked : fit > 0 ? fit : 1;
    return jobs > 256 ? 256 : jobs;
}

/* A plugin that was asked for and that no variant uses is most often a variant that names another codec. */
void qb_note_unused_codecs(const struct qb_registry *registry, const struct qb_suite *suite)
{
    for (size_t i = 0; i < qb_registry_count(registry); i++) {
        const struct qb_plugin *plugin = qb_registry_at(registry, i);
        bool used = !plugin->named;
        for (size_t v = 0; v < suite->variant_count && !used; v++) {
            const struct qb_format *formats[QB_VARIANT_FORMATS];
            qb_variant_formats(suite->variants[v], formats);
            for (size_t f = 0; f < QB_VARIANT_FORMATS; f++)
                used = used || formats[f]->plugin == plugin;
        }
        if (!used)
            qb_tell("note: plugin %s: no variant of the suite uses the codec '%s'", plugin->path, plugin->codec->id);
    }
}
