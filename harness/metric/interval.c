/* Means, quantiles and 95% intervals. */
#include <math.h>
#include "metric/interval.h"
#include "metric/metric.h"

double qb_mean(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return n > 0 ? sum / (double)n : NAN;
}

double qb_std(const double *x, size_t n)
{
    if (n < 2)
        return NAN;
    double mean = qb_mean(x, n), squares = 0;
    for (size_t i = 0; i < n; i++)
        squares += (x[i] - mean) * (x[i] - mean);
    return sqrt(squares / (double)(n - 1));
}

double qb_quantile(const double *sorted, size_t n, double p)
{
    if (n == 0 || !(p >= 0 && p <= 1))
        return NAN;
    double at = p * (double)(n - 1);
    size_t below = (size_t)at;
    if (below + 1 >= n || sorted[below] == sorted[below + 1]) /* equal neighbours may be Inf */
        return sorted[below];
    return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

void qb_wilson(uint64_t k, uint64_t n, double *lo, double *hi)
{
    const double z = 1.959963984540054;
    *lo = *hi = NAN;
    if (n == 0 || k > n)
        return;
    double count = (double)n, p = (double)k / count, z2 = z * z / count;
    double middle = (p + z2 / 2) / (1 + z2), half = z / (1 + z2) * sqrt((p * (1 - p) + z2 / 4) / count);
    *lo = k == 0 ? 0 : middle - half; /* exact at the ends, where the difference would leave rounding */
    *hi = k == n ? 1 : middle + half;
}

/* P(|T| > t) by the finite series of Abramowitz and Stegun 26.7.3 (df odd) and 26.7.4 (df even). */
static double student_outside(double t, size_t df)
{
    const double pi = 3.14159265358979323846, theta = atan(t / sqrt((double)df)), c2 = cos(theta) * cos(theta);
    double term = df % 2 == 1 ? cos(theta) : 1, sum = df > 1 ? term : 0;
    for (size_t k = df % 2 == 1 ? 3 : 2; k < df; k += 2) {
        term *= c2 * (double)(k - 1) / (double)k;
        sum += term;
    }
    return df % 2 == 1 ? 1 - 2 / pi * (theta + sin(theta) * sum) : 1 - sin(theta) * sum;
}

double qb_student_t975(size_t df)
{
    if (df == 0)
        return NAN;
    if (df > 400) { /* Abramowitz and Stegun 26.7.5; the next term is under 1e-12 here */
        double x = 1.959963984540054, v = (double)df, x2 = x * x;
        double g1 = x * (x2 + 1) / 4, g2 = x * ((5 * x2 + 16) * x2 + 3) / 96;
        double g3 = x * (((3 * x2 + 19) * x2 + 17) * x2 - 15) / 384;
        double g4 = x * ((((79 * x2 + 776) * x2 + 1482) * x2 - 1920) * x2 - 945) / 92160;
        return x + (g1 + (g2 + (g3 + g4 / v) / v) / v) / v;
    }
    double low = 1.9, high = 13;
    while (high - low > 1e-14 * high) {
        double middle = (low + high) / 2;
        if (middle <= low || middle >= high)
            break;
        if (student_outside(middle, df) > 0.05)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

bool qb_cluster_interval(const double *x, const int32_t *id, size_t n, double *lo, double *hi, size_t *clusters)
{
    double mean = qb_mean(x, n), total = 0, squares = 0;
    *lo = *hi = NAN;
    *clusters = 0;
    for (size_t i = 0; i < n; i++) {
        total += x[i] - mean;
        if (i + 1 < n && id[i + 1] == id[i])
            continue;
        squares += total * total;
        total = 0;
        ++*clusters;
    }
    if (*clusters < 2)
        return false;
    double g = (double)*clusters;
    double half = qb_student_t975(*clusters - 1) * sqrt(squares * g / (g - 1)) / (double)n;
    *lo = mean - half;
    *hi = mean + half;
    return true;
}

/* The distribution-free interval [x_(r), x_(n+1-r)] with the largest r for which P(Binomial(n, 1/2) < r) <= 2.5%. */
bool qb_median_interval(const double *sorted, size_t n, double *lo, double *hi)
{
    *lo = *hi = NAN;
    double log_choose = -(double)n * 0.69314718055994530942, below = 0;
    size_t r = 0;
    while (r < n / 2) {
        below += exp(log_choose);
        if (below > 0.025)
            break;
        log_choose += log((double)(n - r)) - log((double)(r + 1));
        r++;
    }
    if (r == 0)
        return false;
    *lo = sorted[r - 1];
    *hi = sorted[n - r];
    return true;
}
