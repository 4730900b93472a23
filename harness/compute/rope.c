#include "compute/rope.h"

#define CHUNK 32 /* rows a task */

struct rotation {
    const struct qb_angles *angles;
    float *x;
    size_t rows, n, ld, heads, head_dim;
};

static void rotate_pairs(float *x, const float *cosine, const float *sine, size_t half)
{
    for (size_t i = 0; i < half; i++) {
        float a = x[2 * i], b = x[2 * i + 1];
        x[2 * i] = a * cosine[i] - b * sine[i];
        x[2 * i + 1] = b * cosine[i] + a * sine[i];
    }
}

static void rotate_halves(float *restrict x, float *restrict y, const float *cosine, const float *sine, size_t half)
{
    for (size_t i = 0; i < half; i++) {
        float a = x[i], b = y[i];
        x[i] = a * cosine[i] - b * sine[i];
        y[i] = b * cosine[i] + a * sine[i];
    }
}

static void run_chunk(void *context, size_t index, unsigned worker)
{
    const struct rotation *r = context;
    const size_t half = r->angles->half;
    size_t end = (index + 1) * CHUNK < r->rows ? (index + 1) * CHUNK : r->rows;
    (void)worker;
    for (size_t row = index * CHUNK; row < end; row++) {
        const float *cosine = r->angles->cosine + row % r->n * half, *sine = r->angles->sine + row % r->n * half;
        for (size_t h = 0; h < r->heads; h++) {
            float *x = r->x + row * r->ld + h * r->head_dim;
            if (r->angles->pairs)
                rotate_pairs(x, cosine, sine, half);
            else
                rotate_halves(x, x + half, cosine, sine, half);
        }
    }
}

void qb_rotate(struct qb_pool *pool, const struct qb_angles *angles, float *x, size_t batch, size_t n, size_t ld,
               size_t heads, size_t head_dim)
{
    struct rotation rotation = {angles, x, batch * n, n, ld, heads, head_dim};
    qb_pool_run(pool, (rotation.rows + CHUNK - 1) / CHUNK, run_chunk, &rotation);
}
