/* Products in the logarithmic domain: path domain-exact. A plain reference.
 *
 * The weights are an encoded matrix whose codes are logarithms on one grid (codec/codec.h, QB_LAYOUT_CODES): the code
 * of a weight says how many steps of d = (ln most - ln least) / (codes - 1) it lies under the matrix's largest
 * magnitude W. An input x of a position whose largest magnitude is X gets a sign and a code on the same grid, each step
 * cut into 2^fraction: t = round(ln(X / |x|) 2^fraction / d), ties to even. The product of two numbers is then the sum
 * of two integers, read in one table that all positions share:
 *
 *     |w| |x|  =  W X exp(-(t_w 2^fraction + t_x) d / 2^fraction)  =  W X 2^-B table[t_w 2^fraction + t_x]
 *     table[t] =  round(2^B exp(-t d / 2^fraction)),  B = 62 - ceil(log2 cols)
 *
 * Entries are integers of a fixed point, of which cols fit an int64: sums are exact and do not depend on their order.
 * An input that is 0, or so small that its product with W is no unit, has a code whose entry is 0 (QINS itself has no
 * zero).
 *
 * What equals what, with N = cols and per output:
 *   the same codes decoded to double and multiplied (qb_log_options, decoded): off by at most N 2^-B W X (half a unit
 * of the table a term, and what lies under half a unit), and the roundings of double; the weights as decode gives them
 * times FP32 inputs (path decode) in exact sums: by that, and (exp(d / 2^(fraction + 1) + e) - 1) sum |w x|, e: how far
 * decode's float32 magnitudes lie from their grid, in logarithms (off_grid). */
#ifndef QB_LOG_PRODUCT_H
#define QB_LOG_PRODUCT_H

#include <stddef.h>
#include <stdint.h>
#include "codec/codec.h"
#include "codec/variant.h"

struct qb_log_product { /* a matrix prepared for it; read only */
    struct qb_codec_layout layout;
    const unsigned char *bytes; /* borrowed */
    size_t cols;
    struct qb_log_options options;
    double most;         /* W */
    double step;         /* d / 2^fraction, nat */
    double off_grid;     /* the largest |ln magnitude - its place on the grid| of a code, nat */
    unsigned bits;       /* B */
    uint32_t steps[256]; /* t_w 2^fraction of each code; of a magnitude of 0 `end` */
    uint32_t end;        /* the first entry from which on all are 0 */
    int64_t *table;      /* [2 end + 1], owned */
    double *numbers; /* decoded: what a code of t is times the largest, exp(-t step); [end + 1], owned; NULL: added */
};

/* Borrows bytes that lie by a layout of codes; `name`: of the tensor, for errors. Codes that lie on no one grid of
 * logarithms (off by more than a hundredth of a step), or on one so fine that the table would pass 2^24 entries, are
 * QB_ERR_INPUT. Free with qb_log_product_free. */
enum qb_status qb_log_product_make(const struct qb_codec_layout *layout, const void *bytes, size_t cols,
                                   const struct qb_log_options *options, const char *name,
                                   struct qb_log_product **product, struct qb_error *err);
void qb_log_product_free(struct qb_log_product *product);

/* Bytes of the table, and of the numbers where there are any; 0 for NULL. */
size_t qb_log_table_bytes(const struct qb_log_product *product);

/* The inputs' codes: of each position X, and of each input t_x and the sign. In scratch. */
struct qb_log_inputs {
    size_t n;
    const double *most;    /* [n] */
    const uint32_t *codes; /* [n, cols], 2 t_x + (x < 0) */
};
/* Floats of scratch that n positions need, and coding x[n, cols] in it. */
size_t qb_log_scratch(const struct qb_log_product *product, size_t n);
struct qb_log_inputs qb_log_prepare(const struct qb_log_product *product, const float *x, size_t n, float *scratch);

/* y[i * ld + r] = row row + r of the matrix times input i, r < count. From several threads at once on rows of their
 * own. */
void qb_log_multiply(const struct qb_log_product *product, size_t row, size_t count, const struct qb_log_inputs *in,
                     float *y, size_t ld);

#endif
