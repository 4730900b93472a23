/* claims: the ledger of published numbers against a result file. */
#include <string.h>

#include "cli.h"
#include "base/data_path.h"
#include "reports/claims.h"

#define RESULTS_MAX 16

enum { FLAG_OUTPUT, FLAG_CLAIMS, FLAG_ALLOW_MISSING };
static const struct qb_flag flags[] = {
    {"output", 0, "FORMAT", "console (default), json, csv or markdown"},
    {"claims", 0, "DIR", "the ledger's YAML files (default: the shipped data/claims)"},
    {"allow-missing", 0, NULL, "a number whose cell was not run is no failure"},
    {0}};
static const struct qb_usage usage = {
    .name = "claims",
    .synopsis = "RESULT.h5 ... [options]",
    .summary =
        "Prints every published number beside what the run measured: reproduced, differs, or not measurable here; and\n"
        "separately whether it carries the conclusion drawn from it, decided by control cells of the same run.\n"
        "Several results are one run: each cell of a number comes from the first that has it.\n"
        "Exits 1 when a number that should reproduce does not.",
    .flags = flags,
    .examples = "  qinsbench claims results/source.h5\n"
                "  qinsbench claims results/source.h5 results/real.h5\n"
                "  qinsbench claims results/source.h5 --output markdown > ledger.md",
};

struct request {
    char **paths; /* of the results */
    size_t count;
    const char *folder;
    enum qb_ledger_style style;
    bool allow_missing;
};

static bool parse_style(const char *text, enum qb_ledger_style *style)
{
    static const char *const names[] = {"console", "json", "csv", "markdown"};
    for (int i = 0; i < 4; i++)
        if (strcmp(text, names[i]) == 0) {
            *style = (enum qb_ledger_style)i;
            return true;
        }
    return false;
}

/* QB_FLAG_END: go on; else the exit code. */
static int parse(int argc, char **argv, struct request *r)
{
    struct qb_flags parse = {.usage = &usage};
    int flag;
    while ((flag = qb_flags_next(&parse, argc, argv)) != QB_FLAG_END) {
        if (flag == QB_FLAG_STOP)
            return parse.code;
        if (flag == FLAG_OUTPUT && !parse_style(optarg, &r->style))
            return qb_complain("--output: expected console, json, csv or markdown, found '%s'", optarg);
        if (flag == FLAG_CLAIMS)
            r->folder = optarg;
        r->allow_missing |= flag == FLAG_ALLOW_MISSING;
    }
    if (argc - optind < 1 || argc - optind > RESULTS_MAX)
        return qb_complain("claims: expected 1 to %d result files (qinsbench claims --help)", RESULTS_MAX);
    r->paths = argv + optind;
    r->count = (size_t)(argc - optind);
    return QB_FLAG_END;
}

/* Names each number that falls short on stderr. */
static int judge(const struct qb_ledger *ledger, bool allow_missing)
{
    size_t short_of = qb_ledger_count(ledger, allow_missing).short_of;
    for (size_t d = 0; d < ledger->document_count; d++)
        for (size_t i = 0; i < ledger->documents[d].count; i++) {
            const struct qb_claim *c = &ledger->documents[d].claims[i];
            if (!qb_claim_falls_short(c, allow_missing))
                continue;
            if (c->verdict == QB_NOT_RUN)
                qb_complain("claim %s (%s, %s): %s", c->id, c->what, c->published, c->measured.why);
            else
                qb_complain("claim %s (%s) should reproduce: published %s, measured %s, %s", c->id, c->what,
                            c->published, c->measured.text, c->number.cell.text);
        }
    if (short_of)
        qb_complain("%zu number%s that should reproduce %s not", short_of, short_of == 1 ? "" : "s",
                    short_of == 1 ? "does" : "do");
    if (short_of)
        return QB_EXIT_SHORT;
    struct qb_ledger_count count = qb_ledger_count(ledger, allow_missing);
    size_t claims = count.published.claims + count.recovered.claims;
    if (claims && qb_ledger_compared(&count) == 0)
        return qb_complain(
            "claims: nothing was measured: the result holds the cell of none of the ledger's %zu numbers", claims);
    return QB_EXIT_DONE;
}

static enum qb_status open_all(const struct request *r, struct qb_result **results, struct qb_error *err)
{
    for (size_t i = 0; i < r->count && !err->status; i++)
        qb_result_open(r->paths[i], &results[i], err);
    return err->status;
}

int qb_command_claims(int argc, char **argv)
{
    struct request r = {0};
    char folder[4096];
    struct qb_error err = {0};
    struct qb_ledger *ledger = NULL;
    struct qb_result *results[RESULTS_MAX] = {0};
    struct qb_text out = {0};
    int code = parse(argc, argv, &r);
    if (code != QB_FLAG_END)
        return code;
    if (!r.folder && qb_data_path("claims", folder, &err))
        return qb_complain_error(&err);
    if (qb_ledger_load(r.folder ? r.folder : folder, &ledger, &err) || open_all(&r, results, &err) ||
        qb_ledger_evaluate(ledger, (const struct qb_result *const *)results, r.count, &err)) {
        code = qb_complain_error(&err);
    } else {
        qb_ledger_print(ledger, r.style, &out);
        code = qb_print(&out);
        for (size_t i = 0; i < r.count; i++)
            qb_tell_interrupted(results[i]);
        if (code == QB_EXIT_DONE)
            code = judge(ledger, r.allow_missing);
    }
    qb_text_free(&out);
    for (size_t i = 0; i < r.count; i++)
        qb_result_close(results[i]);
    qb_ledger_free(ledger);
    return code;
}
