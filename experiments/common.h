/* What several experiments need: nets for a cell, one arm of greedy generation, logits statistics. */
#ifndef QB_EXPERIMENTS_COMMON_H
#define QB_EXPERIMENTS_COMMON_H

#include "compute/linear.h"
#include "metric/metric.h"
#include "metric/ranking.h"
#include "run/experiment.h"

/* An FP32 net of env's model, for qb_net_free. (A variant's net is env->prepared->net: qb_cell_prepare.) */
enum qb_status qb_cell_fp32(const struct qb_cell_env *env, struct qb_net **net, struct qb_error *err);

/* Rows [row, row + rows) of a tensor as the variant stores them. */
struct qb_stored_block {
    size_t row, rows;
    const struct qb_format *format; /* the variant's weights, otherwise, fp16 or one of its others; borrowed */
};
/* The blocks of `tensor` that `variant` stores encoded or in FP16, in the order of rows, cut as its net cuts them
 * (qb_linear_cut); returns their count, 0 where all stays FP32. A tensor of which nothing is kept in FP16 or in one of
 * its others is one block in the format of its shape (qb_variant_format), also where the placement names a part of a
 * fused tensor only. Borrows from variant. */
size_t qb_cell_stored(const struct qb_variant *variant, const struct qb_tensor *tensor,
                      struct qb_stored_block blocks[QB_CUT_MAX]);

/* The reason why a variant stores no weight encoded, or NULL when it does. */
const char *qb_cell_stores_nothing(const struct qb_cell_env *env);

/* What is kept of one logits row: the head of the distribution and how sharp it is. */
struct qb_row_stats {
    struct qb_ranking rank;
    float margin;   /* top-1 minus top-2 */
    float std;      /* of the logits over the vocabulary, unbiased */
    float spread;   /* how far from uniform (qb_logit_spread) */
    double log_sum; /* of exp(logit): log p of a token is its logit less this */
};
/* NaN or Inf in the logits is QB_ERR_NUMERIC, naming the vocabulary index. */
enum qb_status qb_row_stats(const float *logits, size_t vocab, struct qb_row_stats *stats, struct qb_error *err);

/* alpha, alpha_raw, logit_std_fp, logit_std_q, scale_min[], scale_max[] of a calibrated variant's net into a record;
 * nothing of another's. */
enum qb_status qb_record_calibration(const struct qb_cell_env *env, const struct qb_net *net, struct qb_record *out,
                                     struct qb_error *err);

/* Free-running greedy generation on `net` from prompts[batch, length]: calls visit once a step with the batch's
 * hidden[batch, H] and logits[batch, V] and the statistics of each row, whose rank.top[0] is the token chosen. */
struct qb_generation {
    const int32_t *prompts;
    size_t batch, length, steps;
};
typedef enum qb_status (*qb_step_visit)(void *context, size_t step, const float *hidden, const float *logits,
                                        const struct qb_row_stats *stats, struct qb_error *err);
enum qb_status qb_generate_tokens(struct qb_net *net, const struct qb_generation *generation, qb_step_visit visit,
                                  void *context, struct qb_error *err);

#endif
