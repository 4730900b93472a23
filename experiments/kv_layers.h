/* Errors of keys, values and attention by layer, where the layer is fed FP32's input. */
#ifndef QB_KV_LAYERS_H
#define QB_KV_LAYERS_H

#include "run/experiment.h"

/* key_error, value_error, attention_error f64[layers] of the first min(context, 512) tokens into a record. Each is the
 * root of the sum of squared differences over that of FP32's squares. Keys and values: kept as the variant keeps them
 * against what `fp32` has (0 where it keeps FP32; of blocks that are full). Attention: what goes into the output
 * projection, of the variant's whole layer, weights included. fp32: a net of the same model without variant. */
enum qb_status qb_record_kv_layers(const struct qb_cell_env *env, struct qb_net *fp32, const int32_t *tokens,
                                   size_t context, struct qb_record *out, struct qb_error *err);

#endif
