/* One weight: bytes in a format until a product reads them, and the products that read them. */
#ifndef QB_MATRIX_H
#define QB_MATRIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/threads.h"
#include "codec/registry.h"
#include "compute/conditioning.h"
#include "compute/fused.h"
#include "compute/log_product.h"

/* Borrowed: whoever made it (a model's source, a linear operator) keeps the bytes while it is used. The bytes have been
 * gone over once (by the source's reader, or qb_matrix_check): sizes fit and every value is finite. */
struct qb_matrix {
    const char *name;                           /* of the tensor: a variant may choose by it */
    uint32_t roles;                             /* of its row blocks (q, k, v for a fused qkv) */
    size_t rows, cols;                          /* output channels, inputs; row-major */
    size_t block_rows[3];                       /* of each block in the order of the roles' bits; all 0: equal blocks */
    const struct qb_format *format;             /* of bytes; NULL: FP32 as the machine holds it, aligned to 4 */
    const void *bytes;                          /* NULL where only the shape matters */
    size_t size;                                /* of bytes */
    bool mapped;                                /* the pages of bytes may be dropped: they are read again at use */
    const struct qb_conditioning *conditioning; /* its values are those of bytes so changed; NULL: bytes' own */
    const struct qb_fused *fused; /* the bytes, to be multiplied as they lie (arithmetic "fused"); NULL: they are not */
    const struct qb_log_product
        *logs; /* the codes, to be added as logarithms (QB_READ_LOGARITHMS); NULL: they are not */
};

/* What a product takes a matrix's rows for. */
enum qb_reading {
    QB_READ_VALUES,
    QB_READ_COORDINATES, /* c(W), the code values as numbers */
    QB_READ_REVERSED,    /* the values, each row from its last entry to its first */
    QB_READ_SPLIT,       /* the values, as sums of three BF16 terms (kernels.h): another arithmetic */
    QB_READ_SPLIT2,      /* of two: yet another */
    QB_READ_LOGARITHMS   /* the codes, as logarithms (log_product.h) */
};

/* y[n, count] = x[n, cols] W[row, row + count)^T, W as `ops` reads it. */
struct qb_product {
    const struct qb_matrix *matrix;
    const struct qb_matrix_ops *ops;
    size_t row, count;
    const float *x;
    size_t n;
    size_t each; /* n as so many products of this many inputs, the last one of what is left: their bits; 0: of n */
    float *y;
    size_t ld;      /* floats from a row of y to the next, >= count */
    float *scratch; /* qb_product_scratch floats */
    bool ready;     /* scratch has what the last product left there (qb_product_leaves) of the same x, n and each */
};

/* How a matrix is multiplied; a row of one table, the first that fits serves. */
struct qb_matrix_ops {
    const char *name; /* "view", "fused", "codec", "decode+blas", ... */
    enum qb_reading reading;
    bool (*fits)(const struct qb_matrix *matrix);
    enum qb_status (*apply)(const struct qb_product *product, struct qb_pool *pool, struct qb_error *err);
    bool decodes; /* values anew at each use: their FP32 copy gives the same bits */
    /* Rows [row, row + count) as the product takes them, out[count, cols]. */
    enum qb_status (*rows)(const struct qb_matrix *matrix, size_t row, size_t count, float *out, struct qb_error *err);
};

/* The row of the table that serves the matrix read so. Never NULL. */
const struct qb_matrix_ops *qb_matrix_ops(const struct qb_matrix *matrix, enum qb_reading reading);

/* Floats of scratch that product->ops needs for the product's shape on that many threads: some panels of rows, never
 * the whole matrix of a large one. */
size_t qb_product_scratch(const struct qb_product *product, unsigned threads);

/* The product over the pool: bitwise the same for any number of threads, and for all but "codec", "fused",
 * "split", "split2" and "logarithms" bitwise the product of the FP32 rows that `ops` reads. "fused" is within its
 * tolerance of that for up to QB_FUSED_MOST inputs, and for more the same. "split" and "split2" are, whatever the
 * number of inputs, rows and threads and the instruction set level, the same bits: within QB_SPLIT_TOLERANCE
 * (kernels.h) of the exact product. */
/* Rows that several products of `each` inputs read are decoded once for all of them where that is of up to a few rows.
 */
enum qb_status qb_product(const struct qb_product *product, struct qb_pool *pool, struct qb_error *err);

/* Does the product leave in front of its scratch what it made of its inputs, for any other of the same reading? */
bool qb_product_leaves(const struct qb_product *product);

/* Rows [row, row + count) as `ops` reads them, out[count, cols], over the pool. */
enum qb_status qb_matrix_unpack(const struct qb_matrix *matrix, const struct qb_matrix_ops *ops, struct qb_pool *pool,
                                size_t row, size_t count, float *out, struct qb_error *err);

/* The values of rows [row, row + count) in FP32, out[count, cols]; decodes no other row. */
enum qb_status qb_matrix_rows(const struct qb_matrix *matrix, size_t row, size_t count, float *out,
                              struct qb_error *err);

/* Reads every row once as values and as `reading` through the checked calls: a codec that refuses, or gives a value
 * that is not finite, is an error that names codec and element. */
enum qb_status qb_matrix_check(const struct qb_matrix *matrix, enum qb_reading reading, struct qb_error *err);

/* Rows [row, row + rows) of source encoded in `format`, unchecked: encoded->bytes come from qb_alloc and are the
 * caller's to free. Needs no FP32 copy of them where the codec encodes in parts or the source is FP32; drops the
 * source's pages where they may be dropped, in parts as soon as they are read. On failure encoded->bytes is NULL. */
enum qb_status qb_matrix_encode(const struct qb_matrix *source, size_t row, size_t rows, const struct qb_format *format,
                                struct qb_matrix *encoded, struct qb_error *err);

/* Rows of x[rows, cols] from the last entry to the first, in place. */
void qb_reverse_rows(float *x, size_t rows, size_t cols);

#endif
