/* Which tensors cost the KL: one at a time, role by role, all together, and in the greedy order that always adds the
 * cheapest next. */
#include <string.h>

#include "attribute_bench.h"
#include "base/mem.h"
#include "base/text.h"

/* ---- one at a time, by role, all together ---- */

static char **add_texts(struct qb_record *out, const char *name, size_t n, const char *description,
                        struct qb_error *err)
{
    return qb_record_add(out, name, QB_TEXT, 1, &n, "1", description, err);
}

static char *role_text(uint32_t roles, struct qb_error *err)
{
    struct qb_text text = {0};
    qb_role_print(roles, &text);
    char *copy = text.failed ? NULL : qb_strdup(text.data ? text.data : "", err);
    if (text.failed)
        qb_fail(err, QB_ERR_MEMORY, "no memory for the name of a role");
    qb_text_free(&text);
    return copy;
}

static enum qb_status describe(const struct bench *b, struct qb_record *out, struct qb_error *err)
{
    size_t n = b->count;
    char **name = add_texts(out, "swap_tensor", n, "placed tensors, in order of use", err);
    char **role = name ? add_texts(out, "swap_role", n, "their roles that are placed", err) : NULL;
    int32_t *bits = role ? qb_record_add(out, "swap_role_bits", QB_I32, 1, &n, "1", "the same as bits", err) : NULL;
    int32_t *layer = bits ? qb_record_add(out, "swap_layer", QB_I32, 1, &n, "1", "their layers; -1: none", err) : NULL;
    int64_t *values = layer ? qb_record_add(out, "swap_values", QB_I64, 1, &n, "values", "their values", err) : NULL;
    for (size_t t = 0; values && t < n; t++) {
        const struct qb_tensor *tensor = b->swaps[t].tensor;
        layer[t] = (int32_t)tensor->layer;
        bits[t] = (int32_t)b->swaps[t].covered;
        values[t] = (int64_t)(tensor->rows * tensor->cols);
        if (!(name[t] = qb_strdup(tensor->name, err)) || !(role[t] = role_text(b->swaps[t].covered, err)))
            break;
    }
    return err->status;
}

/* The row blocks of all swaps as roles without repeats: q, k and v of a fused tensor apart, a tied embedding whole. */
static size_t list_roles(const struct bench *b, uint32_t roles[32])
{
    size_t count = 0;
    for (size_t t = 0; t < b->count; t++) {
        uint32_t left = b->swaps[t].covered;
        while (left) {
            uint32_t one = left & QB_ROLE_BLOCKS ? left & (~left + 1) : left;
            size_t i = 0;
            left &= ~one;
            while (i < count && roles[i] != one)
                i++;
            if (i == count && count < 32)
                roles[count++] = one;
        }
    }
    return count;
}

/* A copy of the tensor's weights with the rows of one role rounded; NULL with err set when memory runs out. */
static float *mix(const struct swap *s, uint32_t role, struct qb_error *err)
{
    const struct qb_tensor *t = s->tensor;
    size_t first, rows = qb_role_rows(t->roles, t->rows, t->block_rows, qb_role_block(t->roles, role), &first);
    size_t part = rows * t->cols, at = first * t->cols;
    float *mixed = qb_alloc(t->rows * t->cols, sizeof *mixed, "weights of one role", err);
    if (!mixed || qb_tensor_rows(t, 0, t->rows, mixed, err)) {
        qb_free(mixed);
        return NULL;
    }
    memcpy(mixed + at, s->rounded + at, part * sizeof *mixed);
    return mixed;
}

/* KL with the row blocks of `role` rounded, every layer's. */
static enum qb_status try_role(struct bench *b, uint32_t role, double *kl, struct qb_error *err)
{
    float **mixed = qb_alloc(b->count, sizeof *mixed, "weights of one role", err);
    for (size_t t = 0; mixed && t < b->count; t++) {
        const struct swap *s = &b->swaps[t];
        bool part = (s->covered & role) && s->tensor->roles != role;
        bench_put(b, s, (s->covered & role) != 0);
        if (part && !(mixed[t] = mix(s, role, err)))
            break;
        if (part)
            bench_put_floats(b, s, mixed[t]);
    }
    if (!err->status)
        bench_kl(b, kl, err);
    for (size_t t = 0; mixed && t < b->count; t++)
        qb_free(mixed[t]);
    qb_free(mixed);
    return err->status;
}

static enum qb_status by_role(struct bench *b, struct qb_record *out, struct qb_error *err)
{
    uint32_t roles[32];
    size_t dims[2] = {list_roles(b, roles), b->judge->positions};
    char **name = add_texts(out, "role", dims[0], "placed roles", err);
    double *kl = name ? qb_record_add(out, "role_kl", QB_F64, 2, dims, "nat",
                                      "KL with the tensors of this role alone rounded [role, position]", err)
                      : NULL;
    for (size_t r = 0; kl && r < dims[0]; r++)
        if (!(name[r] = role_text(roles[r], err)) || try_role(b, roles[r], kl + r * dims[1], err))
            break;
    return err->status;
}

static enum qb_status together(struct bench *b, struct qb_record *out, struct qb_error *err)
{
    size_t n = b->judge->positions;
    double *kl = qb_record_add(out, "all_kl", QB_F64, 1, &n, "nat", "KL with all placed tensors rounded", err);
    for (size_t t = 0; t < b->count; t++)
        bench_put(b, &b->swaps[t], true);
    if (kl)
        bench_kl(b, kl, err);
    return err->status;
}

/* ---- greedy order ---- */

static double sum_of(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum;
}

/* The wanted tensor with the least KL, the first of equals. */
static size_t cheapest(const struct bench *b, const double *kl, size_t row, size_t n)
{
    size_t best = b->count;
    for (size_t t = 0; t < b->count; t++)
        if (b->use[t] && (best == b->count || sum_of(kl + t * row, n) < sum_of(kl + best * row, n)))
            best = t;
    return best;
}

/* use and taken are b's. The first step is known from one tensor at a time, alone. */
static enum qb_status order_steps(struct bench *b, size_t chunks, const double *alone, bool *use, bool *taken,
                                  struct qb_record *out, struct qb_error *err)
{
    size_t count = b->count, n = chunks * b->judge->text.compared;
    double *trial = qb_alloc(count * n, sizeof *trial, "KL of a step", err);
    int32_t *order = trial ? qb_record_add(out, "order", QB_I32, 1, &count, "1",
                                           "swap_tensor's entries in the order of the least KL added", err)
                           : NULL;
    double *mean = order ? qb_record_add(out, "order_kl", QB_F64, 1, &count, "nat",
                                         "mean KL with the tensors up to this one rounded", err)
                         : NULL;
    if (mean)
        qb_record_i64(out, "order_positions", (int64_t)n, "positions", "behind order_kl", err);
    for (size_t step = 0; mean && !err->status && step < count; step++) {
        if (step > 0 && bench_try(b, chunks, trial, err))
            break;
        const double *kl = step ? trial : alone;
        size_t row = step ? n : b->judge->positions, best = cheapest(b, kl, row, n);
        order[step] = (int32_t)best;
        mean[step] = sum_of(kl + best * row, n) / (double)n;
        use[best] = false;
        taken[best] = true;
    }
    qb_free(trial);
    return err->status;
}

enum qb_status swap_run(struct judge *j, size_t order_chunks, struct qb_record *out, struct qb_error *err)
{
    struct bench b;
    bool *use = NULL, *taken = NULL;
    size_t chunks = order_chunks < j->text.chunks ? order_chunks : j->text.chunks;
    if (bench_open(j, &b, err) || b.count == 0)
        goto out;
    use = qb_alloc(b.count, sizeof *use, "tensors to try", err);
    taken = use ? qb_alloc(b.count, sizeof *taken, "rounded tensors", err) : NULL;
    if (!taken || describe(&b, out, err))
        goto out;
    memset(use, 1, b.count * sizeof *use);
    b.use = use;
    b.taken = taken;
    size_t dims[2] = {b.count, j->positions};
    double *kl = qb_record_add(out, "swap_kl", QB_F64, 2, dims, "nat",
                               "KL with this tensor alone rounded [tensor, position]", err);
    if (kl && !bench_try(&b, j->text.chunks, kl, err) && !by_role(&b, out, err) && !together(&b, out, err) && chunks)
        order_steps(&b, chunks, kl, use, taken, out, err);
out:
    bench_close(&b);
    qb_free(use);
    qb_free(taken);
    return err->status;
}
