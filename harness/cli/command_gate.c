/* qinsbench gate: a result file against a baseline, with an exit code that CI understands. */
#include <string.h>

#include "base/path.h"
#include "base/file.h"
#include "base/only.h"
#include "base/mem.h"
#include "front_output.h"
#include "gate_output.h"

enum { BASELINE, RULES, JUNIT, MARKDOWN, OUTPUT, FRESH, ALPHA, ALLOW, FAILED, FRONT, ONLY };
static const struct qb_flag flags[] = {
    {"baseline", 'b', "FILE", "a baseline (JSON) or another result file"},
    {"rules", 0, "FILE", "rules (default: the shipped data/gate/default.yaml)"},
    {"junit", 0, "FILE", "write the verdicts as JUnit XML too"},
    {"markdown", 0, "FILE", "write them as Markdown too"},
    {"output", 0, "FORMAT", "console (default), csv, json or markdown"},
    {"fresh-inputs", 0, NULL, "changed inputs are fresh draws, not a fault: compare unpaired"},
    {"alpha", 0, "RATE", "error rate of all tests together (default 0.05)"},
    {"allow-inconclusive", 0, NULL, "exit 0 when nothing failed but something stayed open"},
    {"failed", 0, NULL, "print the rows alone that failed or stayed open; files have all"},
    {"front", 0, "VARIANT",
     "place it among the formats of both files: Pareto front, dominated or not; a glob, repeatable"},
    {"only", 0, "M/V/E", "globs of model, variant and experiment; fewer parts: the rest is *; repeatable"},
    {0}};
static const struct qb_usage usage = {
    .name = "gate",
    .synopsis = "RESULT.h5 --baseline FILE [options]",
    .summary =
        "Compares a result file with a baseline, metric by metric, by rules with margins. A row is pass, fail,\n"
        "inconclusive (too little data to say) or new; a rule that matched nothing is named. Exits 0 when all is pass\n"
        "or new, 1 when something failed, 2 when nothing was compared, 4 when nothing failed but something is\n"
        "inconclusive. --front says where a format stands: its KL against the bits of a weight beside every format of "
        "both\n"
        "files; of the rows it prints those that --failed does, in csv and json none.",
    .flags = flags,
    .examples = "  qinsbench gate gate.h5 --baseline data/baselines/gate.json\n"
                "  qinsbench gate new.h5 --baseline old.h5 --junit gate.xml --markdown gate.md\n"
                "  qinsbench gate mine.h5 --baseline data/baselines/gate-zoo.json --only '*/mine' --front mine",
};

struct request {
    const char *result, *baseline, *rules, *junit, *markdown;
    enum qb_output output;
    bool fresh, allow, failed;
    double alpha;
    struct qb_only only;
    struct qb_globs front;
};

/* The formats that were placed. */
struct places {
    struct qb_front **fronts; /* [count], owned */
    size_t count;
    bool lacking; /* one could not be placed */
};

static enum qb_status take(int flag, const char *value, struct request *r, struct qb_error *err)
{
    switch (flag) {
    case BASELINE:
        r->baseline = value;
        break;
    case RULES:
        r->rules = value;
        break;
    case JUNIT:
        r->junit = value;
        break;
    case MARKDOWN:
        r->markdown = value;
        break;
    case OUTPUT:
        return qb_parse_output(value, &r->output, err);
    case FRESH:
        r->fresh = true;
        break;
    case ALPHA:
        return qb_parse_share("--alpha", value, 1e-6, 0.5, &r->alpha, err);
    case ALLOW:
        r->allow = true;
        break;
    case FAILED:
        r->failed = true;
        break;
    case FRONT:
        return qb_globs_add(&r->front, "--front", value, err);
    default:
        return qb_only_add(&r->only, value, err);
    }
    return QB_OK;
}

/* QB_FLAG_END: go on; else the exit code. */
static int parse(int argc, char **argv, struct request *r)
{
    struct qb_flags parse = {.usage = &usage};
    struct qb_error err = {0};
    int flag;
    *r = (struct request){.alpha = 0.05};
    while ((flag = qb_flags_next(&parse, argc, argv)) >= 0)
        if (take(flag, optarg, r, &err))
            return qb_complain_error(&err);
    if (flag == QB_FLAG_STOP)
        return parse.code;
    if (argc - optind != 1)
        return qb_complain("gate: expected one result file, found %d (qinsbench gate --help)", argc - optind);
    if (!r->baseline)
        return qb_complain("gate: expected --baseline FILE (qinsbench gate --help)");
    r->result = argv[optind];
    return QB_FLAG_END;
}

static enum qb_status write_report(const char *path, void (*print)(const struct qb_gate *, struct qb_text *),
                                   const struct qb_gate *gate, struct qb_error *err)
{
    struct qb_text text = {0};
    if (!path)
        return QB_OK;
    print(gate, &text);
    if (text.failed)
        qb_fail(err, QB_ERR_MEMORY, "%s: no memory for the report", path);
    else
        qb_file_replace(path, text.data, text.size, err);
    qb_text_free(&text);
    return err->status;
}

static int exit_code(const struct qb_gate *gate, const struct places *places, bool allow)
{
    if (gate->verdicts[QB_GATE_FAIL] || places->lacking)
        return QB_EXIT_SHORT;
    if (gate->compared == 0 && places->count == 0)
        return qb_complain("gate: nothing was compared: no metric that a rule names is on both sides; this is no pass");
    return gate->verdicts[QB_GATE_INCONCLUSIVE] && !allow ? QB_EXIT_INCONCLUSIVE : QB_EXIT_DONE;
}

/* --only must choose a cell of either side. */
static enum qb_status check_only(const struct qb_only *only, const struct qb_baseline *result,
                                 const struct qb_baseline *baseline, struct qb_error *err)
{
    const struct qb_baseline *sides[] = {result, baseline};
    struct qb_only_cells cells = {0};
    for (size_t s = 0; s < 2; s++)
        for (size_t i = 0; i < sides[s]->count; i++) {
            const struct qb_baseline_cell *cell = &sides[s]->cells[i];
            qb_only_see(&cells, only, cell->model, cell->variant, cell->experiment);
        }
    qb_only_check(only, &cells, err);
    qb_only_cells_free(&cells);
    return err->status;
}

/* Each chosen variant of the result, on each model that it was run on. */
static enum qb_status place(const struct request *r, const struct qb_baseline *result,
                            const struct qb_baseline *baseline, struct places *places, struct qb_error *err)
{
    struct qb_choice variants = {0};
    for (size_t i = 0; i < result->count; i++)
        qb_choice_add(&variants, result->cells[i].variant);
    if (r->front.count && !qb_globs_check(&r->front, &variants, "--front", "variant of the result", err))
        places->fronts = qb_alloc(result->count, sizeof *places->fronts, "fronts", err);
    for (size_t i = 0; places->fronts && i < result->count && !err->status; i++) {
        const struct qb_baseline_cell *cell = &result->cells[i];
        bool there = !qb_globs_match(&r->front, cell->variant) ||
                     !qb_only_matches(&r->only, cell->model, cell->variant, cell->experiment);
        for (size_t k = 0; k < places->count && !there; k++)
            there = strcmp(places->fronts[k]->model, cell->model) == 0 &&
                    strcmp(places->fronts[k]->formats[places->fronts[k]->placed].variant, cell->variant) == 0;
        if (there ||
            qb_front_place(result, baseline, cell->model, cell->variant, r->alpha, &places->fronts[places->count], err))
            continue;
        places->lacking = places->lacking || places->fronts[places->count]->verdict == QB_FRONT_NONE;
        places->count++;
    }
    qb_choice_free(&variants);
    return err->status;
}

static void places_free(struct places *places)
{
    for (size_t i = 0; i < places->count; i++)
        qb_front_free(places->fronts[i]);
    qb_free(places->fronts);
}

static void print(const struct request *r, const struct qb_gate *gate, const struct places *places, struct qb_text *out)
{
    if (places->count == 0 || r->output == QB_OUTPUT_CONSOLE || r->output == QB_OUTPUT_MARKDOWN)
        qb_gate_print(gate, r->output, r->failed || places->count, out);
    if (places->count)
        qb_front_print(places->fronts, places->count, r->output, out);
}

static int report(const struct request *r, const struct qb_gate *gate, const struct places *places)
{
    struct qb_error err = {0};
    struct qb_text out = {0};
    int code = QB_EXIT_INPUT;
    if (write_report(r->junit, qb_gate_junit, gate, &err) ||
        qb_path_apart("--markdown", r->markdown, &r->junit, 1, &err) || /* one that was not there before */
        write_report(r->markdown, qb_gate_markdown_report, gate, &err)) {
        qb_complain_error(&err);
    } else {
        print(r, gate, places, &out);
        code = qb_print(&out);
        code = code == QB_EXIT_DONE ? exit_code(gate, places, r->allow) : code;
    }
    qb_text_free(&out);
    return code;
}

int qb_command_gate(int argc, char **argv)
{
    struct request r;
    struct qb_error err = {0};
    struct qb_baseline *result = NULL, *baseline = NULL;
    struct qb_gate_rules *rules = NULL;
    struct qb_gate *gate = NULL;
    struct places places = {0};
    int code = parse(argc, argv, &r);
    if (code != QB_FLAG_END)
        return code;
    const char *const read[] = {r.result, r.baseline, r.rules, r.junit};
    if (qb_path_apart("--junit", r.junit, read, 3, &err) || qb_path_apart("--markdown", r.markdown, read, 4, &err) ||
        qb_file_same_kind("--junit", r.junit, 0, "<?xml", "XML file", &err) ||
        qb_file_same_kind("--markdown", r.markdown, 0, "**Gate: ", "page of a gate", &err))
        return qb_complain_error(&err);
    struct qb_gate_options options = {.alpha = r.alpha, .fresh_inputs = r.fresh, .only = r.only};
    if (qb_open_rules(r.rules, &rules, &err) || qb_baseline_load(r.result, &result, &err) ||
        qb_baseline_load(r.baseline, &baseline, &err) || check_only(&r.only, result, baseline, &err) ||
        place(&r, result, baseline, &places, &err)) {
        code = qb_complain_error(&err);
    } else {
        options.rules = rules;
        code =
            qb_gate_run(result, baseline, &options, &gate, &err) ? qb_complain_error(&err) : report(&r, gate, &places);
    }
    places_free(&places);
    qb_gate_free(gate);
    qb_baseline_free(baseline);
    qb_baseline_free(result);
    qb_gate_rules_free(rules);
    return code;
}
