#include "compute/hadamard.h"

#include <math.h>

static void transform(float *x, size_t n, float scale)
{
    for (size_t half = 1; half < n; half *= 2)
        for (size_t i = 0; i < n; i += 2 * half)
            for (size_t j = i; j < i + half; j++) {
                float a = x[j], b = x[j + half];
                x[j] = a + b;
                x[j + half] = a - b;
            }
    for (size_t i = 0; i < n; i++)
        x[i] *= scale;
}

void qb_hadamard(float *x, size_t rows, size_t dim)
{
    const size_t n = dim & (~dim + 1); /* its lowest set bit */
    const float scale = 1.0f / sqrtf((float)n);
    for (size_t i = 0; n > 1 && i < rows * dim; i += n)
        transform(x + i, n, scale);
}
