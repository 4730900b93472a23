/* qinsbench search: the variants of a suite race for the least KL on calibration text. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cpu.h"
#include "base/text_format.h"
#include "cli.h"
#include "compute/kernels.h"
#include "progress.h"
#include "run/search.h"
#include "run_request.h"

enum { FOLDER, JOBS, THREADS, SEED, FORCE, SET, CODEC, OUTPUT, QUIET };
static const struct qb_flag flags[] = {
    {"folder", 'o', "DIR", "of the rungs' result files; default results/<name of the suite>.search"},
    {"jobs", 'j', "N", "cells side by side; default: cores / threads"},
    {"threads", 0, "N", "threads of each cell; default 1; results do not depend on it"},
    {"seed", 0, "N", "where the chunks lie in the text; default: the suite's"},
    {"force", 0, NULL, "drop the finished cells in DIR that this search does not keep"},
    {"set", 0, "KEY=VALUE", "set a key of the suite first, e.g. search.rungs=2; repeatable"},
    {"codec", 0, "PLUGIN.so", "load a codec from outside; repeatable"},
    {"output", 0, "FORMAT", "console (default), csv, json or markdown"},
    {"quiet", 'q', NULL, "only warnings and failures on stderr"},
    {0}};
static const struct qb_usage usage = {
    "search", "SUITE.yaml [options]",
    "Races the suite's variants (lists of option values make one each) for the least mean KL, in rungs with more and\n"
    "more chunks of calibration text. At each rung those in the lower half that are significantly worse than the best\n"
    "of their race, by paired differences and Holm's adjustment, leave. Prints the whole landscape. A search that was\n"
    "stopped or killed goes on where it was. DIR/search.h5 holds each variant's last cell, for show, compare, report.\n"
    "The suite's key 'search' says races by bits, rungs, and the texts that its corpus must be apart from.",
    flags,
    "  qinsbench search experiments/suites/search-qinsc.yaml -o results/qinsc\n"
    "  qinsbench search mine.yaml --seed 2 --output csv >landscape.csv\n"
    "  qinsbench report results/qinsc/search.h5 -o results/qinsc/report"};

struct request {
    const char *folder, *seed;
    struct qb_repeats set, codec;
    long jobs, threads;
    bool force, quiet;
    enum qb_output output;
    char seed_set[32];
};

static enum qb_status take(struct request *r, int flag, struct qb_error *err)
{
    long seed;
    switch (flag) {
    case FOLDER:
        r->folder = optarg;
        return *optarg ? QB_OK : qb_fail(err, QB_ERR_INPUT, "-o: expected the name of a folder");
    case JOBS:
        return qb_parse_count("-j", optarg, 1, 256, &r->jobs, err);
    case THREADS:
        return qb_parse_count("--threads", optarg, 1, 256, &r->threads, err);
    case SEED:
        if (qb_parse_count("--seed", optarg, 0, UINT32_MAX, &seed, err))
            return err->status;
        snprintf(r->seed_set, sizeof r->seed_set, "seed=%ld", seed);
        return qb_repeats_add(&r->set, "--seed", r->seed_set, err);
    case SET:
        return qb_repeats_add(&r->set, "--set", optarg, err);
    case CODEC:
        return qb_repeats_add(&r->codec, "--codec", optarg, err);
    case OUTPUT:
        return qb_parse_output(optarg, &r->output, err);
    default:
        r->force = r->force || flag == FORCE;
        r->quiet = r->quiet || flag == QUIET;
        return QB_OK;
    }
}

static void tell_rung(void *context, const char *model, size_t rung, size_t rungs, size_t chunks, size_t variants)
{
    const struct request *r = context;
    if (!r->quiet)
        qb_tell("%s: rung %zu of %zu: %zu variants, %zu chunks", model, rung, rungs, variants, chunks);
}

/* ---- the landscape ---- */

/* "8.25": what bounds the row's race; "over": no race takes so many bits; "": one race without a bound. */
static void race_text(const struct qb_search *search, const struct qb_search_row *row, struct qb_text *out)
{
    if (row->state == QB_SEARCH_OVER)
        qb_text_add(out, "over");
    else if (row->race < search->plan.races && isfinite(search->plan.bits[row->race]))
        qb_csv_number(out, search->plan.bits[row->race], true);
    else
        qb_text_add(out, "%s", "");
}

static void listing(const struct qb_search *search, enum qb_output output, struct qb_text *out)
{
    static const char *const columns[] = {"model", "race",   "variant",    "options", "bits", "kl_mean",
                                          "lo",    "hi",     "difference", "least",   "most", "holm",
                                          "rung",  "chunks", "state",      "note",    NULL};
    static const bool numeric[] = {0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0};
    struct qb_listing table = {.columns = columns, .numeric = numeric};
    for (size_t i = 0; i < search->count; i++) {
        const struct qb_search_row *row = &search->rows[i];
        const double numbers[] = {row->bits,       row->kl,    row->lo,   row->hi,
                                  row->difference, row->least, row->most, row->holm};
        struct qb_text texts[11] = {0};
        for (size_t k = 0; k < 8; k++)
            qb_csv_number(&texts[k], numbers[k], !isnan(numbers[k]));
        qb_text_add(&texts[8], "%zu", row->rung);
        qb_text_add(&texts[9], "%zu", row->chunks);
        race_text(search, row, &texts[10]);
        qb_listing_add(&table,
                       (const char *[]){row->model, texts[10].data, row->variant, row->options, texts[0].data,
                                        texts[1].data, texts[2].data, texts[3].data, texts[4].data, texts[5].data,
                                        texts[6].data, texts[7].data, texts[8].data, texts[9].data,
                                        qb_search_state_name(row->state), row->message ? row->message : ""});
        for (size_t k = 0; k < 11; k++) {
            table.failed = table.failed || texts[k].failed;
            qb_text_free(&texts[k]);
        }
    }
    qb_listing_print(&table, output, out);
    qb_listing_free(&table);
}

static bool heads_race(const struct qb_search *search, size_t i)
{
    const struct qb_search_row *row = &search->rows[i], *before = &search->rows[i ? i - 1 : 0];
    return i == 0 || strcmp(row->model, before->model) != 0 || row->race != before->race;
}

static void console_row(const struct qb_search_row *row, struct qb_text *out)
{
    struct qb_text kl = {0}, difference = {0};
    if (!isnan(row->kl))
        qb_text_add(&kl, "%.4g [%.4g, %.4g]", row->kl, row->lo, row->hi);
    if (!isnan(row->holm))
        qb_text_add(&difference, "%+.2g [%+.2g, %+.2g], p %.2g", row->difference, row->least, row->most, row->holm);
    qb_text_add(out, "  %-32s %7.3f  %-36s %4zu %6zu  %-8s %s%s\n", row->variant, row->bits, kl.data ? kl.data : "-",
                row->rung, row->chunks, qb_search_state_name(row->state), difference.data ? difference.data : "",
                row->message ? row->message : "");
    out->failed = out->failed || kl.failed || difference.failed;
    qb_text_free(&kl);
    qb_text_free(&difference);
}

static void console(const struct qb_search *search, struct qb_text *out)
{
    for (size_t i = 0; i < search->count; i++) {
        const struct qb_search_row *row = &search->rows[i];
        struct qb_text race = {0};
        race_text(search, row, &race);
        if (heads_race(search, i)) {
            qb_text_add(out, "%s%s, %s%s\n", i ? "\n" : "", row->model,
                        row->race == search->plan.races ? "no race"
                        : race.size                     ? "up to bits "
                                                        : "all",
                        row->race == search->plan.races || !race.size ? "" : race.data);
            qb_text_add(out, "  %-32s %7s  %-36s %4s %6s  %-8s %s\n", "variant", "bits", "mean KL, nat", "rung",
                        "chunks", "state", "from the best");
        }
        qb_text_free(&race);
        console_row(row, out);
    }
    qb_text_add(
        out,
        "\nbest: of its race at the last rung; level: not told apart from it; worse: significantly, there; "
        "dropped: in the\nlower half and significantly worse at its rung; over: too many bits. p: two-sided, of "
        "the paired difference over the\nrung's chunks, adjusted by Holm over the race; alpha %g. Calibration "
        "text chose these: hold the choice against\nothers on held-out text.\n",
        search->plan.alpha);
}

/* ---- the command ---- */

static enum qb_status search(const struct request *r, const char *path, const char *command,
                             struct qb_registry *registry, struct qb_search **found, struct qb_text *folder,
                             struct qb_error *err)
{
    struct qb_progress progress;
    struct qb_suite *suite = NULL;
    struct qb_text cache = {0};
    const enum qb_isa isa = qb_cpu()->isa;
    const struct qb_suite_options read = {.registry = registry, .isa = isa, .set = r->set.all};
    if (qb_suite_load(path, &read, &suite, err)) /* for its name, and for what it does not use */
        goto out;
    qb_note_unused_codecs(registry, suite);
    qb_text_add(folder, r->folder ? "%s" : "results/%s.search", r->folder ? r->folder : suite->name);
    qb_text_add(&cache, "%s/.cache", folder->data ? folder->data : "");
    if (folder->failed || cache.failed) {
        qb_fail(err, QB_ERR_MEMORY, "no memory");
        goto out;
    }
    const struct qb_search_options options = {.suite = read,
                                              .run = {.cache = cache.data,
                                                      .cache_most = (uint64_t)2 << 30,
                                                      .force = r->force,
                                                      .jobs = qb_jobs(r->jobs, r->threads),
                                                      .threads = (unsigned)r->threads,
                                                      .isa = isa,
                                                      .command = command,
                                                      .stop = qb_await_stop(),
                                                      .event = qb_progress_event,
                                                      .context = &progress},
                                              .folder = folder->data,
                                              .rung = tell_rung,
                                              .context = (void *)(uintptr_t)r};
    qb_progress_begin(&progress, r->quiet);
    qb_search_run(path, &options, found, err);
    qb_progress_end(&progress);
out:
    qb_suite_free(suite);
    qb_text_free(&cache);
    return err->status;
}

static int print(const struct request *r, const struct qb_search *search, const char *folder)
{
    struct qb_text out = {0};
    if (search->interrupted) {
        qb_tell("interrupted; the same command goes on where it was: %s", folder);
        return QB_EXIT_INTERRUPTED;
    }
    if (r->output == QB_OUTPUT_CONSOLE)
        console(search, &out);
    else
        listing(search, r->output, &out);
    const int code = qb_print(&out);
    qb_text_free(&out);
    if (!r->quiet)
        qb_tell("%s/search.h5 has each variant's last cell (qinsbench show, compare, report)", folder);
    return code ? code : search->cells_failed ? QB_EXIT_CELLS : QB_EXIT_DONE;
}

int qb_command_search(int argc, char **argv)
{
    struct qb_flags parse = {.usage = &usage};
    struct request r = {.threads = 1};
    struct qb_error err = {0};
    struct qb_text command = {0}, folder = {0};
    struct qb_registry *registry = NULL;
    struct qb_search *found = NULL;
    char path[4096];
    int flag;
    qb_command_line(argc, argv, &command);
    while ((flag = qb_flags_next(&parse, argc, argv)) >= 0)
        if (take(&r, flag, &err))
            break;
    int code = parse.code;
    if (flag == QB_FLAG_STOP)
        goto out;
    if (!err.status && optind + 1 != argc)
        qb_fail(&err, QB_ERR_INPUT, "search: expected one suite, found %d (qinsbench search --help)", argc - optind);
    qb_kernels_use(qb_cpu()->isa);
    qb_await_stop();
    if (err.status || qb_find_suite(argv[optind], path, &err) || qb_open_registry(r.codec.all, &registry, &err) ||
        search(&r, path, command.data, registry, &found, &folder, &err))
        code = qb_complain_error(&err);
    else
        code = print(&r, found, folder.data);
out:
    qb_search_free(found);
    qb_registry_free(registry);
    qb_text_free(&command);
    qb_text_free(&folder);
    return code;
}
