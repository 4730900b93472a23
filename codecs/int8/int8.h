/* int8's kernel: n codes of one scale. The portable one is the reference; every level gives the same bits. */
#ifndef INT8_H
#define INT8_H

#include <stddef.h>
#include <stdint.h>

/* out[i] = scale * codes[i] */
void int8_scale_portable(const int8_t *codes, size_t n, float scale, float *out);
void int8_scale_avx2(const int8_t *codes, size_t n, float scale, float *out);
void int8_scale_avx512(const int8_t *codes, size_t n, float scale, float *out);

#endif
