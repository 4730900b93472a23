/* fp16's kernels. Each converts n values; the portable ones are the reference, and every level gives the same bits. */
#ifndef FP16_H
#define FP16_H

#include <stddef.h>
#include <stdint.h>

#define FP16_LIMIT 65520.0f /* the least magnitude that rounds to Inf; 65504 is the largest that is stored */

/* x is finite and |x| < FP16_LIMIT; bytes and halves need no alignment. */
void fp16_narrow_portable(const float *x, size_t n, unsigned char *bytes);
void fp16_narrow_avx2(const float *x, size_t n, unsigned char *bytes);
/* A half that is NaN or Inf gives a value of magnitude 65536 or more, or NaN, at every level. */
void fp16_widen_portable(const unsigned char *bytes, size_t n, float *out);
void fp16_widen_avx2(const unsigned char *bytes, size_t n, float *out);

#endif
