/* qinsbench run: a suite to a result file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/escape.h"
#include "base/text_format.h"
#include "cli.h"
#include "compute/kernels.h"
#include "compute/linear.h"
#include "progress.h"
#include "run/engine.h"
#include "run_request.h"
#include "run_table.h"

enum { OUTPUT, JOBS, THREADS, ONLY, RESUME, FORCE, SET, CODEC, ISA, BLAS_CORE, CACHE, CACHE_SIZE, QUIET };
static const struct qb_flag flags[] = {
    {"output", 'o', "FILE", "result file; default results/<name of the suite>.h5"},
    {"jobs", 'j', "N", "cells side by side; default: cores / threads"},
    {"threads", 0, "N", "threads of each cell; default 1; results do not depend on it"},
    {"only", 0, "M/V/E", "globs of model, variant and experiment; fewer parts: the rest is *; repeatable"},
    {"resume", 0, NULL, "keep every finished cell whose content key still holds"},
    {"force", 0, NULL, "drop the finished cells of -o that this run does not keep"},
    {"set", 0, "KEY=VALUE", "set a key of the suite first, e.g. models.source-chain.seed=7; repeatable"},
    {"codec", 0, "PLUGIN.so", "load a codec from outside; repeatable"},
    {"isa", 0, "LEVEL", "portable, avx2, avx512 or amx; default: the best that this CPU has"},
    {"blas-core", 0, "NAME", "OpenBLAS core type (OPENBLAS_CORETYPE), or auto"},
    {"cache", 0, "DIR", "folder of FP32 references that runs share; default: .cache beside the result file"},
    {"cache-size", 0, "BYTES", "its bound, such as 512MiB; 0: no cache; default 2GiB"},
    {"quiet", 'q', NULL, "only warnings and failures on stderr"},
    {0}};
static const struct qb_usage usage = {
    "run", "SUITE.yaml|NAME [options]",
    "Runs every cell (model x variant x experiment) of a suite in a process of its own and writes one HDF5 result\n"
    "file. Ctrl-C keeps what is finished; a second one stops at once. NAME is a shipped suite (list suites). Onto a\n"
    "file with finished cells it runs with --resume or --force alone.",
    flags,
    "  qinsbench run experiments/suites/source.yaml -o results/source.h5\n"
    "  qinsbench run source --only 'kjv-*/int8-*' -j 2\n"
    "  qinsbench run source --resume --set experiments.greedy.steps=1000\n"
    "  qinsbench run mine.yaml --codec ./my-codec.so"};

struct arguments {
    const char *output;
    struct qb_only only;
    long jobs, threads;
    bool resume, force, quiet;
    struct qb_repeats set, codec;
    enum qb_isa isa;
    const char *blas_core, *cache;
    uint64_t cache_size;
};

static enum qb_status take(struct arguments *a, int flag, struct qb_error *err)
{
    switch (flag) {
    case OUTPUT:
        a->output = optarg;
        return *optarg ? QB_OK : qb_fail(err, QB_ERR_INPUT, "-o: expected a file name");
    case JOBS:
        return qb_parse_count("-j", optarg, 1, 256, &a->jobs, err);
    case THREADS:
        return qb_parse_count("--threads", optarg, 1, 256, &a->threads, err);
    case ONLY:
        return qb_only_add(&a->only, optarg, err);
    case RESUME:
        a->resume = true;
        return QB_OK;
    case FORCE:
        a->force = true;
        return QB_OK;
    case SET:
        return qb_repeats_add(&a->set, "--set", optarg, err);
    case CODEC:
        return qb_repeats_add(&a->codec, "--codec", optarg, err);
    case ISA:
        return qb_parse_isa(optarg, &a->isa, err);
    case BLAS_CORE:
        a->blas_core = optarg;
        return QB_OK;
    case CACHE:
        a->cache = optarg;
        return *optarg ? QB_OK : qb_fail(err, QB_ERR_INPUT, "--cache: expected the name of a folder");
    case CACHE_SIZE:
        return qb_read_bytes(optarg, &a->cache_size)
                   ? QB_OK
                   : qb_fail(err, QB_ERR_INPUT,
                             "--cache-size: expected bytes such as 2GiB, 512MiB or 1048576, found '%s'", optarg);
    default:
        a->quiet = true;
        return QB_OK;
    }
}

/* OpenBLAS falls back silently when it does not know a core type. */
static enum qb_status check_core(const struct arguments *a, struct qb_error *err)
{
    if (!a->blas_core || strcmp(a->blas_core, "auto") == 0 || strcasecmp(a->blas_core, qb_blas_core()) == 0)
        return QB_OK;
    return qb_fail(err, QB_ERR_INPUT, "--blas-core %s: OpenBLAS does not know it or cannot run it here; it chose %s",
                   a->blas_core, qb_blas_core());
}

/* The main numbers, and where all are. That a result cannot be read is no fault of the run's that wrote it. */
static void tell_table(const char *output)
{
    struct qb_result *result = NULL;
    struct qb_error ignored = {0};
    struct qb_text table = {0};
    if (!qb_result_open(output, &result, &ignored))
        qb_run_table(result, qb_columns(STDERR_FILENO), &table);
    if (table.size) {
        qb_text_add(&table, "(all metrics, intervals and what marks mean: qinsbench show ");
        qb_escape_shell(&table, output);
        qb_text_add(&table, ")\n");
    }
    if (table.size && !table.failed)
        qb_tell_lines(table.data);
    qb_text_free(&table);
    qb_result_close(result);
}

static int tell(const struct qb_run_summary *summary, const char *output, bool quiet)
{
    char taken[64] = "", cached[64] = "", both[140] = "";
    if (!quiet)
        tell_table(output);
    if (summary->taken)
        snprintf(taken, sizeof taken, "%zu from an earlier run", summary->taken);
    if (summary->cached)
        snprintf(cached, sizeof cached, "%s%zu reference%s from the cache", summary->taken ? ", " : "", summary->cached,
                 summary->cached == 1 ? "" : "s");
    if (summary->taken || summary->cached)
        snprintf(both, sizeof both, " (%s%s)", taken, cached);
    if (!quiet || summary->failed)
        qb_tell("%zu of %zu cells done%s, %zu failed, %zu skipped%s; %.1f s; %s", summary->done, summary->total, both,
                summary->failed, summary->skipped, summary->interrupted ? ", interrupted (--resume goes on)" : "",
                summary->seconds, output);
    return summary->interrupted ? QB_EXIT_INTERRUPTED : summary->failed ? QB_EXIT_CELLS : QB_EXIT_DONE;
}

/* ".cache" in the folder of the result file. */
static void default_cache(const char *output, struct qb_text *out)
{
    const char *slash = strrchr(output, '/');
    qb_text_add(out, "%.*s.cache", slash ? (int)(slash + 1 - output) : 0, output);
}

/* The result file and the cache: as asked for, or where they usually are. */
static enum qb_status choose_places(const struct arguments *a, const struct qb_suite *suite, struct qb_text *output,
                                    struct qb_text *cache, struct qb_error *err)
{
    if (a->output)
        qb_text_add(output, "%s", a->output);
    else
        qb_text_add(output, "results/%s.h5", suite->name);
    if (a->cache)
        qb_text_add(cache, "%s", a->cache);
    else
        default_cache(output->data ? output->data : "", cache);
    return output->failed || cache->failed ? qb_fail(err, QB_ERR_MEMORY, "no memory") : QB_OK;
}

static enum qb_status run_suite(const struct arguments *a, const char *path, const char *command,
                                struct qb_run_summary *summary, struct qb_text *output, struct qb_error *err)
{
    struct qb_registry *registry = NULL;
    struct qb_suite *suite = NULL;
    struct qb_progress progress;
    struct qb_text cache = {0};
    if (qb_open_registry(a->codec.all, &registry, err) ||
        qb_suite_load(path, &(struct qb_suite_options){registry, a->isa, a->set.all, &a->only}, &suite, err))
        goto out;
    qb_note_unused_codecs(registry, suite);
    if (qb_yaml_get(suite->root, "search"))
        qb_tell("note: the suite's key 'search' is for qinsbench search; here every variant reads every chunk");
    if (choose_places(a, suite, output, &cache, err))
        goto out;
    const struct qb_run_options options = {.output = output->data,
                                           .cache = cache.data,
                                           .cache_most = a->cache_size,
                                           .only = &a->only,
                                           .resume = a->resume,
                                           .force = a->force,
                                           .jobs = qb_jobs(a->jobs, a->threads),
                                           .threads = (unsigned)a->threads,
                                           .isa = a->isa,
                                           .command = command,
                                           .stop = qb_await_stop(),
                                           .event = qb_progress_event,
                                           .context = &progress};
    qb_progress_begin(&progress, a->quiet);
    qb_run(suite, &options, summary, err);
    qb_progress_end(&progress);
out:
    qb_text_free(&cache);
    qb_suite_free(suite);
    qb_registry_free(registry);
    return err->status;
}

int qb_command_run(int argc, char **argv)
{
    struct qb_flags parse = {.usage = &usage};
    struct arguments a = {.threads = 1, .isa = qb_cpu()->isa, .cache_size = (uint64_t)2 << 30};
    struct qb_error err = {0};
    struct qb_text command = {0}, output = {0};
    struct qb_run_summary summary;
    char path[4096];
    int flag;
    qb_command_line(argc, argv, &command);
    while ((flag = qb_flags_next(&parse, argc, argv)) >= 0)
        if (take(&a, flag, &err))
            break;
    int code = parse.code;
    if (flag == QB_FLAG_STOP)
        goto out;
    if (!err.status && optind + 1 != argc)
        qb_fail(&err, QB_ERR_INPUT, "run: expected one suite, found %d (qinsbench run --help)", argc - optind);
    qb_kernels_use(a.isa);
    qb_await_stop();
    if (err.status || check_core(&a, &err) || qb_find_suite(argv[optind], path, &err) ||
        run_suite(&a, path, command.data, &summary, &output, &err))
        code = qb_complain_error(&err);
    else
        code = tell(&summary, output.data, a.quiet);
out:
    qb_text_free(&command);
    qb_text_free(&output);
    return code;
}
