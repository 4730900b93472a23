#include <math.h>

#include "attribute.h"
#include "base/mem.h"
#include "common.h"

#define KEPT_BYTES ((size_t)256 << 20) /* reference logits up to this size are computed once */

static size_t block_at(size_t first, size_t positions)
{
    return positions - first < QB_FORCED_BLOCK ? positions - first : QB_FORCED_BLOCK;
}

/* Memory for the logits is a matter of speed alone: where there is none, they are computed at each use. */
static enum qb_status keep_logits(struct judge *j, struct qb_error *err)
{
    size_t vocab = j->env->model->arch.vocab, width = j->env->model->arch.hidden;
    struct qb_error unused = {0};
    if (j->positions > KEPT_BYTES / sizeof(float) / vocab)
        return QB_OK;
    j->kept = qb_alloc(j->positions * vocab, sizeof *j->kept, "reference logits", &unused);
    for (size_t i = 0; j->kept && i < j->positions && !err->status; i += QB_FORCED_BLOCK)
        qb_net_logits(j->fp32, j->hidden + i * width, block_at(i, j->positions), j->kept + i * vocab, err);
    return err->status;
}

enum qb_status judge_open(const struct qb_cell_env *env, struct judge *j, struct qb_error *err)
{
    size_t block = QB_FORCED_BLOCK * env->model->arch.vocab;
    *j = (struct judge){.env = env, .positions = qb_forced_positions(env->inputs)};
    if (qb_cell_fp32(env, &j->fp32, err) || qb_forced_open(env, j->fp32, NULL, &j->text, err))
        return err->status;
    j->hidden = qb_alloc(j->positions * env->model->arch.hidden, sizeof *j->hidden, "reference hidden states", err);
    j->p = j->hidden ? qb_alloc(block, sizeof *j->p, "reference logits", err) : NULL;
    j->q = j->p ? qb_alloc(block, sizeof *j->q, "logits", err) : NULL;
    if (!j->q || qb_forced_hidden(&j->text, j->fp32, 0, j->text.chunks, j->hidden, err))
        return err->status;
    return keep_logits(j, err);
}

void judge_close(struct judge *j)
{
    qb_free(j->kept);
    qb_free(j->q);
    qb_free(j->p);
    qb_free(j->hidden);
    qb_forced_close(&j->text);
    qb_net_free(j->fp32);
    *j = (struct judge){0};
}

struct rows {
    const float *p, *q;
    size_t vocab;
    double *kl;
};

static void row_task(void *context, size_t i, unsigned worker)
{
    const struct rows *r = context;
    (void)worker;
    r->kl[i] = qb_kl(r->p + i * r->vocab, r->q + i * r->vocab, r->vocab);
}

static enum qb_status rows_kl(struct judge *j, const float *p, size_t first, size_t n, double *kl, struct qb_error *err)
{
    struct rows rows = {p, j->q, j->env->model->arch.vocab, kl + first};
    qb_pool_run(j->env->pool, n, row_task, &rows);
    for (size_t i = first; i < first + n; i++)
        if (!isfinite(kl[i]))
            return qb_fail(err, QB_ERR_NUMERIC, "position %zu: the KL divergence is %s", i,
                           isnan(kl[i]) ? "NaN" : "infinite");
    return QB_OK;
}

enum qb_status judge_kl(struct judge *j, struct qb_net *net, const float *hidden, size_t positions, double *plain,
                        double *scaled, struct qb_error *err)
{
    size_t vocab = j->env->model->arch.vocab, width = j->env->model->arch.hidden;
    for (size_t i = 0; i < positions; i += QB_FORCED_BLOCK) {
        size_t n = block_at(i, positions);
        const float *p = j->kept ? j->kept + i * vocab : j->p;
        if ((!j->kept && qb_net_logits(j->fp32, j->hidden + i * width, n, j->p, err)) ||
            qb_net_raw_logits(net, hidden + i * width, n, j->q, err))
            return err->status;
        if (plain && rows_kl(j, p, i, n, plain, err))
            return err->status;
        qb_net_scale_logits(net, n, j->q);
        if (scaled && rows_kl(j, p, i, n, scaled, err))
            return err->status;
    }
    return QB_OK;
}
