/* "Weight transport", M_W = J_D W J_E^-1 (root_cause_analysis.md, "Why Per-Channel Scaling Didn't Work", dismissed
 * there and never run): a matrix that takes the coordinates c(x) of encoded inputs where W takes x. Path transport.
 *
 * E takes x to its coordinates, J_E = dE/dx is diagonal. The legacy layer's outputs are values and not coordinates
 * (source-protocols 6: the residual stream and LayerNorm see y), so that J_D, on their side, is 1, and M_W = W J_E^-1.
 * For coordinates that are affine in the logarithm of the magnitude, ln|x| = a + b |c(x)| (QINS: b = -(log_max -
 * log_min) 255 / 254), sign kept,
 *
 *     J_E^-1 = dx/dc = b |x|
 *
 * A derivative takes differences to differences. The documents' formula has no point that the differences are from:
 *   form linear, as written   y = M_W c(x) + b
 *   form tangent              y = W x0 + M_W (c(x) - E(x0)) + b, which is W x to first order in x - x0
 *   point position            x0 = D(c(x)), what the position's own codes decode to; the tangent then is W D(c(x))
 *   point mean                x0 = the mean of the operator's inputs on the calibration contexts
 *
 * W is linear, so W x0 + W J_E^-1 (c - c0) = W (x0 + J_E^-1 (c - c0)): the Jacobian need not be multiplied into W for
 * each position (rows * cols products); into the vector it takes cols. That vector is what is computed here, and W as
 * it lies is multiplied by it. */
#ifndef QB_TRANSPORT_H
#define QB_TRANSPORT_H

#include <stddef.h>
#include "base/error.h"
#include "codec/variant.h"

/* The line that a position's coordinates lie on: ln|x| = a + b |c|. b 0 where all magnitudes are equal. */
struct qb_log_line {
    double a, b;
};
/* From the values and coordinates, [cols], that the codes of one position decode to. Coordinates that are off the line
 * by more than 1e-3 of its span are QB_ERR_INPUT: those of a codec that is no logarithm. */
enum qb_status qb_log_line(const float *values, const float *coordinates, size_t cols, struct qb_log_line *line,
                           struct qb_error *err);

/* out[cols]: what W is multiplied by, x0 + J_E^-1 (c - E(x0)) or J_E^-1 c. x0: the mean point, or NULL: values. Entries
 * of x0 that are 0 have the Jacobian 0. */
void qb_transport_inputs(const struct qb_transport *transport, const struct qb_log_line *line, const float *x0,
                         const float *values, const float *coordinates, size_t cols, float *out);

#endif
