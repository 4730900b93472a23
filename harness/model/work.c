#include "model/work.h"

#include "base/mem.h"

static void count(struct qb_net *net, struct qb_work *work, const struct qb_net_buffer *rows, size_t n)
{
    const uint32_t products = QB_ROLE_WEIGHTS & ~(uint32_t)(QB_ROLE_EMBED | QB_ROLE_HEAD);
    const bool tied = qb_net_model(net)->arch.tied_head;
    *work = (struct qb_work){0};
    for (size_t i = 0; i < n; i++) {
        if (rows[i].roles & (QB_ROLE_BIAS | QB_ROLE_NORM))
            continue;
        if (rows[i].roles & products)
            work->flop_per_token += 2 * (double)rows[i].values;
        if (rows[i].roles & (products | QB_ROLE_HEAD | (tied ? QB_ROLE_EMBED : 0u)))
            work->step_bytes += (double)(rows[i].cache_bytes ? rows[i].cache_bytes : rows[i].held_bytes);
    }
}

enum qb_status qb_net_work(struct qb_net *net, struct qb_work *work, struct qb_error *err)
{
    const size_t n = qb_net_buffers(net, NULL, 0);
    struct qb_net_buffer *rows = qb_alloc(n, sizeof *rows, "buffer table", err);
    if (rows)
        count(net, work, rows, qb_net_buffers(net, rows, n));
    qb_free(rows);
    return err->status;
}

double qb_work_prefill(const struct qb_work *work, const struct qb_arch *arch, double n, double past)
{
    double flop = work->flop_per_token * n;
    if (arch->attention) /* q k^T and p v: 2 * 2 * n * n * hidden a layer, about half of it under a causal mask */
        flop += (double)arch->layers * 4 * n * n * (double)arch->hidden * (arch->causal ? 0.5 : 1) +
                (double)arch->layers * 4 * n * past * (double)arch->hidden;
    return flop;
}

void qb_net_products(struct qb_net *net, struct qb_product_ceiling *ceiling)
{
    const struct qb_tensor *t;
    for (size_t i = 0; qb_net_linear(net, i, &t); i++)
        if (!(t->roles & (QB_ROLE_EMBED | QB_ROLE_HEAD)))
            qb_product_ceiling_add(ceiling, t->rows, t->cols);
}
