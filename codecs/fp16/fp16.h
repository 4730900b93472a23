/* fp16's kernels: the portable table, overwritten by what a level does faster. Every level gives the same bits. */
#ifndef FP16_H
#define FP16_H

#include <stddef.h>
#include <stdint.h>

#define FP16_LIMIT 65520.0f /* the least magnitude that rounds to Inf; 65504 is the largest that is stored */

struct fp16_kernels { /* each converts n values; bytes need no alignment */
    void (*narrow)(const float *x, size_t n, unsigned char *bytes); /* x is finite and |x| < FP16_LIMIT */
    /* A half that is NaN or Inf gives a value of magnitude 65536 or more, or NaN. */
    void (*widen)(const unsigned char *bytes, size_t n, float *out);
};

extern const struct fp16_kernels fp16_portable;
void fp16_avx2(struct fp16_kernels *kernels);

#endif
