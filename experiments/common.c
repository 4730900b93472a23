#include "common.h"

#include <float.h>
#include <malloc.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/calls.h"
#include "model/calibrate.h"
#include "model/decoder.h"

enum qb_status qb_cell_fp32(const struct qb_cell_env *env, struct qb_net **net, struct qb_error *err)
{
    return qb_net_create(env->model, NULL, env->pool, net, err);
}

/* One token through the net, so that everything it keeps while running is there. */
static void touch(struct qb_net *net, struct qb_error *err)
{
    const struct qb_arch *arch = &qb_net_model(net)->arch;
    const int32_t token = 0;
    float *hidden = qb_alloc(arch->hidden, sizeof *hidden, "hidden state", err);
    float *logits = qb_alloc(arch->vocab, sizeof *logits, "logits", err);
    if (!err->status && !qb_net_forward(net, &token, 1, 1, hidden, err))
        qb_net_logits(net, hidden, 1, logits, err);
    qb_free(logits);
    qb_free(hidden);
}

enum qb_status qb_cell_prepare(const struct qb_cell_env *env, struct qb_prepared *prepared, struct qb_error *err)
{
    const struct qb_calibration_data data = {env->inputs->calibration, env->inputs->calibration_contexts,
                                             env->inputs->calibration_length};
    const double start = qb_clock();
    malloc_trim(0);
    *prepared = (struct qb_prepared){.rss_before = qb_rss_bytes(), .accounted_before = qb_mem_stats().live_bytes};
    if (qb_net_prepare(env->model, env->variant, &data, env->pool, &prepared->net, err))
        return err->status;
    prepared->seconds = qb_clock() - start;
    touch(prepared->net, &prepared->pass);
    prepared->rss_after = qb_rss_bytes();
    prepared->peak_rss = qb_peak_rss_bytes();
    prepared->accounted_after = qb_mem_stats().live_bytes;
    return QB_OK;
}

size_t qb_cell_stored(const struct qb_variant *variant, const struct qb_tensor *tensor,
                      struct qb_stored_block blocks[QB_CUT_MAX])
{
    const struct qb_matrix matrix = qb_tensor_matrix(tensor);
    struct qb_cut cuts[QB_CUT_MAX];
    size_t count = 0;
    bool cut = qb_variant_conditions(variant) || qb_variant_other(variant, tensor->name, tensor->roles) ||
               qb_variant_covers(variant, variant->calibration.fp16_roles, tensor->name, tensor->roles);
    if (cut) {
        size_t all = qb_linear_cut(variant, &matrix, cuts);
        for (size_t i = 0, row = 0; i < all; row += cuts[i++].rows)
            if (cuts[i].stored)
                blocks[count++] = (struct qb_stored_block){row, cuts[i].rows, cuts[i].stored};
    } else if (qb_variant_covers(variant, variant->placement, tensor->name, tensor->roles)) {
        blocks[count++] =
            (struct qb_stored_block){0, tensor->rows, qb_variant_format(variant, tensor->rows, tensor->cols)};
    }
    return count;
}

const char *qb_cell_stores_nothing(const struct qb_cell_env *env)
{
    if (!env->variant->encoded)
        return "the variant encodes no weights";
    return qb_variant_stores(env->variant) ? NULL
                                           : "the variant encodes activations only, no weight is stored in its codec";
}

enum qb_status qb_row_stats(const float *logits, size_t vocab, struct qb_row_stats *stats, struct qb_error *err)
{
    size_t bad = qb_first_nonfinite(logits, vocab);
    if (bad < vocab)
        return qb_fail(err, QB_ERR_NUMERIC, "logit of token %zu is %s", bad, isnan(logits[bad]) ? "NaN" : "infinite");
    qb_rank(logits, vocab, &stats->rank);
    double margin = vocab > 1 ? (double)logits[stats->rank.top[0]] - (double)logits[stats->rank.top[1]] : 0;
    stats->margin = (float)fmin(margin, (double)FLT_MAX); /* next to a mask of -FLT_MAX it may be more */
    const double std = qb_std_f32(logits, vocab);
    stats->std = (float)std;
    stats->log_sum = qb_logsumexp(logits, vocab);
    if (!qb_logit_spread_beside(logits, vocab, stats->log_sum, std, &stats->spread))
        stats->spread = (float)qb_logit_spread(logits, vocab, stats->log_sum);
    return QB_OK;
}

enum qb_status qb_record_calibration(const struct qb_cell_env *env, const struct qb_net *net, struct qb_record *out,
                                     struct qb_error *err)
{
    const struct qb_net_calibration *c = qb_net_calibration(net);
    if (!env->variant->calibrated)
        return QB_OK;
    if (qb_record_f64(out, "alpha", c->alpha, "1", "global logit scale as applied", err) ||
        qb_record_f64(out, "alpha_raw", c->alpha_raw, "1", "logit scale before the clamp", err) ||
        qb_record_f64(out, "logit_std_fp", c->logit_std_fp, "1", "std of the FP32 logits on the contexts", err) ||
        qb_record_f64(out, "logit_std_q", c->logit_std_q, "1", "std of the variant's logits on the contexts", err))
        return err->status;
    size_t n = c->linears < 256 ? c->linears : 256;
    if (n == 0)
        return QB_OK;
    float *lo = qb_record_add(out, "scale_min", QB_F32, 1, &n, "1", "least S of each scaled linear", err);
    if (!lo)
        return err->status;
    memcpy(lo, c->scale_min, n * sizeof *lo);
    float *hi = qb_record_add(out, "scale_max", QB_F32, 1, &n, "1", "largest S of each scaled linear", err);
    if (!hi)
        return err->status;
    memcpy(hi, c->scale_max, n * sizeof *hi);
    return QB_OK;
}

/* One step: logits of hidden, statistics of every row, the visitor, and the next token of each sequence. */
static enum qb_status one_step(struct qb_net *net, const struct qb_generation *g, size_t step, const float *hidden,
                               float *logits, struct qb_row_stats *stats, int32_t *next, qb_step_visit visit,
                               void *context, struct qb_error *err)
{
    size_t vocab = qb_net_model(net)->arch.vocab;
    if (qb_net_logits(net, hidden, g->batch, logits, err))
        return err->status;
    for (size_t b = 0; b < g->batch; b++) {
        if (qb_row_stats(logits + b * vocab, vocab, &stats[b], err))
            return qb_wrap(err, "prompt %zu, step %zu", b, step);
        next[b] = stats[b].rank.top[0];
    }
    return visit(context, step, hidden, logits, stats, err);
}

/* Each step reads every weight for a few positions: from so many steps on, decoding them anew is most of the time. */
enum { KEPT_STEPS = 16 };
#define KEPT_BYTES ((size_t)2 << 30)

enum qb_status qb_generate_tokens(struct qb_net *net, const struct qb_generation *g, qb_step_visit visit, void *context,
                                  struct qb_error *err)
{
    const struct qb_arch *arch = &qb_net_model(net)->arch;
    struct qb_decoder *decoder = NULL;
    if (arch->context && g->length + g->steps > arch->context)
        return qb_fail(err, QB_ERR_INPUT, "a prompt of %zu tokens and %zu steps need %zu positions; the model has %zu",
                       g->length, g->steps, g->length + g->steps, arch->context);
    float *hidden = qb_alloc(g->batch * arch->hidden, sizeof *hidden, "hidden states", err);
    float *logits = qb_alloc(g->batch * arch->vocab, sizeof *logits, "logits", err);
    struct qb_row_stats *stats = qb_alloc(g->batch, sizeof *stats, "row statistics", err);
    int32_t *next = qb_alloc(g->batch, sizeof *next, "next tokens", err);
    if (!hidden || !logits || !stats || !next)
        goto out;
    if (g->steps >= KEPT_STEPS)
        qb_net_keep_decoded(net, KEPT_BYTES);
    if (qb_decoder_create(net, g->batch, g->length + g->steps, &decoder, err) ||
        qb_decoder_feed(decoder, g->prompts, g->length, hidden, err))
        goto out;
    for (size_t step = 0; step < g->steps; step++)
        if ((step > 0 && qb_decoder_feed(decoder, next, 1, hidden, err)) ||
            one_step(net, g, step, hidden, logits, stats, next, visit, context, err))
            goto out;
out:
    qb_decoder_free(decoder);
    qb_free(next);
    qb_free(stats);
    qb_free(logits);
    qb_free(hidden);
    return err->status;
}
