/* qinsbench compare: two result files, or two variants of one. */
#include <stdio.h>
#include <string.h>

#include "base/only.h"
#include "compare_output.h"

enum { METRIC, ONLY, VARIANTS, CHANGED, FORCE, OUTPUT };
static const struct qb_flag flags[] = {
    {"metric", 0, "GLOB", "metrics to compare; repeatable"},
    {"only", 0, "M/V/E", "globs of model, variant and experiment; fewer parts: the rest is *; repeatable"},
    {"variants", 0, "A,B", "compare two variants of one result file"},
    {"changed", 0, NULL, "leave out metrics that are equal in both; p values stay adjusted over all"},
    {"force", 0, NULL, "compare although model bytes, tokenizer or experiment options differ"},
    {"output", 0, "FORMAT", "console (default), csv, json or markdown"},
    {0}};
static const struct qb_usage usage = {
    .name = "compare",
    .synopsis = "A.h5 B.h5 [options] | RESULT.h5 --variants A,B [options]",
    .summary =
        "Prints every metric that both have, the difference B - A with its 95% interval and p value, and p adjusted\n"
        "over the whole table (Holm, Benjamini-Hochberg). Equal inputs are compared pairwise, cluster by cluster; "
        "others\n"
        "as independent samples, which the note says. top1_agreement has McNemar's exact test beside it. What differs\n"
        "beside the variant (inputs, a variant's definition, codec, machine) is said first; another model, tokenizer "
        "or\n"
        "options under the same name is no comparison and ends with exit code 2.",
    .flags = flags,
    .examples = "  qinsbench compare old.h5 new.h5 --metric 'kl_*'\n"
                "  qinsbench compare results/source.h5 --variants pattern-a,int8-channel --only 'kjv-*'",
};

struct request {
    const char *a, *b; /* files; b NULL with variants */
    struct qb_globs metrics;
    char variants[2][128];
    struct qb_only only;
    bool force, changed;
    enum qb_output output;
};

static enum qb_status parse_variants(const char *text, struct request *r, struct qb_error *err)
{
    size_t n = strcspn(text, ",");
    const char *second = text[n] ? text + n + 1 : "";
    if (n == 0 || n >= sizeof r->variants[0] || !*second || strchr(second, ',') ||
        strlen(second) >= sizeof r->variants[1])
        return qb_fail(err, QB_ERR_INPUT, "--variants: expected two names with a comma between, found '%s'", text);
    snprintf(r->variants[0], sizeof r->variants[0], "%.*s", (int)n, text);
    snprintf(r->variants[1], sizeof r->variants[1], "%s", second);
    return QB_OK;
}

/* QB_FLAG_END: go on; else the exit code. */
static int parse(int argc, char **argv, struct request *r)
{
    struct qb_flags parse = {.usage = &usage};
    struct qb_error err = {0};
    int flag;
    *r = (struct request){0};
    while ((flag = qb_flags_next(&parse, argc, argv)) >= 0) {
        if (flag == FORCE)
            r->force = true;
        else if (flag == CHANGED)
            r->changed = true;
        else if (flag == METRIC     ? qb_globs_add(&r->metrics, "--metric", optarg, &err)
                 : flag == ONLY     ? qb_only_add(&r->only, optarg, &err)
                 : flag == VARIANTS ? parse_variants(optarg, r, &err)
                                    : qb_parse_output(optarg, &r->output, &err))
            return qb_complain_error(&err);
    }
    if (flag == QB_FLAG_STOP)
        return parse.code;
    int files = argc - optind, expected = r->variants[0][0] ? 1 : 2;
    if (files != expected)
        return qb_complain("compare: expected %s, found %d (qinsbench compare --help)",
                           expected == 2 ? "two result files, or one and --variants A,B"
                                         : "one result file with "
                                           "--variants",
                           files);
    for (size_t i = 0; i < r->only.count && expected == 1; i++)
        if (strcmp(r->only.any[i].part[1], "*") != 0)
            return qb_complain("compare: --only names the variant '%s', but --variants chooses them: expected "
                               "--only 'MODEL/*/EXPERIMENT'",
                               r->only.any[i].part[1]);
    r->a = argv[optind];
    r->b = expected == 2 ? argv[optind + 1] : NULL;
    return QB_FLAG_END;
}

/* ---- the command ---- */

static int print(const struct request *r, struct qb_compare *compare)
{
    const struct qb_compare_heads heads = {r->b ? r->a : r->variants[0], r->b ? r->b : r->variants[1], !r->b};
    struct qb_text out = {0}, said = {0};
    if (compare->count == 0)
        return qb_complain("compare: no metric that both have (%s): %zu cells only in A, %zu only in B, %zu failed or "
                           "skipped",
                           r->b ? "the same model, variant and experiment" : "the same model and experiment",
                           compare->only_a, compare->only_b, compare->unfinished);
    if (r->changed)
        qb_compare_drop_equal(compare);
    qb_compare_print(compare, &heads, r->output, &out, &said);
    qb_tell_lines(said.data ? said.data : "");
    int code = qb_print(&out);
    qb_text_free(&said);
    qb_text_free(&out);
    return code;
}

static enum qb_status open_arm(const char *path, struct qb_result **result, struct qb_baseline **cells,
                               struct qb_compare_arm *arm, struct qb_error *err)
{
    if (qb_result_open(path, result, err) || qb_baseline_from_result(*result, cells, err))
        return err->status;
    arm->result = *result;
    arm->cells = *cells;
    return QB_OK;
}

/* Names, not globs: a variant's own characters mean themselves. Each that is not there is named. */
static enum qb_status check_variants(const struct qb_choice *variants, const char names[2][128], struct qb_error *err)
{
    struct qb_text said = {0};
    for (size_t k = 0; k < 2; k++) {
        bool known = false;
        for (size_t i = 0; i < variants->count && !known; i++)
            known = strcmp(variants->names[i], names[k]) == 0;
        if (known)
            continue;
        qb_text_add(&said, "%s", said.size ? "; " : "");
        qb_choice_miss(variants, "variant", names[k], &said);
    }
    if (said.size)
        qb_fail(err, QB_ERR_INPUT, "--variants: %s", said.data);
    qb_text_free(&said);
    return err->status;
}

/* Does each filter choose something? */
static enum qb_status check_filters(const struct request *r, const struct qb_compare_arm *a,
                                    const struct qb_compare_arm *b, struct qb_error *err)
{
    const struct qb_compare_arm *arms[] = {a, b};
    struct qb_only_cells cells = {0};
    struct qb_choice variants = {0}, metrics = {0};
    for (size_t k = 0; k < (r->b ? 2u : 1u); k++)
        for (size_t i = 0; i < arms[k]->cells->count; i++) {
            const struct qb_baseline_cell *cell = &arms[k]->cells->cells[i];
            qb_only_see(&cells, &r->only, cell->model, cell->variant, cell->experiment);
            qb_choice_add(&variants, cell->variant);
            for (size_t m = 0;
                 m < cell->metric_count && qb_only_matches(&r->only, cell->model, cell->variant, cell->experiment); m++)
                qb_choice_add(&metrics, cell->metrics[m].name);
        }
    qb_only_check(&r->only, &cells, err);
    if (!r->b && !err->status)
        check_variants(&variants, r->variants, err);
    if (!err->status)
        qb_globs_check(&r->metrics, &metrics, "--metric", "metric of the chosen cells", err);
    qb_only_cells_free(&cells);
    qb_choice_free(&variants);
    qb_choice_free(&metrics);
    return err->status;
}

int qb_command_compare(int argc, char **argv)
{
    struct request r;
    struct qb_error err = {0};
    struct qb_result *results[2] = {NULL, NULL};
    struct qb_baseline *cells[2] = {NULL, NULL};
    struct qb_compare_arm a = {0}, b = {0};
    struct qb_compare *compare = NULL;
    int code = parse(argc, argv, &r);
    if (code != QB_FLAG_END)
        return code;
    const struct qb_compare_options options = {.only = r.only, .metrics = r.metrics, .force = r.force};
    if (!open_arm(r.a, &results[0], &cells[0], &a, &err) && r.b)
        open_arm(r.b, &results[1], &cells[1], &b, &err);
    if (!r.b) {
        b = a;
        a.variant = r.variants[0];
        b.variant = r.variants[1];
    }
    code = err.status || check_filters(&r, &a, &b, &err) || qb_compare_run(&a, &b, &options, &compare, &err)
               ? qb_complain_error(&err)
               : print(&r, compare);
    qb_compare_free(compare);
    for (size_t i = 0; i < 2; i++) {
        qb_baseline_free(cells[i]);
        qb_result_close(results[i]);
    }
    return code;
}
