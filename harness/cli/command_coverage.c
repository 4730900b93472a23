/* coverage: what the 95% intervals really cover, by simulation. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "cli.h"
#include "metric/metric.h"

enum { FLAG_TRIALS, FLAG_CLUSTERS, FLAG_ICC, FLAG_OUTPUT, FLAG_THREADS };
static const struct qb_flag flags[] = {
    {"trials", 0, "N", "trials a row; default 1000, the shipped table has 10000"},
    {"clusters", 0, "LIST", "numbers of clusters, such as 10,20 (default 10,20,40,160)"},
    {"icc", 0, "X", "correlation of two positions of a cluster, 0 to under 1; default 0.05"},
    {"output", 0, "FORMAT", "console (default), csv, json or markdown"},
    {"threads", 'j', "N", "threads; default 1. The numbers do not depend on them"},
    {0}};
static const struct qb_usage usage = {
    .name = "coverage",
    .synopsis = "[options]",
    .summary =
        "Draws clustered data whose mean is known (normal, skewed like KL, heavy-tailed, and a share of rare misses; "
        "128\n"
        "positions a cluster) and counts how often each 95% interval holds that mean, beside the interval that takes\n"
        "positions for independent. The number of clusters decides the method by this table.\n"
        "covered, its Monte-Carlo error (half a 95% interval), shipped (the program's own table), below, above (the\n"
        "interval misses on that side) and none (no interval) are percent; width is over cluster-t's, the median.",
    .flags = flags,
    .examples = "  qinsbench coverage\n"
                "  qinsbench coverage --trials 10000 --clusters 20 --threads 8 --output csv",
};

enum { SIZES_MAX = 32 };
struct request {
    size_t sizes[SIZES_MAX], size_count;
    long trials, threads;
    double icc;
    enum qb_output output;
};

static enum qb_status parse_sizes(char *text, struct request *r, struct qb_error *err)
{
    r->size_count = 0;
    for (char *save, *part = strtok_r(text, ",", &save); part; part = strtok_r(NULL, ",", &save)) {
        long n;
        if (r->size_count == SIZES_MAX)
            return qb_fail(err, QB_ERR_INPUT, "--clusters: expected at most %d numbers", SIZES_MAX);
        if (qb_parse_count("--clusters", part, 2, 100000, &n, err))
            return err->status;
        r->sizes[r->size_count++] = (size_t)n;
    }
    if (r->size_count == 0)
        return qb_fail(err, QB_ERR_INPUT, "--clusters: expected numbers such as 10,20");
    return QB_OK;
}

static enum qb_status parse_icc(const char *text, double *icc, struct qb_error *err)
{
    char *end;
    *icc = strtod(text, &end);
    if (end == text || *end || !(*icc >= 0 && *icc < 1))
        return qb_fail(err, QB_ERR_INPUT, "--icc: expected a number from 0 to under 1, found '%s'", text);
    return QB_OK;
}

static enum qb_status take(int flag, struct request *r, struct qb_error *err)
{
    switch (flag) {
    case FLAG_TRIALS:
        return qb_parse_count("--trials", optarg, 1, 10000000, &r->trials, err);
    case FLAG_CLUSTERS:
        return parse_sizes(optarg, r, err);
    case FLAG_ICC:
        return parse_icc(optarg, &r->icc, err);
    case FLAG_THREADS:
        return qb_parse_count("--threads", optarg, 1, 256, &r->threads, err);
    default:
        return qb_parse_output(optarg, &r->output, err);
    }
}

/* QB_FLAG_END: go on; else the exit code. */
static int parse(int argc, char **argv, struct request *r)
{
    struct qb_flags parse = {.usage = &usage};
    struct qb_error err = {0};
    int flag;
    while ((flag = qb_flags_next(&parse, argc, argv)) >= 0)
        if (take(flag, r, &err))
            return qb_complain_error(&err);
    if (flag == QB_FLAG_STOP)
        return parse.code;
    if (optind != argc)
        return qb_complain("coverage: expected no argument, found '%s' (qinsbench coverage --help)", argv[optind]);
    return QB_FLAG_END;
}

/* The shipped value of method (QB_METHODS: iid); NaN when it is not tabled. */
static double shipped(const struct qb_coverage_design *design, int method)
{
    size_t rows;
    const struct qb_coverage_row *row = qb_coverage_table(&rows);
    for (size_t i = 0; i < rows && design->icc == QB_COVERAGE_ICC; i++)
        if (row[i].population == design->population && row[i].clusters == design->clusters)
            return method == QB_METHODS ? row[i].iid : row[i].covered[method];
    return NAN;
}

static const char *print(char text[32], const char *format, double x)
{
    if (isnan(x))
        return "";
    snprintf(text, 32, format, x);
    return text;
}

static const char *const columns[] = {"population", "clusters", "method", "covered", "error", "shipped",
                                      "below",      "above",    "width",  "none",    NULL};
static const bool numeric[] = {false, true, false, true, true, true, true, true, true, true};

static void add(struct qb_listing *listing, const struct qb_coverage_design *design, int method,
                const struct qb_coverage *c)
{
    char text[8][32];
    double given = round((double)design->trials * (1 - c->none / 100)), lo, hi;
    qb_wilson((uint64_t)round(given * fmax(c->covered, 0) / 100), (uint64_t)given, &lo, &hi);
    snprintf(text[0], sizeof text[0], "%zu", design->clusters);
    qb_listing_add(listing, (const char *[]){
                                qb_population_name(design->population), text[0],
                                method == QB_METHODS ? "iid" : qb_interval_method_name((enum qb_interval_method)method),
                                print(text[1], "%.2f", c->covered), print(text[2], "%.2f", 50 * (hi - lo)),
                                print(text[3], "%.2f", shipped(design, method)), print(text[4], "%.2f", c->below),
                                print(text[5], "%.2f", c->above), print(text[6], "%.3f", c->width),
                                print(text[7], "%.2f", c->none)});
}

static enum qb_status simulate(const struct request *r, struct qb_pool *pool, struct qb_listing *listing,
                               struct qb_error *err)
{
    for (size_t i = 0; i < r->size_count; i++)
        for (int population = 0; population < QB_POPULATIONS; population++) {
            bool share = qb_population_kind((enum qb_population)population) == QB_KIND_SHARE;
            struct qb_coverage_design design = {(enum qb_population)population, r->sizes[i], (size_t)r->trials, r->icc,
                                                (1u << QB_METHODS) - 1 - (share ? 0 : 1u << QB_METHOD_WILSON)};
            struct qb_coverage methods[QB_METHODS], iid;
            if (!qb_coverage_simulate(pool, &design, methods, &iid))
                return qb_fail(err, QB_ERR_MEMORY, "coverage of %zu clusters: memory ran out", design.clusters);
            for (int m = 0; m < QB_METHODS; m++)
                if (design.methods >> m & 1)
                    add(listing, &design, m, &methods[m]);
            add(listing, &design, QB_METHODS, &iid);
        }
    return QB_OK;
}

int qb_command_coverage(int argc, char **argv)
{
    struct request r = {
        .sizes = {10, 20, 40, 160}, .size_count = 4, .trials = 1000, .threads = 1, .icc = QB_COVERAGE_ICC};
    struct qb_listing listing = {.columns = columns, .numeric = numeric};
    struct qb_pool *pool = NULL;
    struct qb_error err = {0};
    struct qb_text out = {0};
    int code = parse(argc, argv, &r);
    if (code != QB_FLAG_END)
        return code;
    if (qb_pool_create((unsigned)r.threads, &pool, &err) || simulate(&r, pool, &listing, &err)) {
        code = qb_complain_error(&err);
    } else {
        qb_listing_print(&listing, r.output, &out);
        code = qb_print(&out);
    }
    qb_text_free(&out);
    qb_listing_free(&listing);
    qb_pool_free(pool);
    return code;
}
