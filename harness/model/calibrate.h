/* Nets of variants that calibration contexts go into: corrections, or what is estimated before weights are encoded. */
#ifndef QB_CALIBRATE_H
#define QB_CALIBRATE_H

#include "model/net.h"

/* Tokens for estimating S and alpha, or input scales: contexts x length. */
struct qb_calibration_data {
    const int32_t *tokens;
    size_t contexts, length;
};

/* The net of model under variant (NULL: FP32 reference), ready to run: qb_net_create, and for a calibrated variant S
 * and alpha estimated on `data` and set. Under input_scale each encoded matrix gets s from the inputs that FP32 gives
 * it at all positions of data, and the head from the final hidden states; an embedding that is no head has no inputs,
 * and s 1. Under compensate the
 * inputs are those that the matrices before give which are encoded already. Without data (NULL, or no tokens) such a
 * variant is QB_ERR_INPUT naming the model. Borrows model, variant and pool; free with qb_net_free. */
enum qb_status qb_net_prepare(const struct qb_model *model, const struct qb_variant *variant,
                              const struct qb_calibration_data *data, struct qb_pool *pool, struct qb_net **net,
                              struct qb_error *err);

#endif
