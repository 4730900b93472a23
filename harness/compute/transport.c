#include "compute/transport.h"

#include <math.h>

enum qb_status qb_log_line(const float *values, const float *coordinates, size_t cols, struct qb_log_line *line,
                           struct qb_error *err)
{
    size_t first = 0, last = 0;
    for (size_t j = 1; j < cols; j++) {
        first = fabsf(coordinates[j]) < fabsf(coordinates[first]) ? j : first;
        last = fabsf(coordinates[j]) > fabsf(coordinates[last]) ? j : last;
    }
    const double c0 = fabs((double)coordinates[first]), c1 = fabs((double)coordinates[last]);
    const double l0 = log(fabs((double)values[first])), l1 = log(fabs((double)values[last]));
    line->b = c1 > c0 ? (l1 - l0) / (c1 - c0) : 0;
    line->a = l0 - line->b * c0;
    for (size_t j = 0; j < cols; j++) {
        const double at = line->a + line->b * fabs((double)coordinates[j]), l = log(fabs((double)values[j]));
        if (!(fabs(l - at) <= 1e-3 * fabs(l1 - l0) + 1e-5))
            return qb_fail(
                err, QB_ERR_INPUT,
                "path transport: the coordinate %g of the value %g does not follow its logarithm, expected a "
                "codec of logarithms (qins8)",
                (double)coordinates[j], (double)values[j]);
    }
    return QB_OK;
}

void qb_transport_inputs(const struct qb_transport *transport, const struct qb_log_line *line, const float *x0,
                         const float *values, const float *coordinates, size_t cols, float *out)
{
    for (size_t j = 0; j < cols; j++) {
        const double point = x0 ? (double)x0[j] : (double)values[j], magnitude = fabs(point);
        const double inverse = line->b * magnitude; /* J_E^-1 */
        double difference = (double)coordinates[j];
        if (!transport->linear) {
            /* E(x0); at the position's own point it is c(x). */
            const double there = line->b != 0 && magnitude > 0 ? (log(magnitude) - line->a) / line->b : 0;
            difference -= !x0 ? (double)coordinates[j] : point < 0 ? -there : there;
        }
        out[j] = (float)((transport->linear ? 0 : point) + inverse * difference);
    }
}
