/* Metrics of `greedy`: free-running generation, each arm on its own sequence. Steps of one prompt depend on each other,
 * so intervals are over prompts and one prompt has none.
 *
 * A prompt's sequence is degenerate when
 *   - it has at most max(2, 5% of S) distinct tokens in S >= 10 steps (either arm), or
 *   - the mean of its logit std is under 1e-3: the distribution is nearly uniform (either arm), or
 *   - it ends in a cycle that covers at least a quarter of the steps (the reference only: a variant that loops
 *     where the reference does not is a finding, not a flaw of the comparison).
 * match_rate, top10_overlap and the divergence metrics are flagged when half of an arm's prompts or more are. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "metric/parts.h"

struct arms {
    size_t prompts, steps;
    const int32_t *tokens, *reference; /* [prompts, steps] */
};

static bool load_arms(const struct qb_record *record, struct arms *arms)
{
    const struct qb_array *tokens = qb_record_get(record, "tokens", QB_I32, 2);
    if (!tokens || tokens->count == 0)
        return false;
    arms->prompts = tokens->dims[0];
    arms->steps = tokens->dims[1];
    arms->tokens = tokens->data;
    arms->reference = qb_shaped(record, "reference_tokens", QB_I32, arms->prompts, arms->steps);
    return arms->reference;
}

static int by_token(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* Distinct tokens among tokens[n]; 0 when memory is short. */
static size_t distinct(const int32_t *tokens, size_t n)
{
    struct qb_error err = {0};
    int32_t *sorted = qb_alloc(n, sizeof *sorted, "sorted tokens", &err);
    if (!sorted)
        return 0;
    memcpy(sorted, tokens, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_token);
    size_t count = 1;
    for (size_t i = 1; i < n; i++)
        count += sorted[i] != sorted[i - 1];
    qb_free(sorted);
    return count;
}

/* The shortest period whose last three repeats or more end the sequence, 0 when none does; *covered is the length of
 * the tail that has this period. */
static size_t cycle_of(const int32_t *tokens, size_t n, size_t *covered)
{
    *covered = 0;
    for (size_t period = 1; 3 * period <= n; period++) {
        size_t at = n; /* tokens[at..n) repeat what stands `period` before them */
        while (at > period && tokens[at - 1] == tokens[at - 1 - period])
            at--;
        if (n - at >= 2 * period) {
            *covered = n - at + period;
            return period;
        }
    }
    return 0;
}

struct flaws {
    size_t few, uniform, loops, any; /* prompts */
};

static struct flaws find_flaws(const int32_t *tokens, const float *std, size_t prompts, size_t steps, bool reference)
{
    struct flaws found = {0};
    for (size_t p = 0; p < prompts; p++) {
        size_t covered, unique = distinct(tokens + p * steps, steps);
        bool loops = reference && cycle_of(tokens + p * steps, steps, &covered) > 0 && 4 * covered >= steps;
        bool few = steps >= 10 && unique > 0 && (unique <= 2 || 20 * unique <= steps), uniform = false;
        double sum = 0;
        for (size_t s = 0; std && s < steps; s++)
            sum += (double)std[p * steps + s];
        uniform = std && sum / (double)steps < 1e-3;
        found.few += few;
        found.uniform += uniform;
        found.loops += loops;
        found.any += few || uniform || loops;
    }
    return found;
}

static bool flag_arm(struct qb_value *value, const char *arm, struct flaws found, size_t prompts)
{
    if (2 * found.any < prompts)
        return false;
    value->flags |= QB_FLAG_DEGENERATE;
    if (found.few >= found.uniform && found.few >= found.loops)
        qb_note(value, "%s: few distinct tokens in %zu of %zu prompts", arm, found.few, prompts);
    else if (found.uniform >= found.loops)
        qb_note(value, "%s: nearly uniform (logit std < 1e-3) in %zu of %zu prompts", arm, found.uniform, prompts);
    else
        qb_note(value, "%s: loops in %zu of %zu prompts", arm, found.loops, prompts);
    return true;
}

static void flag_degenerate(const struct qb_record *record, const struct arms *a, struct qb_value *value)
{
    const float *std = qb_shaped(record, "logit_std", QB_F32, a->prompts, a->steps);
    const float *reference_std = qb_shaped(record, "reference_logit_std", QB_F32, a->prompts, a->steps);
    struct flaws ours = find_flaws(a->tokens, std, a->prompts, a->steps, false);
    struct flaws theirs = find_flaws(a->reference, reference_std, a->prompts, a->steps, true);
    if (!flag_arm(value, "reference", theirs, a->prompts))
        flag_arm(value, "variant", ours, a->prompts);
}

/* The rate of x over the first `steps` steps of each prompt. */
static bool rate_over_prompts(const struct qb_record *record, const struct arms *a, size_t steps,
                              const uint8_t *overlap, struct qb_value *value)
{
    struct qb_error err = {0};
    size_t n = a->prompts * steps;
    double *x = qb_alloc(n, sizeof *x, "a rate's entries", &err);
    int32_t *id = qb_alloc(n, sizeof *id, "a rate's clusters", &err);
    for (size_t i = 0; x && id && i < n; i++) {
        size_t p = i / steps, at = p * a->steps + i % steps;
        id[i] = (int32_t)p;
        x[i] = overlap ? overlap[at] / 10.0 : a->tokens[at] == a->reference[at];
    }
    if (x && id)
        qb_rate_value(value, x, id, n, !overlap, "prompts");
    else
        qb_no_memory(value);
    flag_degenerate(record, a, value);
    qb_free(x);
    qb_free(id);
    return true;
}

static bool match_at(const struct qb_record *record, size_t steps, struct qb_value *value)
{
    struct arms a;
    if (!load_arms(record, &a) || steps > a.steps)
        return false;
    return rate_over_prompts(record, &a, steps > 0 ? steps : a.steps, NULL, value);
}

static bool match_rate(const struct qb_record *record, struct qb_value *value)
{
    return match_at(record, 0, value);
}

static bool match_rate_10(const struct qb_record *record, struct qb_value *value)
{
    return match_at(record, 10, value);
}

static bool match_rate_500(const struct qb_record *record, struct qb_value *value)
{
    return match_at(record, 500, value);
}

static bool match_rate_1000(const struct qb_record *record, struct qb_value *value)
{
    return match_at(record, 1000, value);
}

static bool top10_overlap(const struct qb_record *record, struct qb_value *value)
{
    struct arms a;
    if (!load_arms(record, &a))
        return false;
    const uint8_t *overlap = qb_shaped(record, "overlap10", QB_U8, a.prompts, a.steps);
    return overlap && rate_over_prompts(record, &a, a.steps, overlap, value);
}

/* The first step at which the arms differ, `steps` when none does. */
static size_t divergence(const struct arms *a, size_t prompt)
{
    size_t s = 0, row = prompt * a->steps;
    while (s < a->steps && a->tokens[row + s] == a->reference[row + s])
        s++;
    return s;
}

static size_t count_diverged(const struct arms *a)
{
    size_t diverged = 0;
    for (size_t p = 0; p < a->prompts; p++)
        diverged += divergence(a, p) < a->steps;
    return diverged;
}

static bool first_divergence(const struct qb_record *record, struct qb_value *value)
{
    struct qb_error err = {0};
    struct arms a;
    if (!load_arms(record, &a))
        return false;
    double *x = qb_alloc(a.prompts, sizeof *x, "first divergences", &err);
    for (size_t p = 0; x && p < a.prompts; p++)
        x[p] = (double)divergence(&a, p);
    size_t kept = a.prompts - count_diverged(&a);
    if (kept == a.prompts)
        qb_note(value, "no divergence in %zu steps", a.steps);
    else if (kept > 0)
        qb_note(value, "%zu of %zu prompts did not diverge: counted as %zu", kept, a.prompts, a.steps);
    if (x)
        qb_median_value(value, x, a.prompts, "prompts");
    else
        qb_no_memory(value);
    flag_degenerate(record, &a, value);
    qb_free(x);
    return true;
}

static bool first_divergence_min(const struct qb_record *record, struct qb_value *value)
{
    struct arms a;
    if (!load_arms(record, &a))
        return false;
    size_t least = a.steps;
    for (size_t p = 0; p < a.prompts; p++) {
        size_t at = divergence(&a, p);
        least = at < least ? at : least;
    }
    value->value = (double)least;
    value->n = a.prompts;
    if (least == a.steps)
        qb_note(value, "no divergence in %zu steps", a.steps);
    qb_no_interval(value, "a minimum has no interval");
    flag_degenerate(record, &a, value);
    return true;
}

static bool diverged_share(const struct qb_record *record, struct qb_value *value)
{
    struct arms a;
    if (!load_arms(record, &a))
        return false;
    size_t diverged = count_diverged(&a);
    qb_wilson(diverged, a.prompts, &value->lo, &value->hi);
    value->value = 100 * (double)diverged / (double)a.prompts;
    value->lo *= 100;
    value->hi *= 100;
    value->n = a.prompts;
    qb_note(value, "Wilson: %zu of %zu prompts in %zu steps", diverged, a.prompts, a.steps);
    flag_degenerate(record, &a, value);
    return true;
}

static bool unique_of(const struct arms *a, const int32_t *tokens, struct qb_value *value)
{
    struct qb_error err = {0};
    double *x = qb_alloc(a->prompts, sizeof *x, "unique tokens", &err);
    if (!x)
        return qb_no_memory(value);
    for (size_t p = 0; p < a->prompts; p++)
        x[p] = (double)distinct(tokens + p * a->steps, a->steps);
    qb_median_value(value, x, a->prompts, "prompts");
    qb_free(x);
    return true;
}

static bool unique_tokens(const struct qb_record *record, struct qb_value *value)
{
    struct arms a;
    return load_arms(record, &a) && unique_of(&a, a.tokens, value);
}

static bool reference_unique_tokens(const struct qb_record *record, struct qb_value *value)
{
    struct arms a;
    return load_arms(record, &a) && unique_of(&a, a.reference, value);
}

/* The median period over the prompts that loop. */
static bool cycle_value(const struct arms *a, const int32_t *tokens, struct qb_value *value)
{
    struct qb_error err = {0};
    double *x = qb_alloc(a->prompts, sizeof *x, "cycle lengths", &err);
    size_t looping = 0;
    if (!x)
        return qb_no_memory(value);
    for (size_t p = 0; p < a->prompts; p++) {
        size_t covered, period = cycle_of(tokens + p * a->steps, a->steps, &covered);
        if (period > 0)
            x[looping++] = (double)period;
    }
    qb_note(value, "%zu of %zu prompts end in a loop", looping, a->prompts);
    if (looping > 0)
        qb_median_value(value, x, looping, "looping prompts");
    else
        qb_no_interval(value, "0: none");
    if (looping == 0)
        value->value = 0;
    value->n = a->prompts;
    qb_free(x);
    return true;
}

static bool cycle_length(const struct qb_record *record, struct qb_value *value)
{
    struct arms a;
    return load_arms(record, &a) && cycle_value(&a, a.tokens, value);
}

static bool reference_cycle_length(const struct qb_record *record, struct qb_value *value)
{
    struct arms a;
    return load_arms(record, &a) && cycle_value(&a, a.reference, value);
}

static bool median_of_steps(const struct qb_record *record, const char *name, struct qb_value *value)
{
    size_t n = 0;
    double *x = qb_doubles(record, name, &n);
    if (!x)
        return false;
    qb_quantile_value(value, x, n, 0.5, "median over steps, which depend on each other");
    qb_free(x);
    return true;
}

static bool margin_median(const struct qb_record *record, struct qb_value *value)
{
    return median_of_steps(record, "margin", value);
}

static bool reference_margin_median(const struct qb_record *record, struct qb_value *value)
{
    return median_of_steps(record, "reference_margin", value);
}

static bool logit_std(const struct qb_record *record, struct qb_value *value)
{
    return median_of_steps(record, "logit_std", value);
}

static bool reference_logit_std(const struct qb_record *record, struct qb_value *value)
{
    return median_of_steps(record, "reference_logit_std", value);
}

const struct qb_metric qb_metrics_greedy[] = {
    {.name = "match_rate",
     .experiment = "greedy",
     .unit = "%",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "generated tokens equal to the reference's at the same step",
     .compute = match_rate},
    {.name = "match_rate_10",
     .experiment = "greedy",
     .unit = "%",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "match_rate over the first 10 steps",
     .compute = match_rate_10},
    {.name = "match_rate_500",
     .experiment = "greedy",
     .unit = "%",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "match_rate over the first 500 steps",
     .compute = match_rate_500},
    {.name = "match_rate_1000",
     .experiment = "greedy",
     .unit = "%",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "match_rate over the first 1000 steps",
     .compute = match_rate_1000},
    {.name = "top10_overlap",
     .experiment = "greedy",
     .unit = "%",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "shared tokens of the two top-10 lists, each arm on its own sequence",
     .compute = top10_overlap},
    {.name = "first_divergence",
     .experiment = "greedy",
     .unit = "step",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "first step, from 0, with another token than the reference's; median over prompts",
     .compute = first_divergence},
    {.name = "first_divergence_min",
     .experiment = "greedy",
     .unit = "step",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "first_divergence of the earliest prompt",
     .compute = first_divergence_min},
    {.name = "diverged_share",
     .experiment = "greedy",
     .unit = "%",
     .direction = QB_LOWER_IS_BETTER,
     .description = "prompts with any token other than the reference's",
     .compute = diverged_share},
    {.name = "unique_tokens",
     .experiment = "greedy",
     .unit = "tokens",
     .direction = QB_NEUTRAL,
     .description = "distinct tokens the variant generated; median over prompts",
     .compute = unique_tokens},
    {.name = "reference_unique_tokens",
     .experiment = "greedy",
     .unit = "tokens",
     .direction = QB_NEUTRAL,
     .description = "distinct tokens the reference generated; median over prompts",
     .compute = reference_unique_tokens},
    {.name = "cycle_length",
     .experiment = "greedy",
     .unit = "steps",
     .direction = QB_NEUTRAL,
     .description = "shortest period that the variant's last steps repeat three times or more; 0: none",
     .compute = cycle_length},
    {.name = "reference_cycle_length",
     .experiment = "greedy",
     .unit = "steps",
     .direction = QB_NEUTRAL,
     .description = "cycle_length of the reference",
     .compute = reference_cycle_length},
    {.name = "margin_median",
     .experiment = "greedy",
     .unit = "logit",
     .direction = QB_NEUTRAL,
     .description = "top-1 minus top-2 logit of the variant; median over steps",
     .compute = margin_median},
    {.name = "reference_margin_median",
     .experiment = "greedy",
     .unit = "logit",
     .direction = QB_NEUTRAL,
     .description = "margin_median of the reference",
     .compute = reference_margin_median},
    {.name = "logit_std",
     .experiment = "greedy",
     .unit = "logit",
     .direction = QB_NEUTRAL,
     .description = "standard deviation of the variant's logits; median over steps",
     .compute = logit_std},
    {.name = "reference_logit_std",
     .experiment = "greedy",
     .unit = "logit",
     .direction = QB_NEUTRAL,
     .description = "logit_std of the reference",
     .compute = reference_logit_std},
    {.name = "alpha",
     .experiment = "greedy",
     .unit = "1",
     .direction = QB_NEUTRAL,
     .description = "logit scale that calibration applied",
     .compute = qb_alpha},
    {.name = "alpha_raw",
     .experiment = "greedy",
     .unit = "1",
     .direction = QB_NEUTRAL,
     .description = "logit scale that calibration found, before its clamp",
     .compute = qb_alpha_raw},
    {0},
};
