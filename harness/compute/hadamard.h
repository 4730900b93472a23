/* An orthonormal rotation that spreads what stands out in one entry of a head over all of them. */
#ifndef QB_HADAMARD_H
#define QB_HADAMARD_H

#include <stddef.h>

/* x = x H in place for each of `rows` rows of dim floats, which lie side by side: H is the Walsh-Hadamard matrix (in
 * Sylvester's order) over each 2^k neighbouring entries, 2^k the largest power of two that divides dim, times 2^(-k/2).
 * Symmetric and its own inverse: queries and keys rotated alike have the same products. */
void qb_hadamard(float *x, size_t rows, size_t dim);

#endif
