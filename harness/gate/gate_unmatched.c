/* Rules that decide nothing in a comparison: most often a suite without that experiment, sometimes a misspelt variant,
 * which nobody can tell from the rule alone. Each is a row, so that every output names it. */
#include <string.h>
#include "base/utf8.h"
#include "base/mem.h"
#include "base/text.h"
#include "gate/gate_parts.h"

struct use { /* of a rule: what it decided, and which of its globs had a part in that */
    bool any, variants[QB_RULE_GLOBS], metrics[QB_RULE_GLOBS];
};

static void mark(const struct qb_gate_rules *rules, const struct qb_baseline_cell *cell, const char *metric,
                 struct use *uses)
{
    const struct qb_gate_rule *rule = qb_gate_rule_for(rules, cell->variant, cell->experiment, metric);
    if (!rule)
        return;
    struct use *use = &uses[rule - rules->rules];
    use->any = true;
    for (size_t i = 0; rule->variants[i]; i++)
        use->variants[i] |= qb_glob(rule->variants[i], cell->variant);
    for (size_t i = 0; rule->metrics[i]; i++)
        use->metrics[i] |= qb_glob(rule->metrics[i], metric);
}

/* Whatever a side measured counts, also where its cell is red before any metric is looked at. */
static void mark_side(const struct qb_baseline *side, const struct qb_gate_options *options, struct use *uses)
{
    for (size_t i = 0; i < side->count; i++) {
        const struct qb_baseline_cell *cell = &side->cells[i];
        if (!qb_gate_wants(options, cell))
            continue;
        if (cell->tensor_count)
            mark(options->rules, cell, QB_GATE_ENCODED, uses);
        for (size_t m = 0; m < cell->metric_count; m++)
            mark(options->rules, cell, cell->metrics[m].name, uses);
    }
}

static void list(const char *word, const char *const *globs, const bool *used, struct qb_text *out)
{
    size_t n = 0;
    for (size_t i = 0; globs[i]; i++)
        if (!used || !used[i])
            qb_text_add(out, "%s%s", n++ ? ", " : word, globs[i]);
}

static bool all_used(const char *const *globs, const bool *used)
{
    for (size_t i = 0; globs[i]; i++)
        if (!used[i])
            return false;
    return true;
}

static enum qb_status add(struct qb_gate *gate, const struct qb_gate_rules *rules, const struct qb_gate_rule *rule,
                          const struct use *use, struct qb_error *err)
{
    struct qb_text which = {0};
    const char *none = "";
    if (use->any && all_used(rule->variants, use->variants) && all_used(rule->metrics, use->metrics))
        return QB_OK;
    struct qb_gate_row *row = qb_gate_add_row(gate, NULL, "rule", err);
    if (!row)
        return err->status;
    row->experiment = rule->experiment;
    list(" metric ", rule->metrics, use->any ? use->metrics : NULL, &which);
    list(" variant ", rule->variants, use->any ? use->variants : NULL, &which);
    none = which.data ? which.data : none;
    if (use->any)
        qb_gate_decide(row, QB_GATE_UNMATCHED, "%.*s:%u: a part of the rule matched nothing:%.*s",
                       QB_UPTO(100, rules->file), rule->line, QB_UPTO(240, none));
    else
        qb_gate_decide(row, QB_GATE_UNMATCHED, "%.*s:%u: the rule matched nothing:%.*s", QB_UPTO(100, rules->file),
                       rule->line, QB_UPTO(240, none));
    qb_text_free(&which);
    return err->status;
}

enum qb_status qb_gate_unmatched_rows(struct qb_gate *gate, const struct qb_baseline *result,
                                      const struct qb_baseline *baseline, const struct qb_gate_options *options,
                                      struct qb_error *err)
{
    const struct qb_gate_rules *rules = options->rules;
    struct use *uses = qb_alloc(rules->count, sizeof *uses, "use of rules", err);
    if (!uses)
        return err->status;
    mark_side(result, options, uses);
    mark_side(baseline, options, uses);
    for (size_t i = 0; i < rules->count && !err->status; i++)
        add(gate, rules, &rules->rules[i], &uses[i], err);
    qb_free(uses);
    return err->status;
}
