/* Adjusted p values of a family of tests: Holm (1979) for the family-wise error rate, Benjamini and Hochberg (1995) for
 * the false discovery rate. */
#include <math.h>
#include <stdlib.h>
#include "base/mem.h"
#include "metric/stats.h"

struct ranked {
    double p;
    size_t place;
};

static int by_p(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->p != y->p)
        return x->p < y->p ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

/* The tests of the family in ascending p; NaN are no part of it. NULL: memory ran out. */
static struct ranked *rank(const double *p, size_t n, size_t *family)
{
    struct qb_error err = {0};
    struct ranked *list = qb_alloc(n, sizeof *list, "p values", &err);
    *family = 0;
    for (size_t i = 0; list && i < n; i++)
        if (!isnan(p[i]))
            list[(*family)++] = (struct ranked){p[i], i};
    if (list)
        qsort(list, *family, sizeof *list, by_p);
    return list;
}

static void copy(const double *p, size_t n, double *adjusted)
{
    for (size_t i = 0; i < n; i++)
        adjusted[i] = p[i];
}

bool qb_holm(const double *p, size_t n, double *adjusted)
{
    size_t m;
    struct ranked *list = rank(p, n, &m);
    if (!list)
        return false;
    copy(p, n, adjusted);
    double largest = 0;
    for (size_t i = 0; i < m; i++) {
        largest = fmax(largest, fmin(1, (double)(m - i) * list[i].p));
        adjusted[list[i].place] = largest;
    }
    qb_free(list);
    return true;
}

bool qb_benjamini_hochberg(const double *p, size_t n, double *adjusted)
{
    size_t m;
    struct ranked *list = rank(p, n, &m);
    if (!list)
        return false;
    copy(p, n, adjusted);
    double least = 1;
    for (size_t i = m; i-- > 0;) {
        least = fmin(least, (double)m / (double)(i + 1) * list[i].p);
        adjusted[list[i].place] = least;
    }
    qb_free(list);
    return true;
}
