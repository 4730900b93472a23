/* Nets with the corrections that a calibrated variant asks for. */
#ifndef QB_CALIBRATE_H
#define QB_CALIBRATE_H

#include "model/net.h"

/* Tokens for estimating S and alpha: contexts x length. */
struct qb_calibration_data {
    const int32_t *tokens;
    size_t contexts, length;
};

/* The net of model under variant (NULL: FP32 reference), ready to run: qb_net_create, and for a calibrated variant S
 * and alpha estimated on `data` and set. Without data (NULL, or no tokens) such a variant is QB_ERR_INPUT naming the
 * model. Borrows model, variant and pool; free with qb_net_free. */
enum qb_status qb_net_prepare(const struct qb_model *model, const struct qb_variant *variant,
                              const struct qb_calibration_data *data, struct qb_pool *pool, struct qb_net **net,
                              struct qb_error *err);

#endif
