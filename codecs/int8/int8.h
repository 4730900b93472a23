/* int8's kernels: the portable table, overwritten by what a level does faster. Every level gives the same bits. */
#ifndef INT8_H
#define INT8_H

#include <stddef.h>
#include <stdint.h>

struct int8_kernels {
    void (*scale)(const int8_t *codes, size_t n, float scale, float *out); /* out[i] = scale * codes[i] */
};

extern const struct int8_kernels int8_portable;
void int8_avx2(struct int8_kernels *kernels);
void int8_avx512(struct int8_kernels *kernels);

#endif
