/* y = W x + b as a variant computes it: the one place where variants differ. FP32 products by OpenBLAS on one thread
 * each (or a codec's own), over tiles whose shape depends on the problem alone, so that results are bitwise the same
 * over thread counts.
 */
#ifndef QB_LINEAR_H
#define QB_LINEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/threads.h"
#include "codec/variant.h"
#include "compute/input_scale.h"
#include "compute/matrix.h"
#include "compute/scratch.h"

struct qb_linear; /* one linear operator: one or more row segments, each stored in its own way */

/* What one row segment of the weight matrix is stored as. */
struct qb_segment_info {
    size_t row, rows; /* output channels [row, row + rows) */
    uint32_t roles;
    const char *store;              /* codec id, or "fp32" */
    const char *product;            /* how it is multiplied: name of a struct qb_matrix_ops */
    const struct qb_format *format; /* of what the operator encoded itself; NULL: it borrows the model's */
    const void *encoded;  /* in that format, rows x cols of the operator; NULL likewise. Owned by the operator */
    size_t bytes;         /* of the stored weights (qb_size_of the buffer that exists; 0: borrowed from the model) */
    size_t logical_bytes; /* as bytes, or rows*cols*4: a borrowed weight counts as FP32, whatever its format */
    size_t cache_bytes;   /* decoded copy that is kept (cache), or table of products (path domain-exact) */
    size_t held_bytes; /* what must be in memory: own bytes and cache_bytes; borrowed: the rows' share of the model's */
};

/* One row segment as a variant treats it, known without storing anything. */
struct qb_cut {
    uint32_t roles;
    size_t rows;
    bool under;                     /* the variant reaches it: stored encoded or in FP16, or fed encoded activations */
    const struct qb_format *stored; /* how its weights are stored: the variant's weights, otherwise, fp16 or one of its
                                       others, borrowed; NULL: FP32 */
};
/* The segments that qb_linear_create makes of W under variant (NULL: fp32), in order; returns their count. W's bytes
 * may be NULL. Its row blocks must make its rows. */
enum { QB_CUT_MAX = 8 };
size_t qb_linear_cut(const struct qb_variant *variant, const struct qb_matrix *matrix, struct qb_cut cuts[QB_CUT_MAX]);

/* Makes the operator of `variant` (NULL: fp32) for W and bias[rows] (or NULL), which must outlive it. A tensor whose
 * blocks are all treated alike is one segment (one range for the whole matrix, as the source has it); else one segment
 * a block. Weights that are not placed are borrowed in the model's own format; placed ones are encoded into accounted
 * memory, then decoded once to see that every value is finite. Under reversed arithmetic the weights are borrowed, too,
 * and are turned round at each use. */
enum qb_status qb_linear_create(const struct qb_variant *variant, const struct qb_matrix *matrix, const float *bias,
                                struct qb_linear **linear, struct qb_error *err);
/* The same for a variant that estimates something on the inputs that the operator takes (input_scale, compensate): from
 * `seen`. NULL, as above: nothing is known of them, and s is 1. */
enum qb_status qb_linear_create_seen(const struct qb_variant *variant, const struct qb_matrix *matrix,
                                     const float *bias, const struct qb_seen *seen, struct qb_linear **linear,
                                     struct qb_error *err);
void qb_linear_free(struct qb_linear *linear);

/* Lets the operator use this working memory (decoded tiles, encoded activations) instead of its own, so that the
 * linears of one net need the largest of them once. Borrowed; operators that share it are not applied at the same time.
 */
void qb_linear_share_scratch(struct qb_linear *linear, struct qb_scratch *scratch);

/* Floats of that working memory which qb_linear_apply_rows asks for, of n positions and that many threads, once what it
 * keeps decoded is there. */
enum qb_status qb_linear_scratch(const struct qb_linear *linear, unsigned threads, size_t n, size_t row, size_t count,
                                 size_t *floats, struct qb_error *err);

/* S per output channel for the segments that are encoded (calibration.scale): scale[rows], copied. */
enum qb_status qb_linear_set_scale(struct qb_linear *linear, const float *scale, struct qb_error *err);

/* The mean point that path transport linearises at: point[cols], copied; and its bytes, 0 where none was set. */
enum qb_status qb_linear_set_point(struct qb_linear *linear, const float *point, struct qb_error *err);
size_t qb_linear_point_bytes(const struct qb_linear *linear);

/* S as it is applied, [rows], 1 where a segment takes none; NULL when no scale was set. Owned by the operator. */
const float *qb_linear_scale(const struct qb_linear *linear);

/* s of the encoded segments' inputs (input_scale), [cols], and the alpha that it was made with; NULL: none. Owned by
 * the operator. */
const float *qb_linear_input_scale(const struct qb_linear *linear, double *alpha);

/* Bytes of FP32 copies of the rows that it borrows in another format and whose values it multiplies; making them; and
 * reading those of another operator of the same matrix, which holds all rows and outlives this one. From then on
 * nothing of these rows is decoded. */
size_t qb_linear_foreign_bytes(const struct qb_linear *linear);
enum qb_status qb_linear_hold_fp32(struct qb_linear *linear, struct qb_pool *pool, struct qb_error *err);
void qb_linear_share_fp32(struct qb_linear *linear, const struct qb_linear *held);

/* Bytes of FP32 copies of the rows that every product decodes; decoding them once, at the next product, and keeping the
 * copies. No bit of any product changes. */
size_t qb_linear_decoded_bytes(const struct qb_linear *linear);
void qb_linear_keep_decoded(struct qb_linear *linear);

/* y[n, rows] = operator on x[n, cols]; with_bias false leaves the bias out (calibration). Rows of x are positions. */
enum qb_status qb_linear_apply(struct qb_linear *linear, struct qb_pool *pool, const float *x, size_t n, float *y,
                               bool with_bias, struct qb_error *err);

/* The same for output channels [row, row + count) alone: y[n, count], rows of y ld apart. Not necessarily bitwise the
 * columns of qb_linear_apply: the tiles follow the shape. */
enum qb_status qb_linear_apply_rows(struct qb_linear *linear, struct qb_pool *pool, const float *x, size_t n,
                                    size_t row, size_t count, float *y, size_t ld, bool with_bias,
                                    struct qb_error *err);

/* The same with the bits of calls of `each` rows of x one after the other, the last of what is left (0: one call): what
 * is decoded is decoded once for all full ones. again: the last operator that took x with this scratch, if one did,
 * took the same n, and x has not changed since: what was made of it may be taken as it is. */
enum qb_status qb_linear_apply_each(struct qb_linear *linear, struct qb_pool *pool, const float *x, size_t n,
                                    size_t each, bool again, size_t row, size_t count, float *y, size_t ld,
                                    bool with_bias, struct qb_error *err);

size_t qb_linear_segments(const struct qb_linear *linear);
struct qb_segment_info qb_linear_segment(const struct qb_linear *linear, size_t index);
/* Does any segment come under the variant (is it placed)? */
bool qb_linear_encoded(const struct qb_linear *linear);

/* Does any segment multiply encoded bytes as they lie (enum qb_fusing)? */
bool qb_linear_fused(const struct qb_linear *linear);
/* How many segments do so slowly, for there was no memory for their working copies (fused.h). */
size_t qb_linear_lacks_copies(const struct qb_linear *linear);

/* Rows [row, row+count) of the effective weights as FP32 (decoded, also under a path that computes in the code domain;
 * without S; in the model's order), e.g. an embedding lookup. Decodes no other row. */
enum qb_status qb_linear_rows(struct qb_linear *linear, size_t row, size_t count, float *out, struct qb_error *err);

/* C[m, n] = A[m, k] B[n, k]^T over the pool, deterministic over thread counts; the sgemm that everything uses.
 * ldc: row stride of C. */
void qb_sgemm_nt(struct qb_pool *pool, size_t m, size_t n, size_t k, const float *a, const float *b, float *c,
                 size_t ldc);

/* OpenBLAS as linked: version/config string and the core name it runs ("SkylakeX"); static strings. Sets BLAS to one
 * thread a call and maps its working memory; call once at the start of a process that computes. */
void qb_blas_init(void);
const char *qb_blas_config(void);
const char *qb_blas_core(void);

#endif
