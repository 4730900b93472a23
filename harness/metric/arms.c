#include "metric/arms.h"

#include <stdio.h>
#include "base/mem.h"

bool qb_arms_load(const struct qb_record *record, struct qb_arms *arms)
{
    const struct qb_array *tokens = qb_record_get(record, "tokens", QB_I32, 2);
    if (!tokens || tokens->count == 0)
        return false;
    arms->prompts = tokens->dims[0];
    arms->steps = tokens->dims[1];
    arms->tokens = tokens->data;
    arms->reference = qb_shaped(record, "reference_tokens", QB_I32, arms->prompts, arms->steps);
    arms->share = qb_shaped(record, "match_share", QB_F64, arms->prompts, arms->steps);
    return arms->reference;
}

double qb_arms_match(const struct qb_arms *a, size_t at)
{
    bool equal = a->tokens[at] == a->reference[at];
    return equal && a->share ? a->share[at] : equal;
}

size_t qb_arms_divergence(const struct qb_arms *a, size_t prompt)
{
    size_t s = 0, row = prompt * a->steps;
    while (s < a->steps && qb_arms_match(a, row + s) == 1)
        s++;
    return s;
}

/* Has tokens[n] at most max(2, 5% of n) distinct ones? False when memory is short. */
static bool few_distinct(const int32_t *tokens, size_t n)
{
    struct qb_error err = {0};
    size_t most = n / 20 > 2 ? n / 20 : 2, count = 0;
    int32_t *seen = qb_alloc(most, sizeof *seen, "distinct tokens", &err);
    bool few = seen;
    for (size_t i = 0; few && i < n; i++) {
        size_t at = 0;
        while (at < count && seen[at] != tokens[i])
            at++;
        few = at < most;
        if (few && at == count)
            seen[count++] = tokens[i];
    }
    qb_free(seen);
    return few;
}

size_t qb_cycle_of(const int32_t *tokens, size_t n, size_t *covered)
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

static struct flaws find_flaws(const int32_t *tokens, const float *spread, size_t prompts, size_t steps, bool reference)
{
    struct flaws found = {0};
    for (size_t p = 0; p < prompts; p++) {
        size_t covered;
        bool loops = reference && qb_cycle_of(tokens + p * steps, steps, &covered) > 0 && 4 * covered >= steps;
        bool few = steps >= 10 && few_distinct(tokens + p * steps, steps), uniform = false;
        size_t under = 0;
        for (size_t s = 0; spread && s < steps; s++)
            under += (double)spread[p * steps + s] < QB_UNIFORM_SPREAD;
        uniform = 2 * under > steps;
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
        qb_note(value, "%s: nearly uniform (logits spread by less than 1e-3) in %zu of %zu prompts", arm, found.uniform,
                prompts);
    else
        qb_note(value, "%s: loops in %zu of %zu prompts", arm, found.loops, prompts);
    return true;
}

/* An arm's spread; files of older programs have the std over all of the vocabulary. */
static const float *spread_of(const struct qb_record *record, const char *prefix, const struct qb_arms *a)
{
    char spread[40], std[40];
    snprintf(spread, sizeof spread, "%sspread", prefix);
    snprintf(std, sizeof std, "%slogit_std", prefix);
    const float *x = qb_shaped(record, spread, QB_F32, a->prompts, a->steps);
    return x ? x : qb_shaped(record, std, QB_F32, a->prompts, a->steps);
}

void qb_greedy_remark(const struct qb_record *record, struct qb_value *value)
{
    struct qb_arms a;
    if (!qb_arms_load(record, &a))
        return;
    struct flaws ours = find_flaws(a.tokens, spread_of(record, "", &a), a.prompts, a.steps, false);
    struct flaws theirs = find_flaws(a.reference, spread_of(record, "reference_", &a), a.prompts, a.steps, true);
    if (!flag_arm(value, "reference", theirs, a.prompts))
        flag_arm(value, "variant", ours, a.prompts);
}
