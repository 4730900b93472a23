#include "compute/conditioning.h"

#include "compute/hadamard.h"

static void divide(const float *scale, float *x, size_t rows, size_t cols)
{
    for (size_t i = 0; scale && i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            x[i * cols + j] /= scale[j];
}

void qb_condition_weights(const struct qb_conditioning *c, float *w, size_t rows, size_t cols)
{
    for (size_t i = 0; c->scale && i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            w[i * cols + j] *= c->scale[j];
    if (c->rotate)
        qb_hadamard(w, rows, cols);
}

void qb_condition_inputs(const struct qb_conditioning *c, float *x, size_t n, size_t cols)
{
    divide(c->scale, x, n, cols);
    if (c->rotate)
        qb_hadamard(x, n, cols);
}

void qb_restore_weights(const struct qb_conditioning *c, float *w, size_t rows, size_t cols)
{
    if (c->rotate)
        qb_hadamard(w, rows, cols);
    divide(c->scale, w, rows, cols);
}
