#include "model/sampling.h"

#include <math.h>
#include <stdlib.h>
#include "base/mem.h"

struct candidate {
    float logit;
    int32_t id;
};

struct qb_sampler {
    size_t vocab;
    struct candidate *candidates; /* [vocab] */
    double *weights;              /* [vocab] */
};

enum qb_status qb_sampler_create(size_t vocab, struct qb_sampler **sampler, struct qb_error *err)
{
    struct qb_sampler *new = qb_alloc(1, sizeof *new, "sampler", err);
    if (!new)
        return err->status;
    new->vocab = vocab;
    new->candidates = qb_alloc(vocab, sizeof *new->candidates, "candidates", err);
    new->weights = new->candidates ? qb_alloc(vocab, sizeof *new->weights, "candidates", err) : NULL;
    if (err->status)
        qb_sampler_free(new);
    else
        *sampler = new;
    return err->status;
}

void qb_sampler_free(struct qb_sampler *sampler)
{
    if (!sampler)
        return;
    qb_free(sampler->candidates);
    qb_free(sampler->weights);
    qb_free(sampler);
}

/* Less: it stands before. */
static int order(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    if (a->logit != b->logit)
        return a->logit > b->logit ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

/* Sinks the candidate at i of a heap whose first one stands behind all others. */
static void sink(struct candidate *heap, size_t count, size_t i)
{
    struct candidate moved = heap[i];
    for (size_t child; (child = 2 * i + 1) < count; i = child) {
        if (child + 1 < count && order(&heap[child], &heap[child + 1]) < 0)
            child++;
        if (order(&heap[child], &moved) < 0)
            break;
        heap[i] = heap[child];
    }
    heap[i] = moved;
}

/* The `most` best, in their order; how many there are. */
static size_t best(struct candidate *heap, size_t most, const float *logits, size_t vocab)
{
    size_t count = 0;
    for (size_t i = 0; i < vocab; i++) {
        struct candidate one = {logits[i], (int32_t)i};
        if (!(logits[i] > -INFINITY))
            continue;
        if (count < most) {
            heap[count++] = one;
            for (size_t k = count / 2; count == most && k-- > 0;)
                sink(heap, count, k);
        } else if (order(&one, &heap[0]) < 0) {
            heap[0] = one;
            sink(heap, count, 0);
        }
    }
    qsort(heap, count, sizeof *heap, order);
    return count;
}

int32_t qb_sample(struct qb_sampler *sampler, const struct qb_sampling *sampling, const float *logits, double uniform)
{
    struct candidate *kept = sampler->candidates;
    double *weights = sampler->weights, sum = 0, mass = 0, at = 0;
    size_t most = sampling->temperature <= 0                            ? 1
                  : sampling->top_k && sampling->top_k < sampler->vocab ? sampling->top_k
                                                                        : sampler->vocab;
    size_t count = best(kept, most, logits, sampler->vocab), used = 0;
    if (count < 2)
        return count ? kept[0].id : 0;
    for (size_t i = 0; i < count; i++) {
        weights[i] = exp(((double)kept[i].logit - (double)kept[0].logit) / sampling->temperature);
        sum += weights[i];
    }
    while (used < count && (used == 0 || mass < sampling->top_p * sum) && weights[used] >= sampling->min_p)
        mass += weights[used++];
    for (size_t i = 0; i + 1 < used; i++) {
        at += weights[i];
        if (uniform * mass < at)
            return kept[i].id;
    }
    return kept[used ? used - 1 : 0].id;
}
