#include "positions.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/probability.h"
#include "common.h"
#include "compute/kernels.h"

enum qb_status qb_positions_add(size_t n, struct qb_positions *r, struct qb_record *out, struct qb_error *err)
{
    r->count = n;
    r->chunk = qb_record_add(out, "chunk", QB_I32, 1, &n, "1", "chunk of the text that the position is in", err);
    r->position =
        qb_record_add(out, "position", QB_I32, 1, &n, "1", "position in its chunk, or place among the compared", err);
    r->target = qb_record_add(out, "target", QB_I32, 1, &n, "token id", "the token that follows; -1: none", err);
    r->kl = qb_record_add(out, "kl", QB_F64, 1, &n, "nat", "KL(reference || variant) of the next token", err);
    r->top1 = qb_record_add(out, "top1", QB_U8, 1, &n, "1",
                            "1: both arms have the same most likely token, and no other is as likely", err);
    r->overlap = qb_record_add(out, "overlap10", QB_U8, 1, &n, "tokens", "shared tokens of the two top-10 lists", err);
    r->nll = qb_record_add(out, "nll", QB_F64, 1, &n, "nat", "variant's -log p(target); NaN without target", err);
    r->reference_nll = qb_record_add(out, "reference_nll", QB_F64, 1, &n, "nat",
                                     "reference's -log p(target); NaN without target", err);
    r->max_diff = qb_record_add(out, "max_logit_diff", QB_F32, 1, &n, "1", "largest |logit difference|", err);
    r->top1_share = qb_record_add(out, "top1_share", QB_F64, 1, &n, "1",
                                  "chance that both arms rank the same token first, equals in random order", err);
    r->top10_share = qb_record_add(out, "top10_share", QB_F64, 1, &n, "1",
                                   "shared part of the top-10 lists (metric/ranking.h), likewise", err);
    r->hit = qb_record_add(out, "hit", QB_F64, 1, &n, "1", "chance that the variant's first token is the target", err);
    r->reference_hit =
        qb_record_add(out, "reference_hit", QB_F64, 1, &n, "1", "chance that the reference's first token is it", err);
    r->spread = qb_record_add(out, "spread", QB_F32, 1, &n, "1", "std of the variant's logits that matter", err);
    r->reference_spread =
        qb_record_add(out, "reference_spread", QB_F32, 1, &n, "1", "std of the reference's logits that matter", err);
    r->logit_std = qb_record_add(out, "logit_std", QB_F32, 1, &n, "1", "std of the reference's logits", err);
    r->margin = qb_record_add(out, "margin", QB_F32, 1, &n, "1", "reference's top-1 minus top-2 logit", err);
    r->top = qb_record_add(out, "top_token", QB_I32, 1, &n, "token id", "variant's most likely token", err);
    r->reference_top =
        qb_record_add(out, "reference_top_token", QB_I32, 1, &n, "token id", "reference's most likely token", err);
    r->reference_p =
        qb_record_add(out, "reference_top_p", QB_F32, 1, &n, "1", "reference's probability of its top token", err);
    return r->chunk && r->position && r->target && r->top && r->reference_top && r->reference_p && r->kl && r->top1 &&
                   r->overlap && r->nll && r->reference_nll && r->max_diff && r->logit_std && r->margin &&
                   r->top1_share && r->top10_share && r->hit && r->reference_hit && r->spread && r->reference_spread
               ? QB_OK
               : err->status;
}

/* Do the arms name the same tokens, and are they right? */
static void compare_ranks(const float *p, const float *q, size_t vocab, const struct qb_row_stats *ps,
                          const struct qb_row_stats *qs, struct qb_positions *r, size_t i)
{
    struct qb_agreement shares = qb_agree(&ps->rank, q, vocab, &qs->rank, memcmp(p, q, vocab * sizeof *p) == 0);
    r->top1_share[i] = shares.first;
    r->top10_share[i] = shares.top;
    r->top1[i] = shares.first == 1;
    r->overlap[i] = (uint8_t)qb_overlap(ps->rank.top, qs->rank.top, QB_TOP);
    r->top[i] = qs->rank.top[0];
    r->reference_top[i] = ps->rank.top[0];
    if (r->target[i] < 0)
        return;
    r->hit[i] = q[r->target[i]] == q[qs->rank.top[0]] ? 1.0 / qs->rank.first : 0;
    r->reference_hit[i] = p[r->target[i]] == p[ps->rank.top[0]] ? 1.0 / ps->rank.first : 0;
}

enum { PART = 1024 }; /* of a row, in the first-level cache */

/* The largest |p - q| over tokens that either arm gives a probability. */
static float largest_difference(const float *p, const float *q, size_t vocab, const struct qb_row_stats *ps,
                                const struct qb_row_stats *qs)
{
    const float p_most = p[ps->rank.top[0]], q_most = q[qs->rank.top[0]];
    float largest = 0, d[PART];
    for (size_t from = 0; from < vocab; from += PART) {
        const size_t n = vocab - from < PART ? vocab - from : PART;
        for (size_t i = 0; i < n; i++)
            d[i] = fabsf(p[from + i] - q[from + i]);
        for (size_t i = 0; (i = qb_kernels()->find(d, n, i, nextafterf(largest, INFINITY))) < n; i++)
            if (d[i] > largest && !(qb_improbable(p[from + i], p_most) && qb_improbable(q[from + i], q_most)))
                largest = d[i];
    }
    return fminf(largest, FLT_MAX);
}

/* mask[vocab]: scratch. */
static enum qb_status know_row(const float *p, size_t vocab, uint8_t *mask, struct qb_reference_row *known, size_t i,
                               struct qb_error *err)
{
    if (qb_row_stats(p, vocab, &known->stats, err))
        return qb_wrap(err, "reference, position %zu", i);
    const bool masks = qb_improbable(qb_smallest(p, vocab), p[known->stats.rank.top[0]]);
    known->std =
        masks && qb_mask_improbable(p, vocab, mask) ? (float)qb_std_unmasked(p, mask, vocab) : known->stats.std;
    return QB_OK;
}

static enum qb_status compare_row(const float *p, const struct qb_reference_row *known, const float *q, size_t vocab,
                                  struct qb_positions *r, size_t i, struct qb_error *err)
{
    const struct qb_row_stats *ps = &known->stats;
    struct qb_row_stats qs;
    if (qb_row_stats(q, vocab, &qs, err))
        return qb_wrap(err, "position %zu", i);
    r->kl[i] = qb_kl(p, q, vocab);
    compare_ranks(p, q, vocab, ps, &qs, r, i);
    r->reference_p[i] = (float)exp((double)p[ps->rank.top[0]] - ps->log_sum);
    r->logit_std[i] = known->std;
    r->margin[i] = ps->margin;
    r->spread[i] = qs.spread;
    r->reference_spread[i] = ps->spread;
    r->max_diff[i] = largest_difference(p, q, vocab, ps, &qs);
    r->nll[i] = r->reference_nll[i] = NAN;
    if (r->target[i] >= 0) {
        r->reference_nll[i] = ps->log_sum - (double)p[r->target[i]];
        r->nll[i] = qs.log_sum - (double)q[r->target[i]];
    }
    return QB_OK;
}

struct compare {
    const float *p, *q;                   /* q NULL: `found` alone is filled */
    const struct qb_reference_row *known; /* or NULL */
    struct qb_reference_row *found;       /* [n] */
    size_t vocab, first;
    struct qb_positions *rows;
    uint8_t *masks;          /* [worker, vocab] */
    struct qb_error *errors; /* one a row of the block */
};

static void compare_task(void *context, size_t i, unsigned worker)
{
    struct compare *c = context;
    const float *p = c->p + i * c->vocab;
    struct qb_reference_row own;
    struct qb_reference_row *found = c->found ? &c->found[i] : &own;
    if (!c->known && know_row(p, c->vocab, c->masks + worker * c->vocab, found, c->first + i, &c->errors[i]))
        return;
    if (c->q)
        compare_row(p, c->known ? &c->known[i] : found, c->q + i * c->vocab, c->vocab, c->rows, c->first + i,
                    &c->errors[i]);
}

static enum qb_status run_rows(struct qb_pool *pool, struct compare *c, size_t n, struct qb_error *err)
{
    c->errors = qb_alloc(n, sizeof *c->errors, "row errors", err);
    c->masks = c->errors ? qb_alloc(qb_pool_threads(pool), c->vocab, "masks of rows", err) : NULL;
    if (c->masks)
        qb_pool_run(pool, n, compare_task, c);
    for (size_t i = 0; i < n && !err->status; i++)
        *err = c->errors[i];
    qb_free(c->masks);
    qb_free(c->errors);
    return err->status;
}

enum qb_status qb_positions_reference(struct qb_pool *pool, const float *p, size_t vocab, size_t first, size_t n,
                                      struct qb_reference_row *known, struct qb_error *err)
{
    return run_rows(pool, &(struct compare){.p = p, .found = known, .vocab = vocab, .first = first}, n, err);
}

enum qb_status qb_positions_block(struct qb_pool *pool, const float *p, const struct qb_reference_row *known,
                                  const float *q, size_t vocab, size_t first, size_t n, struct qb_positions *r,
                                  struct qb_error *err)
{
    struct compare c = {.p = p, .q = q, .known = known, .vocab = vocab, .first = first, .rows = r};
    return run_rows(pool, &c, n, err);
}
