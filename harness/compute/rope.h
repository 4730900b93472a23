/* Rotary positions: each head's numbers turned, two by two, by an angle of the position. Su et al. 2021. */
#ifndef QB_ROPE_H
#define QB_ROPE_H

#include <stdbool.h>
#include <stddef.h>
#include "base/threads.h"

/* Cosines and sines of `half` angles for each position, from the first position of the rows on. Turned are the first
 * 2 * half numbers of a head: (x[2i], x[2i+1]) by angle i (pairs), or (x[i], x[i + half]). */
struct qb_angles {
    const float *cosine, *sine; /* [positions, half] */
    size_t half;
    bool pairs;
};

/* Turns, in place, `heads` heads side by side from x + row * ld on; row s * n + i is position i of sequence s of
 * `batch`. (a, b) becomes (a cos - b sin, b cos + a sin), each product rounded to FP32. */
void qb_rotate(struct qb_pool *pool, const struct qb_angles *angles, float *x, size_t batch, size_t n, size_t ld,
               size_t heads, size_t head_dim);

#endif
