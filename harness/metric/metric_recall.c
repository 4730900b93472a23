/* Metrics of `recall`: which passages each arm writes again without an error, and where they part. Intervals are over
 * chunks of text, in each of which several passages were tried: Wilson's at the effective sample size. */
#include <math.h>
#include "base/mem.h"
#include "metric/parts.h"

/* Borrowed from the record. */
struct recall {
    size_t items, answer;
    const int32_t *ours, *theirs, *target; /* [items, answer] */
    const int32_t *chunk, *length;         /* [items] */
};

static bool load(const struct qb_record *record, struct recall *r)
{
    const struct qb_array *target = qb_record_get(record, "target", QB_I32, 2);
    if (!target || target->count == 0)
        return false;
    *r = (struct recall){.items = target->dims[0], .answer = target->dims[1], .target = target->data};
    r->ours = qb_shaped(record, "tokens", QB_I32, r->items, r->answer);
    r->theirs = qb_shaped(record, "reference_tokens", QB_I32, r->items, r->answer);
    r->chunk = qb_shaped(record, "chunk", QB_I32, r->items, 0);
    r->length = qb_shaped(record, "length", QB_I32, r->items, 0);
    return r->ours && r->theirs && r->chunk && r->length;
}

/* Tokens of an item that two arms, or an arm and the answer, have alike. */
static size_t alike(const struct recall *r, const int32_t *a, const int32_t *b, size_t item)
{
    size_t n = 0;
    for (size_t k = item * r->answer; k < (item + 1) * r->answer; k++)
        n += a[k] == b[k];
    return n;
}

static bool recalls(const struct recall *r, const int32_t *arm, size_t item)
{
    return alike(r, arm, r->target, item) == r->answer;
}

/* Outcomes of an item by both arms, as a bit each in a set. */
enum { BOTH_MISS = 1, TO_WRONG = 2, TO_RIGHT = 4, BOTH_RECALL = 8, ANY_LENGTH = 0 };

static unsigned outcome(const struct recall *r, size_t item)
{
    const bool ours = recalls(r, r->ours, item), theirs = recalls(r, r->theirs, item);
    return ours ? theirs ? BOTH_RECALL : TO_RIGHT : theirs ? TO_WRONG : BOTH_MISS;
}

static uint64_t count(const struct recall *r, unsigned set, int32_t length, uint64_t *of)
{
    uint64_t n = 0;
    *of = 0;
    for (size_t i = 0; i < r->items; i++)
        if (length == ANY_LENGTH || r->length[i] == length) {
            n += (outcome(r, i) & set) != 0;
            ++*of;
        }
    return n;
}

#define OURS (TO_RIGHT | BOTH_RECALL)
#define THEIRS (TO_WRONG | BOTH_RECALL)

/* The share of items of a length whose outcome is in `set`, less the share in `less`. */
static bool outcomes(const struct qb_record *record, unsigned set, unsigned less, int32_t length,
                     struct qb_sample *sample)
{
    struct qb_error err = {0};
    struct recall r;
    if (!load(record, &r))
        return false;
    *sample = (struct qb_sample){.transform = QB_PERCENT, .kind = QB_KIND_SHARE, .icc = 0.05, .unit = "chunks"};
    if (less)
        *sample = (struct qb_sample){.transform = QB_PERCENT, .kind = QB_KIND_REAL, .unit = "chunks"};
    double *x = qb_alloc(r.items, sizeof *x, "items", &err);
    uint8_t *keep = qb_alloc(r.items, 1, "items of a length", &err);
    bool there = true; /* without totals: memory ran out */
    for (size_t i = 0; x && keep && i < r.items; i++) {
        x[i] = (double)((outcome(&r, i) & set) != 0) - (double)((outcome(&r, i) & less) != 0);
        keep[i] = length == ANY_LENGTH || r.length[i] == length;
    }
    if (x && keep)
        there = qb_sample_fill(sample, x, r.chunk, keep, r.items);
    qb_free(keep);
    qb_free(x);
    return there;
}

/* Where the reference recalls nothing there is nothing that a variant could lose: no value, and the reason. */
static bool told(const struct qb_record *record, unsigned set, unsigned less, int32_t length, struct qb_value *value)
{
    struct qb_sample sample = {0};
    struct recall r;
    uint64_t of;
    if (!load(record, &r))
        return false;
    const uint64_t n = count(&r, THEIRS, length, &of);
    if (of == 0)
        return false;
    if (n == 0)
        return qb_absent(value, "the reference recalls 0 of %llu: this tells nothing of a cache",
                         (unsigned long long)of);
    const bool there = outcomes(record, set, less, length, &sample);
    if (there)
        qb_sample_value(&sample, NAN, value);
    qb_sample_free(&sample);
    return there;
}

/* Few of them tell little. */
static void remark_few(const struct qb_record *record, int32_t length, struct qb_value *value)
{
    struct recall r;
    uint64_t of;
    if (!qb_value_there(value->flags) || !load(record, &r))
        return;
    const uint64_t theirs = count(&r, THEIRS, length, &of), ours = count(&r, OURS, length, &of);
    qb_note(value, "the reference recalls %llu of %llu, the variant %llu", (unsigned long long)theirs,
            (unsigned long long)of, (unsigned long long)ours);
    if (2 * theirs >= of)
        return;
    value->flags |= QB_FLAG_DEGENERATE;
    qb_note(value, "less than half: this tells little of a cache");
}

#define OUTCOME(id, set, less, length)                                                                                 \
    static bool id##_value(const struct qb_record *record, struct qb_value *value)                                     \
    {                                                                                                                  \
        return told(record, set, less, length, value);                                                                 \
    }                                                                                                                  \
    static bool id##_sample(const struct qb_record *record, struct qb_sample *sample)                                  \
    {                                                                                                                  \
        struct recall r;                                                                                               \
        uint64_t of;                                                                                                   \
        return load(record, &r) && count(&r, THEIRS, length, &of) > 0 && outcomes(record, set, less, length, sample);  \
    }                                                                                                                  \
    static void id##_remark(const struct qb_record *record, struct qb_value *value)                                    \
    {                                                                                                                  \
        remark_few(record, length, value);                                                                             \
    }
OUTCOME(recall, OURS, 0, ANY_LENGTH)
OUTCOME(recall_512, OURS, 0, 512)
OUTCOME(recall_2k, OURS, 0, 2048)
OUTCOME(recall_8k, OURS, 0, 8192)
OUTCOME(recall_change, TO_RIGHT, TO_WRONG, ANY_LENGTH)
OUTCOME(flips_to_wrong, TO_WRONG, 0, ANY_LENGTH)
OUTCOME(flips_to_right, TO_RIGHT, 0, ANY_LENGTH)

/* What the reference recalls is shown whatever it is. */
#define REFERENCE(id, length)                                                                                          \
    static bool id(const struct qb_record *record, struct qb_sample *sample)                                           \
    {                                                                                                                  \
        return outcomes(record, THEIRS, 0, length, sample);                                                            \
    }
REFERENCE(reference_recall, ANY_LENGTH)
REFERENCE(reference_recall_512, 512)
REFERENCE(reference_recall_2k, 2048)
REFERENCE(reference_recall_8k, 8192)

static bool mcnemar_p(const struct qb_record *record, struct qb_value *value)
{
    struct recall r;
    uint64_t of;
    if (!load(record, &r))
        return false;
    const uint64_t wrong = count(&r, TO_WRONG, ANY_LENGTH, &of), right = count(&r, TO_RIGHT, ANY_LENGTH, &of);
    if (count(&r, THEIRS, ANY_LENGTH, &of) == 0)
        return qb_absent(value, "the reference recalls 0 of %llu: this tells nothing of a cache",
                         (unsigned long long)of);
    qb_exact(value, qb_mcnemar(wrong, right), r.items);
    qb_note(value, "McNemar's exact test of %llu to wrong against %llu to right, items taken as independent",
            (unsigned long long)wrong, (unsigned long long)right);
    return true;
}

/* ---- tokens ---- */

static bool tokens_alike(const struct qb_record *record, bool of_reference, bool with_reference,
                         struct qb_sample *sample)
{
    struct qb_error err = {0};
    struct recall r;
    if (!load(record, &r))
        return false;
    *sample = (struct qb_sample){.transform = QB_PERCENT, .kind = QB_KIND_SHARE, .icc = 0.05, .unit = "chunks"};
    double *x = qb_alloc(r.items, sizeof *x, "items", &err);
    for (size_t i = 0; x && i < r.items; i++)
        x[i] = (double)alike(&r, of_reference ? r.theirs : r.ours, with_reference ? r.theirs : r.target, i) /
               (double)r.answer;
    const bool there = !x || qb_sample_fill(sample, x, r.chunk, NULL, r.items);
    qb_free(x);
    return there;
}

static bool token_match(const struct qb_record *record, struct qb_sample *sample)
{
    return tokens_alike(record, false, true, sample);
}

static bool token_accuracy(const struct qb_record *record, struct qb_sample *sample)
{
    return tokens_alike(record, false, false, sample);
}

static bool reference_token_accuracy(const struct qb_record *record, struct qb_sample *sample)
{
    return tokens_alike(record, true, false, sample);
}

static bool items(const struct qb_record *record, struct qb_value *value)
{
    struct recall r;
    if (!load(record, &r))
        return false;
    qb_exact(value, (double)r.items, r.items);
    for (size_t i = 0; i < r.items; i++) {
        uint64_t of;
        const bool first = i == 0 || (r.chunk[i] == r.chunk[0] && r.length[i] != r.length[i - 1]);
        const uint64_t n = first ? count(&r, THEIRS, r.length[i], &of) : 0;
        if (first)
            qb_note(value, "of %d tokens: %llu, of which the reference recalls %llu", r.length[i],
                    (unsigned long long)of, (unsigned long long)n);
    }
    return true;
}

#define ENTRY(word, unit_, direction_, text)                                                                           \
    .name = word, .experiment = "recall", .unit = unit_, .direction = direction_, .description = text
#define TOLD(id) .compute = id##_value, .sample = id##_sample, .remark = id##_remark
#define IDENTITY(x) .has_identity = true, .identity = x
const struct qb_metric qb_metrics_recall[] = {
    {ENTRY("recall", "%", QB_HIGHER_IS_BETTER, "items whose answer has no wrong token"), TOLD(recall)},
    {ENTRY("reference_recall", "%", QB_NEUTRAL, "the reference's"), .sample = reference_recall},
    {ENTRY("recall_change", "points", QB_HIGHER_IS_BETTER, "recall less the reference's, paired by item"),
     TOLD(recall_change)},
    {ENTRY("mcnemar_p", "1", QB_NEUTRAL, "p of no change of recall"), .compute = mcnemar_p},
    {ENTRY("token_match", "%", QB_HIGHER_IS_BETTER, "tokens of an answer that equal the reference's"),
     .sample = token_match, IDENTITY(100)},
    {ENTRY("token_accuracy", "%", QB_HIGHER_IS_BETTER, "tokens of an answer that are right"), .sample = token_accuracy},
    {ENTRY("reference_token_accuracy", "%", QB_NEUTRAL, "the reference's"), .sample = reference_token_accuracy},
    {ENTRY("recall_512", "%", QB_HIGHER_IS_BETTER, "recall of items of 512 tokens"), TOLD(recall_512)},
    {ENTRY("recall_2k", "%", QB_HIGHER_IS_BETTER, "recall of items of 2,048 tokens"), TOLD(recall_2k)},
    {ENTRY("recall_8k", "%", QB_HIGHER_IS_BETTER, "recall of items of 8,192 tokens"), TOLD(recall_8k)},
    {ENTRY("reference_recall_512", "%", QB_NEUTRAL, "the reference's"), .sample = reference_recall_512},
    {ENTRY("reference_recall_2k", "%", QB_NEUTRAL, "the reference's"), .sample = reference_recall_2k},
    {ENTRY("reference_recall_8k", "%", QB_NEUTRAL, "the reference's"), .sample = reference_recall_8k},
    {ENTRY("flips_to_wrong", "%", QB_LOWER_IS_BETTER, "items that the reference recalls and the variant does not"),
     TOLD(flips_to_wrong), IDENTITY(0)},
    {ENTRY("flips_to_right", "%", QB_NEUTRAL, "items that the variant recalls and the reference does not"),
     TOLD(flips_to_right), IDENTITY(0)},
    {ENTRY("items", "items", QB_NEUTRAL, "passages asked for"), .compute = items},
    {0},
};
