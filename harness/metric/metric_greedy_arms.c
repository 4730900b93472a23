/* Metrics of `greedy` on each arm alone: what its run looks like, and how sure it was. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "metric/arms.h"

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

static bool unique_of(const struct qb_arms *a, const int32_t *tokens, struct qb_value *value)
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
    struct qb_arms a;
    return qb_arms_load(record, &a) && unique_of(&a, a.tokens, value);
}

static bool reference_unique_tokens(const struct qb_record *record, struct qb_value *value)
{
    struct qb_arms a;
    return qb_arms_load(record, &a) && unique_of(&a, a.reference, value);
}

/* The median period over the prompts that loop. */
static bool cycle_value(const struct qb_arms *a, const int32_t *tokens, struct qb_value *value)
{
    struct qb_error err = {0};
    double *x = qb_alloc(a->prompts, sizeof *x, "cycle lengths", &err);
    size_t looping = 0;
    if (!x)
        return qb_no_memory(value);
    for (size_t p = 0; p < a->prompts; p++) {
        size_t covered, period = qb_cycle_of(tokens + p * a->steps, a->steps, &covered);
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
    struct qb_arms a;
    return qb_arms_load(record, &a) && cycle_value(&a, a.tokens, value);
}

static bool reference_cycle_length(const struct qb_record *record, struct qb_value *value)
{
    struct qb_arms a;
    return qb_arms_load(record, &a) && cycle_value(&a, a.reference, value);
}

/* The median over all steps; the rows of array[prompts, steps] are its clusters. */
static bool median_of_steps(const struct qb_record *record, const char *name, struct qb_value *value)
{
    struct qb_error err = {0};
    const struct qb_array *array = qb_record_get(record, name, QB_F32, 2);
    size_t n = 0;
    double *x = array ? qb_doubles(record, name, &n) : NULL;
    int32_t *prompt = x ? qb_alloc(n, sizeof *prompt, "prompts", &err) : NULL;
    for (size_t i = 0; prompt && i < n; i++)
        prompt[i] = (int32_t)(i / array->dims[1]);
    if (prompt)
        qb_quantile_value(value, x, prompt, n, 0.5, "prompts");
    else if (x)
        qb_no_memory(value);
    bool there = x;
    qb_free(prompt);
    qb_free(x);
    return there;
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

/* Percent of the reference's tokens that are its prompt's last token again: 100 is a run that says nothing of its own.
 */
static bool reference_prompt_echo(const struct qb_record *record, struct qb_value *value)
{
    struct qb_arms a;
    const struct qb_array *prompt = qb_record_get(record, "prompt", QB_I32, 2);
    if (!qb_arms_load(record, &a) || !prompt || prompt->dims[0] != a.prompts || prompt->dims[1] == 0)
        return false;
    size_t echoes = 0, length = prompt->dims[1];
    for (size_t i = 0; i < a.prompts * a.steps; i++)
        echoes += a.reference[i] == ((const int32_t *)prompt->data)[(i / a.steps + 1) * length - 1];
    return qb_exact(value, 100 * (double)echoes / (double)(a.prompts * a.steps), a.prompts * a.steps);
}

const struct qb_metric qb_metrics_greedy_arms[] = {
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
    {.name = "reference_prompt_echo",
     .experiment = "greedy",
     .unit = "%",
     .direction = QB_NEUTRAL,
     .description = "tokens of the reference that repeat the last token of its prompt",
     .compute = reference_prompt_echo},
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
    {.name = "calibration_overlap",
     .experiment = "greedy",
     .unit = "contexts",
     .direction = QB_LOWER_IS_BETTER,
     .description = "calibration contexts found inside the evaluated text",
     .compute = qb_calibration_overlap},
    {0},
};
