/* Distribution functions. The incomplete beta function is the root of all: its leading factor by Loader's saddle point
 * (C. Loader, Fast and Accurate Computation of Binomial Probabilities, 2000), which keeps its digits at a million
 * observations where differences of lgamma lose them; the rest by a continued fraction (A. R. DiDonato and A. H.
 * Morris, ACM TOMS 18, 1992). */
#include <math.h>
#include "metric/stats.h"

static const double pi = 3.14159265358979323846, log_sqrt_2pi = 0.91893853320467274178;

double qb_normal_cdf(double z)
{
    return 0.5 * erfc(-z * 0.70710678118654752440);
}

/* Abramowitz and Stegun 26.2.23 (error under 4.5e-4), then Newton on log P, which converges in both tails. */
double qb_normal_quantile(double p)
{
    if (!(p >= 0 && p <= 1))
        return NAN;
    if (p > 0.5) /* 1 - p is exact here */
        return -qb_normal_quantile(1 - p);
    if (p == 0 || p == 0.5)
        return p == 0 ? -INFINITY : 0;
    double s = sqrt(-2 * log(p));
    double z = -(s - (2.515517 + s * (0.802853 + s * 0.010328)) / (1 + s * (1.432788 + s * (0.189269 + s * 0.001308))));
    for (int i = 0; i < 4; i++) {
        double cdf = qb_normal_cdf(z);
        z -= cdf * log(cdf / p) * exp(0.5 * z * z + log_sqrt_2pi);
    }
    return z;
}

/* log(n!) less Stirling's n log n - n + log sqrt(2 pi n), n > 0 and not always whole. */
static double stirling_error(double n)
{
    if (n < 16) {
        int sign;
        return lgamma_r(n + 1, &sign) - (n + 0.5) * log(n) + n - log_sqrt_2pi;
    }
    double n2 = n * n;
    return (1.0 / 12 - (1.0 / 360 - (1.0 / 1260 - (1.0 / 1680 - 1.0 / 1188 / n2) / n2) / n2) / n2) / n;
}

/* x log(x / m) + m - x for d = x - m, without cancellation near x = m. */
static double deviance(double x, double m, double d)
{
    if (fabs(d) >= 0.1 * (x + m))
        return x * log(x / m) - d;
    double v = d / (x + m), sum = d * v, term = 2 * x * v;
    for (int j = 1; j < 1000; j++) {
        term *= v * v;
        double next = sum + term / (2 * j + 1);
        if (next == sum)
            break;
        sum = next;
    }
    return sum;
}

/* x^a y^b / B(a, b) with y = 1 - x, 0 < x < 1. d = a - n x, from the small terms. */
static double beta_front(double x, double y, double a, double b)
{
    double n = a + b, d = a * y - b * x;
    double exponent =
        stirling_error(n) - stirling_error(a) - stirling_error(b) - deviance(a, n * x, d) - deviance(b, n * y, -d);
    return exp(exponent) * sqrt(a * b / (2 * pi * n));
}

/* What divides the front, for d = a y - b x >= 0: the continued fraction of DiDonato and Morris (1992, eq. 9) by
 * Lentz's method, in about sqrt(max(a, b)) terms. It takes d apart, so x next to 1 costs no digits. */
static double beta_fraction(double x, double d, double a, double b)
{
    const double tiny = 1e-300;
    double value = a * (d + 1) / (a + 1), c = value, inverse = 0;
    for (int k = 1; k < 100000; k++) {
        double m = k, at = a + 2 * m - 1;
        double above = (a + m - 1) * (a + b + m - 1) * m * (b - m) * x * x / (at * at);
        double below = m + m * (b - m) * x / at + (a + m) * (d + 1 + m * (2 - x)) / (at + 2);
        inverse = below + above * inverse;
        c = below + above / c;
        inverse = 1 / (fabs(inverse) < tiny ? tiny : inverse);
        c = fabs(c) < tiny ? tiny : c;
        value *= c * inverse;
        if (fabs(c * inverse - 1) < 4e-16)
            break;
    }
    return value;
}

/* I_x(a, b); y = 1 - x is given apart, since it may have more digits than 1 - x leaves. */
static double beta_regularised(double x, double y, double a, double b)
{
    if (!(a > 0 && b > 0 && x >= 0 && y >= 0))
        return NAN;
    if (x == 0 || y == 0)
        return x == 0 ? 0 : 1;
    double front = beta_front(x, y, a, b), d = a * y - b * x;
    return d >= 0 ? front / beta_fraction(x, d, a, b) : 1 - front / beta_fraction(y, -d, b, a);
}

double qb_beta_cdf(double x, double a, double b)
{
    return beta_regularised(x, 1 - x, a, b);
}

double qb_binomial_cdf(uint64_t k, uint64_t n, double p)
{
    if (!(p >= 0 && p <= 1))
        return NAN;
    if (k >= n)
        return 1;
    return beta_regularised(1 - p, p, (double)(n - k), (double)k + 1);
}

/* P(T > t) for t >= 0, with digits to spare in the tail. */
static double student_above(double t, double df)
{
    if (df > 1e15)
        return qb_normal_cdf(-t);
    double t2 = t * t;
    if (isinf(t2))
        return 0;
    return 0.5 * beta_regularised(df / (df + t2), t2 / (df + t2), 0.5 * df, 0.5);
}

double qb_student_cdf(double t, double df)
{
    if (!(df > 0) || isnan(t))
        return NAN;
    return t > 0 ? 1 - student_above(t, df) : student_above(-t, df);
}

/* t > 0 with P(T > t) = q, 0 < q < 0.5: bracketed, then by bisection in log t with secant steps on log P, which is
 * nearly straight in log t in the tail. */
static double student_quantile_above(double q, double df)
{
    double low = 1e-300, high = 1;
    while (student_above(high, df) > q && high < 1e300) {
        low = high;
        high *= 4;
    }
    if (low < 1) { /* t below 1: down from it */
        low = 0.25;
        while (student_above(low, df) < q && low > 1e-300)
            low *= 0.25;
    }
    double f_low = log(student_above(low, df) / q), f_high = log(student_above(high, df) / q);
    for (int i = 0; i < 200 && high - low > 4e-16 * high; i++) {
        double share = i % 3 == 2 ? 0.5 : f_low / (f_low - f_high);
        double middle = low * pow(high / low, fmin(fmax(share, 1e-6), 1 - 1e-6));
        if (!(middle > low && middle < high))
            break;
        double f = log(student_above(middle, df) / q);
        if (f == 0)
            return middle;
        if (f > 0)
            low = middle, f_low = f;
        else
            high = middle, f_high = f;
    }
    return fabs(f_low) < fabs(f_high) ? low : high;
}

double qb_student_quantile(double p, double df)
{
    if (!(p >= 0 && p <= 1 && df > 0))
        return NAN;
    if (p == 0.5)
        return 0;
    if (p == 0 || p == 1)
        return p == 0 ? -INFINITY : INFINITY;
    if (df > 1e15)
        return qb_normal_quantile(p);
    return p < 0.5 ? -student_quantile_above(p, df) : student_quantile_above(1 - p, df);
}
