/* Position i of cluster g is x = f(v), v = sqrt(icc) u_g + sqrt(1 - icc) e_gi, in four kinds:
 *   normal  u, e standard normal, f(v) = v; mean 0.
 *   skewed  u, e standard normal, f(v) = exp(sigma v), sigma 1.32; mean exp(sigma^2 / 2). On the King James transformer
 *           log KL of pattern-a has standard deviation 1.32 and intra-chunk correlation 0.016 over 20 chunks of 128
 *           positions. Its left skew (-1.5) makes the KL itself less skewed (3) than this lognormal (17): the
 *           simulation is the harder case.
 *   heavy   u, e Student's t with 3 df, f(v) = v; mean 0, infinite third moment.
 *   share   u, e standard normal, f(v) = [v < z(0.98)]; mean 0.98. Top-1 agreement of good 8-bit formats is 0.97 to
 *           0.99. An icc of 0.05 here is 0.007 between the zeros and ones; on the King James models theirs is -0.003
 *           to 0.014. */
#include "metric/population.h"

#include <math.h>
#include "base/splitmix.h"

static const double sigma = 1.32, share = 0.98;

const char *qb_population_name(enum qb_population population)
{
    static const char *const names[QB_POPULATIONS] = {"normal", "skewed", "heavy", "share"};
    return (unsigned)population < QB_POPULATIONS ? names[population] : "unknown";
}

enum qb_data_kind qb_population_kind(enum qb_population population)
{
    return population == QB_POPULATION_SHARE ? QB_KIND_SHARE : QB_KIND_REAL;
}

double qb_population_mean(enum qb_population population)
{
    return population == QB_POPULATION_SKEWED ? exp(sigma * sigma / 2) : population == QB_POPULATION_SHARE ? share : 0;
}

struct stream {
    uint64_t counter;
    double spare; /* NaN: none */
};

static double uniform(struct stream *s) /* in (0, 1) */
{
    return ((double)(qb_splitmix_next(&s->counter) >> 11) + 0.5) * 0x1p-53;
}

static double normal(struct stream *s) /* Marsaglia's polar method */
{
    if (!isnan(s->spare)) {
        double value = s->spare;
        s->spare = NAN;
        return value;
    }
    for (;;) {
        double a = 2 * uniform(s) - 1, b = 2 * uniform(s) - 1, r = a * a + b * b;
        if (r >= 1 || r == 0)
            continue;
        double scale = sqrt(-2 * log(r) / r);
        s->spare = b * scale;
        return a * scale;
    }
}

static double student3(struct stream *s) /* Bailey 1994: t = a sqrt(df (r^(-2/df) - 1) / r) */
{
    for (;;) {
        double a = 2 * uniform(s) - 1, b = 2 * uniform(s) - 1, r = a * a + b * b;
        if (r < 1 && r > 0)
            return a * sqrt(3 * (1 / cbrt(r * r) - 1) / r);
    }
}

/* Given u the zeros of a cluster are binomial, by inversion; expects few of them. */
static double draw_share(struct stream *s, double icc, double u)
{
    const double m = QB_POPULATION_CLUSTER;
    double miss = qb_normal_cdf((sqrt(icc) * u - qb_normal_quantile(share)) / sqrt(1 - icc));
    double mass = pow(1 - miss, m), below = mass, pick = uniform(s), zeros = 0;
    while (pick > below && zeros < m) {
        mass *= (m - zeros) / (zeros + 1) * miss / (1 - miss);
        below += mass;
        zeros++;
    }
    return m - zeros;
}

static double draw_real(struct stream *s, const struct qb_coverage_design *design, double u, double *squares)
{
    const double a = sqrt(design->icc) * u, b = sqrt(1 - design->icc);
    const double mean = qb_population_mean(design->population);
    double sum = 0;
    for (size_t i = 0; i < QB_POPULATION_CLUSTER; i++) {
        double v = a + b * (design->population == QB_POPULATION_HEAVY ? student3(s) : normal(s));
        double x = design->population == QB_POPULATION_SKEWED ? exp(sigma * v) : v;
        sum += x;
        *squares += (x - mean) * (x - mean);
    }
    return sum;
}

void qb_population_draw(const struct qb_coverage_design *design, size_t trial, double *sum, double *squares)
{
    uint64_t key = ((uint64_t)design->population << 56) ^ ((uint64_t)design->clusters << 32) ^ (uint64_t)trial;
    struct stream s = {qb_splitmix_hash(qb_splitmix_hash(key + QB_SPLITMIX_GAMMA) + 1), NAN};
    *squares = 0;
    for (size_t g = 0; g < design->clusters; g++) {
        double u = design->population == QB_POPULATION_HEAVY ? student3(&s) : normal(&s);
        sum[g] = design->population == QB_POPULATION_SHARE ? draw_share(&s, design->icc, u)
                                                           : draw_real(&s, design, u, squares);
    }
}
