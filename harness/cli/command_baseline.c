/* qinsbench baseline: accept result files as the baseline of later gates, show one. */
#include <string.h>

#include "base/path.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "gate_output.h"

enum { OUT, FORCE, REASON, RULES };
static const struct qb_flag flags[] = {
    {"out", 'o', "FILE", "accept: the baseline to write"},
    {"force", 0, NULL, "accept: take unsound values and replace what has another meaning; needs --reason"},
    {"reason", 0, "TEXT", "accept: why; it is written into the baseline"},
    {"rules", 0, "FILE", "accept: which metrics are gated (default: the shipped data/gate/default.yaml)"},
    {0}};
static const struct qb_usage usage = {
    .name = "baseline",
    .synopsis = "accept RESULT.h5 [MORE.h5 ...] -o BASELINE.json [options] | show BASELINE.json",
    .summary =
        "accept writes what the gated metrics of a result file are, as a small JSON file for git, and prints what\n"
        "moved against the file that was there. Several result files of one suite tell how much speed varies from\n"
        "run to run. Refused without --force and --reason: values that are failed, degenerate, unresolved or "
        "contaminated,\n"
        "and what would give an old name another meaning (another model, input, option or variant; other encoded "
        "bytes\n"
        "under the same codec version; cells that are gone). show prints what a baseline holds.",
    .flags = flags,
    .examples = "  qinsbench baseline accept gate.h5 -o data/baselines/gate.json\n"
                "  qinsbench baseline accept r1.h5 r2.h5 r3.h5 -o speed.json\n"
                "  qinsbench baseline show data/baselines/gate.json",
};

struct request {
    const char *out, *reason, *rules;
    bool force;
};

/* A run that is given twice would pass for two that agree. */
static enum qb_status check_different(char **paths, size_t count, struct qb_error *err)
{
    char(*sha)[QB_HASH_HEX] = qb_alloc(count, sizeof *sha, "hashes of result files", err);
    for (size_t i = 0; sha && i < count && !err->status; i++) {
        qb_hash_file(paths[i], sha[i], err);
        for (size_t j = 0; j < i && !err->status; j++)
            if (strcmp(sha[i], sha[j]) == 0)
                qb_fail(err, QB_ERR_INPUT, "%s: the same file as %s; expected runs of their own", paths[i], paths[j]);
    }
    qb_free(sha);
    return err->status;
}

/* All result files as one baseline. */
static enum qb_status load_runs(char **paths, size_t count, struct qb_baseline **baseline, struct qb_error *err)
{
    if (qb_baseline_load(paths[0], baseline, err) || (count > 1 && check_different(paths, count, err)))
        return err->status;
    for (size_t i = 1; i < count && !err->status; i++) {
        struct qb_baseline *more = NULL;
        if (!qb_baseline_load(paths[i], &more, err))
            qb_baseline_add_run(*baseline, more, err);
        qb_baseline_free(more);
    }
    return err->status;
}

/* Says what is refused and why; true: it may go on, by force or because there is nothing. */
static bool may_go_on(const struct request *r, const char *path, size_t count, const char *what,
                      const struct qb_text *lines)
{
    if (count && !r->force) {
        qb_complain("%s: %zu %s; --force with a --reason takes %s:", path, count, what, count == 1 ? "it" : "them");
        qb_tell_lines(lines->data ? lines->data : "");
    }
    return !count || r->force;
}

/* Are there values that no baseline should rest on? */
static bool sound(const struct request *r, const struct qb_baseline *baseline, const struct qb_gate_rules *rules)
{
    struct qb_text why = {0};
    size_t count = qb_baseline_refusals(baseline, rules, &why);
    bool ok = may_go_on(r, baseline->path, count,
                        count == 1 ? "value that no baseline should rest on" : "values that no baseline should rest on",
                        &why);
    qb_text_free(&why);
    return ok;
}

/* The baseline that is there, NULL for none. What cannot be read as one is left alone. */
static enum qb_status open_old(const struct request *r, struct qb_baseline **old, struct qb_error *err)
{
    *old = NULL;
    if (!qb_file_exists(r->out) || !qb_baseline_load(r->out, old, err))
        return QB_OK;
    if (!r->force)
        return qb_wrap(err,
                       "-o %s is there and no baseline can be read from it, it is left alone (--force writes over "
                       "it)",
                       r->out);
    qb_complain("%s; nothing to compare with", err->message);
    *err = (struct qb_error){0};
    return QB_OK;
}

/* Would names in use come to mean something else? */
static bool continues(const struct request *r, const struct qb_baseline *old, const struct qb_baseline *baseline)
{
    struct qb_text what = {0};
    size_t count = old ? qb_baseline_replaced(old, baseline, &what) : 0;
    bool ok = may_go_on(r, r->out, count,
                        count == 1 ? "entry would be gone or mean something else under its old name"
                                   : "entries would be gone or mean something else under their old "
                                     "names",
                        &what);
    qb_text_free(&what);
    return ok;
}

/* What moved against the baseline that is there, to stdout. */
static int print_moved(const struct request *r, const struct qb_baseline *old, const struct qb_baseline *baseline)
{
    struct qb_text out = {0};
    if (!old) {
        qb_text_add(&out, "%s: new, %zu cells\n", r->out, baseline->count);
    } else {
        if (old->edited)
            qb_complain("%s was edited by hand: its digest is not that of its content", r->out);
        size_t count = qb_baseline_moved(old, baseline, &out);
        qb_text_add(&out, "%s: %zu moved, %zu cells\n", r->out, count, baseline->count);
    }
    int code = qb_print(&out);
    qb_text_free(&out);
    return code;
}

static bool holds_something(const struct qb_baseline *baseline)
{
    for (size_t i = 0; i < baseline->count; i++)
        if (baseline->cells[i].metric_count || baseline->cells[i].tensor_count)
            return true;
    return false;
}

/* Does `path` hold, or lack, what may be replaced? A result file must not be lost by a slip. */
static enum qb_status replaceable(const char *path, struct qb_error *err)
{
    size_t n = strlen(path);
    if (n >= 5 && strcmp(path + n - 5, ".json") == 0)
        return QB_OK;
    return qb_fail(err, QB_ERR_INPUT, "-o %s: expected a name that ends in .json", path);
}

static int accept_runs(const struct request *r, char **paths, size_t count)
{
    struct qb_error err = {0};
    struct qb_baseline *baseline = NULL, *old = NULL;
    struct qb_gate_rules *rules = NULL;
    int code = QB_EXIT_SHORT;
    if (replaceable(r->out, &err) || qb_path_apart("-o", r->out, &r->rules, 1, &err) ||
        qb_path_apart("-o", r->out, (const char *const *)paths, count, &err) || qb_open_rules(r->rules, &rules, &err) ||
        load_runs(paths, count, &baseline, &err) || open_old(r, &old, &err)) {
        code = qb_complain_error(&err);
    } else if (sound(r, baseline, rules)) {
        qb_free(baseline->reason);
        baseline->forced = r->force;
        baseline->reason = qb_clean_copy(r->reason, QB_CLEAN_LINE, &err);
        qb_baseline_keep_gated(baseline, rules);
        if (!baseline->reason)
            code = qb_complain_error(&err);
        else if (!holds_something(baseline))
            code = qb_complain("%s: no metric of it is gated by these rules: a baseline of nothing would let all pass",
                               baseline->path);
        else if (continues(r, old, baseline))
            code = print_moved(r, old, baseline);
        if (code == QB_EXIT_DONE)
            code = qb_baseline_save(baseline, r->out, &err) ? qb_complain_error(&err) : QB_EXIT_DONE;
    }
    qb_baseline_free(old);
    qb_baseline_free(baseline);
    qb_gate_rules_free(rules);
    return code;
}

static void show_cell(const struct qb_baseline_cell *cell, struct qb_text *out)
{
    static const char *const states[] = {"", " (failed)", " (skipped)"};
    char text[32];
    qb_text_add(out, "%s/%s/%s%s  inputs %.12s  model %.12s", cell->model, cell->variant, cell->experiment,
                states[cell->state], cell->inputs[0] ? cell->inputs : "-",
                cell->model_sha256[0] ? cell->model_sha256 : "-");
    for (size_t i = 0; i < cell->codec_count; i++)
        qb_text_add(out, "  %s/%s", cell->codecs[i].id, cell->codecs[i].version);
    if (cell->tensor_count)
        qb_text_add(out, "  %zu tensors", cell->tensor_count);
    qb_text_add(out, "\n");
    for (size_t i = 0; i < cell->metric_count; i++) {
        const struct qb_baseline_metric *metric = &cell->metrics[i];
        qb_text_add(out, "  %-24s %s %s", metric->name,
                    qb_short_number(metric->value, qb_value_there(metric->flags), text), metric->unit);
        if (metric->sample.sum)
            qb_text_add(out, ", %zu clusters", metric->sample.clusters);
        if (metric->runs)
            qb_text_add(out, ", %zu run%s", metric->run_count, metric->run_count == 1 ? "" : "s");
        qb_text_add(out, "\n");
    }
}

static int show(const char *path)
{
    struct qb_error err = {0};
    struct qb_baseline *b = NULL;
    struct qb_text out = {0};
    if (qb_baseline_load(path, &b, &err))
        return qb_complain_error(&err);
    qb_text_add(&out, "%s: suite %s, %zu cells, %zu run%s, program %s, %s, %s, %s threads\n", path, b->suite, b->count,
                b->runs, b->runs == 1 ? "" : "s", b->program, b->cpu, b->isa, b->threads);
    if (b->forced)
        qb_text_add(&out, "accepted by force: %s\n", b->reason);
    else if (b->reason[0])
        qb_text_add(&out, "accepted: %s\n", b->reason);
    for (size_t i = 0; i < b->count; i++)
        show_cell(&b->cells[i], &out);
    int code = qb_print(&out);
    if (code == QB_EXIT_DONE && b->edited) {
        qb_complain("%s was edited: its digest is not that of its content", path);
        code = QB_EXIT_SHORT;
    }
    qb_baseline_free(b);
    qb_text_free(&out);
    return code;
}

int qb_command_baseline(int argc, char **argv)
{
    struct qb_flags parse = {.usage = &usage};
    struct request r = {0};
    int flag;
    while ((flag = qb_flags_next(&parse, argc, argv)) >= 0) {
        const char **texts[] = {[OUT] = &r.out, [REASON] = &r.reason, [RULES] = &r.rules};
        if (flag == FORCE)
            r.force = true;
        else
            *texts[flag] = optarg;
    }
    if (flag == QB_FLAG_STOP)
        return parse.code;
    const char *verb = optind < argc ? argv[optind] : "";
    int left = argc - optind - 1;
    if (strcmp(verb, "show") == 0 && left == 1)
        return show(argv[optind + 1]);
    if (strcmp(verb, "accept") != 0 || left < 1 || !r.out)
        return qb_complain("baseline: expected 'accept RESULT.h5 -o FILE.json' or 'show FILE.json' (qinsbench baseline "
                           "--help)");
    if (r.force && (!r.reason || !r.reason[strspn(r.reason, " \t\n")]))
        return qb_complain("baseline: --force needs a --reason, which is written into the baseline");
    return accept_runs(&r, argv + optind + 1, (size_t)left);
}
