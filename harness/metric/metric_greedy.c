/* Metrics of `greedy` on agreement: free-running generation, each arm on its own sequence. Steps of one prompt depend
 * on each other, so intervals are over prompts and one prompt has none. */
#include "base/mem.h"
#include "metric/arms.h"

/* After a first difference a prompt's steps hang together, so where nothing spreads a prompt counts once. */
static const struct qb_sample share_of_prompts = {
    .transform = QB_PERCENT, .kind = QB_KIND_SHARE, .icc = 1, .unit = "prompts"};

/* The share over the first `steps` steps of each prompt: of equal tokens, or of overlap[prompts, steps]. */
static bool over_prompts(const struct qb_arms *a, size_t steps, const double *overlap, struct qb_sample *sample)
{
    struct qb_error err = {0};
    size_t n = a->prompts * steps;
    double *x = qb_alloc(n, sizeof *x, "a share's entries", &err);
    int32_t *id = qb_alloc(n, sizeof *id, "a share's clusters", &err);
    bool there = true; /* without totals: memory ran out */
    for (size_t i = 0; x && id && i < n; i++) {
        size_t p = i / steps, at = p * a->steps + i % steps;
        id[i] = (int32_t)p;
        x[i] = overlap ? overlap[at] : qb_arms_match(a, at);
    }
    *sample = share_of_prompts;
    if (x && id)
        there = qb_sample_fill(sample, x, id, NULL, n);
    qb_free(x);
    qb_free(id);
    return there;
}

static bool match_at(const struct qb_record *record, size_t steps, struct qb_sample *sample)
{
    struct qb_arms a;
    if (!qb_arms_load(record, &a) || steps > a.steps)
        return false;
    return over_prompts(&a, steps > 0 ? steps : a.steps, NULL, sample);
}

static bool match_rate(const struct qb_record *record, struct qb_sample *sample)
{
    return match_at(record, 0, sample);
}

static bool match_rate_10(const struct qb_record *record, struct qb_sample *sample)
{
    return match_at(record, 10, sample);
}

static bool match_rate_500(const struct qb_record *record, struct qb_sample *sample)
{
    return match_at(record, 500, sample);
}

static bool match_rate_1000(const struct qb_record *record, struct qb_sample *sample)
{
    return match_at(record, 1000, sample);
}

static bool top10_overlap(const struct qb_record *record, struct qb_sample *sample)
{
    struct qb_arms a;
    if (!qb_arms_load(record, &a))
        return false;
    const uint8_t *count = qb_shaped(record, "overlap10", QB_U8, a.prompts, a.steps);
    const double *share = qb_shaped(record, "top10_share", QB_F64, a.prompts, a.steps);
    if (share || !count)
        return share && over_prompts(&a, a.steps, share, sample);
    struct qb_error err = {0}; /* files of older programs count shared tokens alone */
    size_t n = a.prompts * a.steps;
    double *x = qb_alloc(n, sizeof *x, "overlaps", &err);
    *sample = share_of_prompts;
    for (size_t i = 0; x && i < n; i++)
        x[i] = count[i] / 10.0;
    bool there = !x || over_prompts(&a, a.steps, x, sample);
    qb_free(x);
    return there;
}

static void remark_lists(const struct qb_record *record, struct qb_value *value)
{
    qb_greedy_remark(record, value);
    qb_lists_remark(record, value);
}

const struct qb_metric qb_metrics_greedy[] = {
    {.name = "match_rate",
     .experiment = "greedy",
     .unit = "%",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "generated tokens equal to the reference's at the same step",
     .sample = match_rate,
     .remark = qb_greedy_remark,
     .has_identity = true,
     .identity = 100},
    {.name = "match_rate_10",
     .experiment = "greedy",
     .unit = "%",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "match_rate over the first 10 steps",
     .sample = match_rate_10,
     .remark = qb_greedy_remark,
     .has_identity = true,
     .identity = 100},
    {.name = "match_rate_500",
     .experiment = "greedy",
     .unit = "%",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "match_rate over the first 500 steps",
     .sample = match_rate_500,
     .remark = qb_greedy_remark,
     .has_identity = true,
     .identity = 100},
    {.name = "match_rate_1000",
     .experiment = "greedy",
     .unit = "%",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "match_rate over the first 1000 steps",
     .sample = match_rate_1000,
     .remark = qb_greedy_remark,
     .has_identity = true,
     .identity = 100},
    {.name = "top10_overlap",
     .experiment = "greedy",
     .unit = "%",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "shared tokens of the two top-10 lists, each arm on its own sequence",
     .sample = top10_overlap,
     .remark = remark_lists,
     .has_identity = true,
     .identity = 100},
    {0},
};
