/* Metrics of `choice`. Accuracies as lm-evaluation-harness names them: acc by the sum of log-probabilities, acc_norm by
 * the sum over the choice's characters, acc_bytes over its bytes. Pooled over tasks every item counts once; acc_tasks
 * is the mean of the tasks' own. Intervals are over subjects, where there are two or more, else over items. */
#include <math.h>
#include "base/mem.h"
#include "metric/choices.h"

enum { MDE_POWER = 80 }; /* percent; at 5% */

/* The share of items whose outcome is in `set`, less the share in `less`. */
static bool outcomes(const struct qb_record *record, enum qb_choice_rule rule, unsigned set, unsigned less,
                     struct qb_sample *sample)
{
    struct qb_error err = {0};
    struct qb_choices c;
    if (!qb_choices_load(record, rule, &c))
        return false;
    *sample = (struct qb_sample){.transform = QB_PERCENT, .kind = QB_KIND_SHARE, .icc = 0.05, .unit = "subjects"};
    if (less)
        *sample = (struct qb_sample){.transform = QB_PERCENT, .kind = QB_KIND_REAL, .unit = "subjects"};
    double *x = qb_alloc(c.items, sizeof *x, "answers", &err);
    int32_t *id = qb_alloc(c.items, sizeof *id, "clusters", &err);
    bool there = true; /* without totals: memory ran out */
    for (size_t from = 0, count = 0, i = 0; x && id && qb_choices_next(&c, &from, &count); i++) {
        const unsigned outcome = qb_choices_outcome(&c, rule, from, count);
        x[i] = (double)((outcome & set) != 0) - (double)((outcome & less) != 0);
        id[i] = c.subjects > 1 ? c.subject[i] : (int32_t)i;
    }
    if (c.subjects < 2)
        sample->unit = "items";
    if (x && id)
        there = qb_sample_fill(sample, x, id, NULL, c.items);
    qb_free(id);
    qb_free(x);
    return there;
}

#define SHARE(name, rule, set, less)                                                                                   \
    static bool name(const struct qb_record *record, struct qb_sample *sample)                                         \
    {                                                                                                                  \
        return outcomes(record, rule, set, less, sample);                                                              \
    }
#define RIGHT (QB_TO_RIGHT | QB_BOTH_RIGHT)
#define REFERENCE_RIGHT (QB_TO_WRONG | QB_BOTH_RIGHT)
SHARE(acc, QB_BY_SUM, RIGHT, 0)
SHARE(acc_norm, QB_BY_CHARACTERS, RIGHT, 0)
SHARE(acc_bytes, QB_BY_BYTES, RIGHT, 0)
SHARE(acc_token, QB_BY_TOKENS, RIGHT, 0)
SHARE(reference_acc, QB_BY_SUM, REFERENCE_RIGHT, 0)
SHARE(reference_acc_norm, QB_BY_CHARACTERS, REFERENCE_RIGHT, 0)
SHARE(acc_change, QB_BY_SUM, QB_TO_RIGHT, QB_TO_WRONG)
SHARE(acc_norm_change, QB_BY_CHARACTERS, QB_TO_RIGHT, QB_TO_WRONG)
SHARE(flips, QB_BY_SUM, QB_TO_RIGHT | QB_TO_WRONG, 0)
SHARE(flips_to_wrong, QB_BY_SUM, QB_TO_WRONG, 0)
SHARE(flips_to_right, QB_BY_SUM, QB_TO_RIGHT, 0)
SHARE(flips_norm_to_wrong, QB_BY_CHARACTERS, QB_TO_WRONG, 0)
SHARE(flips_norm_to_right, QB_BY_CHARACTERS, QB_TO_RIGHT, 0)
SHARE(answers_changed, QB_BY_SUM, QB_OTHER_CHOICE, 0)

/* Every task counts once: an item weighs one over the items of its task. */
static bool acc_tasks(const struct qb_record *record, struct qb_sample *sample)
{
    struct qb_choices c;
    if (!qb_choices_load(record, QB_BY_SUM, &c) || c.tasks < 2 || !acc(record, sample))
        return false;
    const int32_t *id = c.subjects > 1 ? c.subject : NULL;
    for (size_t i = 0, cluster = 0, task = 0, items = 0; sample->sum && i < c.items; i++) {
        if (i == 0 || c.task[i] != c.task[i - 1])
            for (task = i, items = 0; task + items < c.items && c.task[task + items] == c.task[i];)
                items++;
        if (i > 0 && id && id[i] == id[i - 1])
            continue;
        sample->sum[cluster] /= (double)items;
        sample->weight[cluster++] /= (double)items;
    }
    return true;
}

/* ---- items as independent draws ---- */

static bool wilson(const struct qb_record *record, enum qb_choice_rule rule, struct qb_value *value)
{
    struct qb_choices c;
    if (!qb_choices_load(record, rule, &c))
        return false;
    const uint64_t right = qb_choices_count(&c, rule, RIGHT);
    qb_wilson(right, c.items, &value->lo, &value->hi);
    value->value = 100 * (double)right / (double)c.items;
    value->lo *= 100;
    value->hi *= 100;
    value->n = c.items;
    qb_note(value, "Wilson's interval, items taken as independent");
    return true;
}

static bool acc_wilson(const struct qb_record *record, struct qb_value *value)
{
    return wilson(record, QB_BY_SUM, value);
}

static bool acc_norm_wilson(const struct qb_record *record, struct qb_value *value)
{
    return wilson(record, QB_BY_CHARACTERS, value);
}

static bool mcnemar(const struct qb_record *record, enum qb_choice_rule rule, struct qb_value *value)
{
    struct qb_choices c;
    if (!qb_choices_load(record, rule, &c))
        return false;
    const uint64_t wrong = qb_choices_count(&c, rule, QB_TO_WRONG), right = qb_choices_count(&c, rule, QB_TO_RIGHT);
    qb_exact(value, qb_mcnemar(wrong, right), c.items);
    qb_note(value, "McNemar's exact test of %llu to wrong against %llu to right, items taken as independent",
            (unsigned long long)wrong, (unsigned long long)right);
    return true;
}

static bool mcnemar_p(const struct qb_record *record, struct qb_value *value)
{
    return mcnemar(record, QB_BY_SUM, value);
}

static bool mcnemar_p_norm(const struct qb_record *record, struct qb_value *value)
{
    return mcnemar(record, QB_BY_CHARACTERS, value);
}

static double detectable(const struct qb_choices *c, enum qb_choice_rule rule)
{
    const uint64_t flipped = qb_choices_count(c, rule, QB_TO_WRONG | QB_TO_RIGHT);
    return 100 * qb_mcnemar_detectable(c->items, (double)flipped / (double)c->items, 0.05, MDE_POWER / 100.0);
}

static bool mde_by(const struct qb_record *record, enum qb_choice_rule rule, struct qb_value *value)
{
    struct qb_choices c;
    if (!qb_choices_load(record, rule, &c))
        return false;
    const double found = detectable(&c, rule);
    if (isnan(found))
        return qb_absent(value, "%zu items are too few for McNemar's exact test at 5%%", c.items);
    qb_exact(value, found, c.items);
    qb_note(value, "what McNemar's exact test at 5%% finds in %d%% of repeats, where as many items flip", MDE_POWER);
    return true;
}

static bool mde(const struct qb_record *record, struct qb_value *value)
{
    return mde_by(record, QB_BY_SUM, value);
}

static bool mde_norm(const struct qb_record *record, struct qb_value *value)
{
    return mde_by(record, QB_BY_CHARACTERS, value);
}

/* ---- what the items are ---- */

/* Percent right by guessing. */
static double chance_of(const struct qb_choices *c)
{
    double sum = 0;
    for (size_t from = 0, count = 0; qb_choices_next(c, &from, &count);)
        sum += 1 / (double)count;
    return 100 * sum / (double)c->items;
}

static bool chance(const struct qb_record *record, struct qb_value *value)
{
    struct qb_choices c;
    return qb_choices_load(record, QB_BY_SUM, &c) && qb_exact(value, chance_of(&c), c.items);
}

static double total(const struct qb_record *record, const char *name)
{
    const struct qb_array *array = qb_record_get(record, name, QB_I64, 1);
    double sum = 0;
    for (size_t i = 0; array && i < array->count; i++)
        sum += (double)((const int64_t *)array->data)[i];
    return sum;
}

static bool items(const struct qb_record *record, struct qb_value *value)
{
    struct qb_choices c;
    if (!qb_choices_load(record, QB_BY_SUM, &c))
        return false;
    qb_exact(value, (double)c.items, c.items);
    qb_note(
        value,
        "of %zu task%s; left out, for they do not fit: %.0f; prompts cut from the left: %.0f; tokens merged where a "
        "choice begins: %.0f; right choices that are wrong ones, too: %.0f",
        c.tasks, c.tasks == 1 ? "" : "s", total(record, "task_left_out"), total(record, "task_truncated"),
        total(record, "task_merged"), total(record, "task_twice"));
    return true;
}

static bool max_sum_diff(const struct qb_record *record, struct qb_value *value)
{
    struct qb_error err = {0};
    struct qb_choices c;
    if (!qb_choices_load(record, QB_BY_SUM, &c))
        return false;
    double *x = qb_alloc(c.count, sizeof *x, "differences", &err);
    if (!x)
        return qb_no_memory(value);
    for (size_t i = 0; i < c.count; i++)
        x[i] = fabs(c.sum[i] - c.reference[i]);
    qb_largest_value(value, x, c.count);
    qb_free(x);
    return true;
}

/* Does the text of one choice stand in the prompt more often than that of every other: the right one's (1), a wrong
 * one's (-1), or of none (0)? */
static int favoured(const struct qb_choices *c, size_t from, size_t count)
{
    size_t best = 0;
    bool alone = true;
    for (size_t i = 1; i < count; i++) {
        alone = c->seen[from + i] == c->seen[from + best]  ? false
                : c->seen[from + i] > c->seen[from + best] ? true
                                                           : alone;
        best = c->seen[from + i] > c->seen[from + best] ? i : best;
    }
    return !alone ? 0 : best == (size_t)c->answer[c->item[from]] ? 1 : -1;
}

static bool answer_in_prompt(const struct qb_record *record, struct qb_value *value)
{
    struct qb_choices c;
    uint64_t right = 0, wrong = 0;
    if (!qb_choices_load(record, QB_BY_SUM, &c) || !c.seen)
        return false;
    for (size_t from = 0, count = 0; qb_choices_next(&c, &from, &count);) {
        const int which = favoured(&c, from, count);
        right += which > 0;
        wrong += which < 0;
    }
    qb_exact(value, 100 * (double)right / (double)c.items, c.items);
    qb_note(value, "of a wrong choice the same holds in %llu items", (unsigned long long)wrong);
    if (right == 0 || 1 - qb_binomial_cdf(right - 1, right + wrong, chance_of(&c) / 100) >= 1e-6)
        return true;
    value->flags |= QB_FLAG_CONTAMINATED;
    qb_note(value, "more often than by chance: the prompt tells the answer, unless the task is to find it there");
    return true;
}

/* ---- remarks ---- */

static void remark_mde(const struct qb_record *record, enum qb_choice_rule rule, struct qb_value *value)
{
    struct qb_choices c;
    const double found = qb_choices_load(record, rule, &c) ? detectable(&c, rule) : NAN;
    if (!isnan(found))
        qb_note(value, "a change of %.2f points would be found (mde)", found);
}

static void remark_under(const struct qb_record *record, struct qb_value *value)
{
    struct qb_choices c;
    if (!qb_choices_load(record, QB_BY_SUM, &c) || !(value->hi < chance_of(&c)))
        return;
    value->flags |= QB_FLAG_DEGENERATE;
    qb_note(value, "worse than guessing (%.1f%%): is the key of the answers right?", chance_of(&c));
}

static void remark_acc(const struct qb_record *record, struct qb_value *value)
{
    remark_under(record, value);
    remark_mde(record, QB_BY_SUM, value);
}

static void remark_acc_norm(const struct qb_record *record, struct qb_value *value)
{
    remark_under(record, value);
    remark_mde(record, QB_BY_CHARACTERS, value);
}

static void remark_change(const struct qb_record *record, struct qb_value *value)
{
    remark_mde(record, QB_BY_SUM, value);
}

static void remark_change_norm(const struct qb_record *record, struct qb_value *value)
{
    remark_mde(record, QB_BY_CHARACTERS, value);
}

#define ENTRY(word, unit_, direction_, text)                                                                           \
    .name = word, .experiment = "choice", .unit = unit_, .direction = direction_, .description = text
#define IDENTITY(x) .has_identity = true, .identity = x
const struct qb_metric qb_metrics_choice[] = {
    {ENTRY("acc", "%", QB_HIGHER_IS_BETTER, "items whose right choice has the largest log-likelihood"), .sample = acc,
     .remark = remark_acc},
    {ENTRY("acc_norm", "%", QB_HIGHER_IS_BETTER, "the same, log-likelihoods divided by the choice's characters"),
     .sample = acc_norm, .remark = remark_acc_norm},
    {ENTRY("acc_bytes", "%", QB_HIGHER_IS_BETTER, "the same, divided by the choice's bytes"), .sample = acc_bytes,
     .remark = remark_under},
    {ENTRY("acc_token", "%", QB_HIGHER_IS_BETTER, "the same, divided by the choice's tokens"), .sample = acc_token,
     .remark = remark_under},
    {ENTRY("acc_change", "points", QB_HIGHER_IS_BETTER, "acc less the reference's, paired by item"),
     .sample = acc_change, .remark = remark_change},
    {ENTRY("mcnemar_p", "1", QB_NEUTRAL, "p of no change of acc"), .compute = mcnemar_p},
    {ENTRY("mde", "points", QB_NEUTRAL, "minimum detectable change of acc"), .compute = mde},
    {ENTRY("flips", "%", QB_LOWER_IS_BETTER, "items that one arm gets right and the other wrong, by acc"),
     .sample = flips, IDENTITY(0)},
    {ENTRY("flips_to_wrong", "%", QB_LOWER_IS_BETTER, "items that the reference gets right and the variant wrong"),
     .sample = flips_to_wrong, IDENTITY(0)},
    {ENTRY("flips_to_right", "%", QB_NEUTRAL, "items that the reference gets wrong and the variant right"),
     .sample = flips_to_right, IDENTITY(0)},
    {ENTRY("answers_changed", "%", QB_LOWER_IS_BETTER, "items of which the arms take different choices"),
     .sample = answers_changed, IDENTITY(0)},
    {ENTRY("acc_norm_change", "points", QB_HIGHER_IS_BETTER, "acc_norm less the reference's, paired by item"),
     .sample = acc_norm_change, .remark = remark_change_norm},
    {ENTRY("mcnemar_p_norm", "1", QB_NEUTRAL, "p of no change of acc_norm"), .compute = mcnemar_p_norm},
    {ENTRY("mde_norm", "points", QB_NEUTRAL, "minimum detectable change of acc_norm"), .compute = mde_norm},
    {ENTRY("flips_norm_to_wrong", "%", QB_LOWER_IS_BETTER, "flips_to_wrong by acc_norm"), .sample = flips_norm_to_wrong,
     IDENTITY(0)},
    {ENTRY("flips_norm_to_right", "%", QB_NEUTRAL, "flips_to_right by acc_norm"), .sample = flips_norm_to_right,
     IDENTITY(0)},
    {ENTRY("acc_tasks", "%", QB_HIGHER_IS_BETTER, "mean of the tasks' acc, each counting once"), .sample = acc_tasks},
    {ENTRY("acc_wilson", "%", QB_HIGHER_IS_BETTER, "acc with the interval of independent items"),
     .compute = acc_wilson},
    {ENTRY("acc_norm_wilson", "%", QB_HIGHER_IS_BETTER, "acc_norm with the interval of independent items"),
     .compute = acc_norm_wilson},
    {ENTRY("reference_acc", "%", QB_NEUTRAL, "acc of the reference"), .sample = reference_acc},
    {ENTRY("reference_acc_norm", "%", QB_NEUTRAL, "acc_norm of the reference"), .sample = reference_acc_norm},
    {ENTRY("max_sum_diff", "nat", QB_LOWER_IS_BETTER, "largest change of a choice's log-likelihood"),
     .compute = max_sum_diff, IDENTITY(0)},
    {ENTRY("chance", "%", QB_NEUTRAL, "acc of guessing"), .compute = chance},
    {ENTRY("items", "items", QB_NEUTRAL, "items scored"), .compute = items},
    {ENTRY("answer_in_prompt", "%", QB_NEUTRAL, "items in whose prompt the right choice stands more often than others"),
     .compute = answer_in_prompt},
    {0},
};
