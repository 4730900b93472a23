/* Metrics of `teacher-forced` on the first-ranked tokens: do the arms agree, and are they right, that is, name the
 * token that follows in the text? Flips after Dutta et al. (2024), "Accuracy is Not All You Need", arXiv 2407.09141: a
 * variant can keep its accuracy and still answer differently. */
#include "base/mem.h"
#include "metric/chunks.h"

/* Of the share, or in files of older programs of `count` in `whole`. */
static bool share_of(const struct qb_record *record, const char *share, const char *count, double whole,
                     struct qb_sample *sample)
{
    size_t n = 0;
    double *x = qb_doubles(record, share, &n);
    if (x)
        whole = 1;
    else
        x = qb_doubles(record, count, &n);
    for (size_t i = 0; x && i < n; i++)
        x[i] /= whole;
    *sample = qb_chunk_share;
    return qb_sample_by_chunk(record, x, NULL, n, sample);
}

static bool top1_agreement(const struct qb_record *record, struct qb_sample *sample)
{
    return share_of(record, "top1_share", "top1", 1, sample);
}

static bool top10_overlap(const struct qb_record *record, struct qb_sample *sample)
{
    return share_of(record, "top10_share", "overlap10", 10, sample);
}

struct answers {
    size_t count;
    const int32_t *chunk, *target, *ours, *theirs; /* [count]; target under 0: none */
    const double *our_hit, *their_hit, *agree;     /* [count], or NULL in files of older programs: metric/ranking.h */
};

static bool load_answers(const struct qb_record *record, struct answers *a)
{
    const struct qb_array *ours = qb_record_get(record, "top_token", QB_I32, 1);
    size_t n = ours ? ours->count : 0;
    if (n == 0)
        return false;
    *a = (struct answers){.count = n, .ours = ours->data};
    a->theirs = qb_shaped(record, "reference_top_token", QB_I32, n, 0);
    a->chunk = qb_shaped(record, "chunk", QB_I32, n, 0);
    a->target = qb_shaped(record, "target", QB_I32, n, 0);
    a->our_hit = qb_shaped(record, "hit", QB_F64, n, 0);
    a->their_hit = qb_shaped(record, "reference_hit", QB_F64, n, 0);
    a->agree = qb_shaped(record, "top1_share", QB_F64, n, 0);
    return a->theirs && a->chunk && a->target;
}

/* Outcomes of a position, as a bit each in a set. */
enum { BOTH_WRONG = 1, TO_WRONG = 2, TO_RIGHT = 4, BOTH_RIGHT = 8 };

/* The chance that the position's outcome is in the set: 0 or 1, but where an arm's first rank is shared by equal
 * logits, of which any may come first. Arms that agree in full are right together. */
static double chance(const struct answers *a, size_t i, unsigned set)
{
    bool drawn = a->our_hit && a->their_hit && a->agree;
    double ours = drawn ? a->our_hit[i] : a->ours[i] == a->target[i];
    double theirs = drawn ? a->their_hit[i] : a->theirs[i] == a->target[i];
    double both = drawn && a->agree[i] == 1 ? ours : ours * theirs;
    return (set & BOTH_RIGHT ? both : 0) + (set & TO_RIGHT ? ours - both : 0) + (set & TO_WRONG ? theirs - both : 0) +
           (set & BOTH_WRONG ? 1 - ours - theirs + both : 0);
}

/* Of positions with a target: the share whose outcome is in `set`, less the share in `less`. */
static bool outcomes(const struct qb_record *record, unsigned set, unsigned less, struct qb_sample *sample)
{
    struct qb_error err = {0};
    struct answers a;
    if (!load_answers(record, &a))
        return false;
    double *x = qb_alloc(a.count, sizeof *x, "answers", &err);
    uint8_t *keep = qb_alloc(a.count, 1, "positions with a target", &err);
    bool there = true; /* without totals: memory ran out */
    *sample = qb_chunk_share;
    if (less) /* a difference is no share */
        *sample = (struct qb_sample){.kind = QB_KIND_REAL, .transform = QB_PERCENT, .unit = "chunks"};
    for (size_t i = 0; x && keep && i < a.count; i++) {
        keep[i] = a.target[i] >= 0;
        x[i] = chance(&a, i, set) - chance(&a, i, less);
    }
    if (x && keep)
        there = qb_sample_fill(sample, x, a.chunk, keep, a.count);
    qb_free(keep);
    qb_free(x);
    return there;
}

static bool accuracy(const struct qb_record *record, struct qb_sample *sample)
{
    return outcomes(record, TO_RIGHT | BOTH_RIGHT, 0, sample);
}

static bool reference_accuracy(const struct qb_record *record, struct qb_sample *sample)
{
    return outcomes(record, TO_WRONG | BOTH_RIGHT, 0, sample);
}

static bool accuracy_change(const struct qb_record *record, struct qb_sample *sample)
{
    return outcomes(record, TO_RIGHT, TO_WRONG, sample);
}

static bool flips(const struct qb_record *record, struct qb_sample *sample)
{
    return outcomes(record, TO_WRONG | TO_RIGHT, 0, sample);
}

static bool flips_to_wrong(const struct qb_record *record, struct qb_sample *sample)
{
    return outcomes(record, TO_WRONG, 0, sample);
}

static bool flips_to_right(const struct qb_record *record, struct qb_sample *sample)
{
    return outcomes(record, TO_RIGHT, 0, sample);
}

/* Do flips favour a side? The test takes positions for independent draws. */
static void remark_flips(const struct qb_record *record, struct qb_value *value)
{
    struct answers a;
    uint64_t to_wrong = 0, to_right = 0;
    if (!load_answers(record, &a))
        return;
    for (size_t i = 0; i < a.count; i++) {
        to_wrong += a.target[i] >= 0 && chance(&a, i, TO_WRONG) == 1;
        to_right += a.target[i] >= 0 && chance(&a, i, TO_RIGHT) == 1;
    }
    qb_note(value, "%llu to wrong, %llu to right: McNemar's exact p %.3g, positions taken as independent",
            (unsigned long long)to_wrong, (unsigned long long)to_right, qb_mcnemar(to_wrong, to_right));
    qb_uniform_remark(record, value);
}

static void remark_lists(const struct qb_record *record, struct qb_value *value)
{
    qb_uniform_remark(record, value);
    qb_lists_remark(record, value);
}

#define TF "teacher-forced"
const struct qb_metric qb_metrics_agreement[] = {
    {.name = "top1_agreement",
     .experiment = TF,
     .unit = "%",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "positions where both arms rank the same token first",
     .sample = top1_agreement,
     .remark = qb_uniform_remark,
     .has_identity = true,
     .identity = 100},
    {.name = "top10_overlap",
     .experiment = TF,
     .unit = "%",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "shared tokens of the two top-10 lists",
     .sample = top10_overlap,
     .remark = remark_lists,
     .has_identity = true,
     .identity = 100},
    {.name = "accuracy",
     .experiment = TF,
     .unit = "%",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "positions whose first-ranked token is the one that follows in the text",
     .sample = accuracy},
    {.name = "reference_accuracy",
     .experiment = TF,
     .unit = "%",
     .direction = QB_NEUTRAL,
     .description = "accuracy of the reference",
     .sample = reference_accuracy},
    {.name = "accuracy_change",
     .experiment = TF,
     .unit = "points",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "accuracy less the reference's, paired by position",
     .sample = accuracy_change,
     .remark = qb_uniform_remark}, /* no identity: a chunk's rights and wrongs can cancel without the arms being one */
    {.name = "flips",
     .experiment = TF,
     .unit = "%",
     .direction = QB_LOWER_IS_BETTER,
     .description = "positions where one arm's first-ranked token is right and the other's wrong",
     .sample = flips,
     .remark = remark_flips,
     .has_identity = true,
     .identity = 0},
    {.name = "flips_to_wrong",
     .experiment = TF,
     .unit = "%",
     .direction = QB_LOWER_IS_BETTER,
     .description = "positions that the reference gets right and the variant wrong",
     .sample = flips_to_wrong,
     .remark = qb_uniform_remark,
     .has_identity = true,
     .identity = 0},
    {.name = "flips_to_right",
     .experiment = TF,
     .unit = "%",
     .direction = QB_NEUTRAL,
     .description = "positions that the reference gets wrong and the variant right",
     .sample = flips_to_right,
     .remark = qb_uniform_remark,
     .has_identity = true,
     .identity = 0},
    {0},
};
