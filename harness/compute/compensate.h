/* Encoding with error compensation, GPTQ's rule (Frantar et al., arXiv:2210.17323, algorithm 1): column by column, each
 * rounded to the format's grid, its error spread over the columns that follow so that the outputs on seen inputs change
 * least. For formats whose grid is set by the least and the greatest value of a scope: a tensor, a row, a group. */
#ifndef QB_COMPENSATE_H
#define QB_COMPENSATE_H

#include "compute/input_scale.h"

/* Rows [row, row + rows) of source, as it is conditioned, encoded in `format` as qb_matrix_encode does, but compensated
 * on the seen inputs, which are conditioned likewise. As in the published implementation the Hessian X^T X is damped by
 * a hundredth of its mean diagonal, columns go from the first to the last, and a group's grid is that of its weights
 * when its first column's turn comes, errors of the columns before included; an input that was always 0 is one whose
 * diagonal is the damping. The grid is asked of the codec: a value is what it decodes to beside the scope's extremes,
 * and these keep their codes, so that the whole, encoded in one call at last, has the grid that its columns were
 * rounded to. QB_ERR_INPUT where it has not (a format whose grid depends on more than extremes: a codebook, a searched
 * scale). Takes cols^3 steps, cols^2 doubles twice, and FP32 copies of the rows. */
enum qb_status qb_matrix_encode_compensated(const struct qb_matrix *source, size_t row, size_t rows,
                                            const struct qb_format *format, const struct qb_seen *seen,
                                            struct qb_matrix *encoded, struct qb_error *err);

#endif
