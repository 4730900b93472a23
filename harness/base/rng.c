#include "base/rng.h"

#include <math.h>

enum { N = 624, M = 397, BLOCK = 16 };

/* Matsumoto and Nishimura, "Mersenne Twister", ACM TOMACS 8(1), 1998; init_genrand of mt19937ar.c (2002). */
void qb_rng_seed(struct qb_rng *rng, uint32_t seed)
{
    *rng = (struct qb_rng){.next = N};
    rng->state[0] = seed;
    for (uint32_t i = 1; i < N; i++)
        rng->state[i] = 1812433253u * (rng->state[i - 1] ^ rng->state[i - 1] >> 30) + i;
}

static uint32_t twist(uint32_t upper, uint32_t lower)
{
    uint32_t mixed = (upper & 0x80000000u) | (lower & 0x7fffffffu);
    return mixed >> 1 ^ (-(lower & 1u) & 0x9908b0dfu);
}

static void turn(struct qb_rng *rng)
{
    uint32_t *s = rng->state;
    for (int i = 0; i < N - M; i++)
        s[i] = s[i + M] ^ twist(s[i], s[i + 1]);
    for (int i = N - M; i < N - 1; i++)
        s[i] = s[i + M - N] ^ twist(s[i], s[i + 1]);
    s[N - 1] = s[M - 1] ^ twist(s[N - 1], s[0]);
    rng->next = 0;
}

uint32_t qb_rng_u32(struct qb_rng *rng)
{
    if (rng->next >= N)
        turn(rng);
    uint32_t y = rng->state[rng->next++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

static float unit_float(struct qb_rng *rng)
{
    return (float)(qb_rng_u32(rng) & 0xffffffu) * 0x1p-24f;
}

void qb_rng_uniform(struct qb_rng *rng, float low, float high, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = unit_float(rng) * (high - low) + low;
}

/* at::native normal_fill, 16 uniform values at a time: cosines of the first 8 pairs, then their sines. */
static void box_muller_block(float mean, float std, float x[BLOCK])
{
    for (int j = 0; j < BLOCK / 2; j++) {
        float u1 = 1.0f - x[j], u2 = x[j + BLOCK / 2];
        float radius = sqrtf(-2.0f * logf(u1)), theta = 6.28318530717958647692f * u2;
        x[j] = radius * cosf(theta) * std + mean;
        x[j + BLOCK / 2] = radius * sinf(theta) * std + mean;
    }
}

/* All n uniforms are drawn before any is used: the last, overlapping block draws 16 more after them. */
static void normal_blocks(struct qb_rng *rng, float mean, float std, float *out, size_t n)
{
    qb_rng_uniform(rng, 0.0f, 1.0f, out, n);
    for (size_t i = 0; i + BLOCK <= n; i += BLOCK)
        box_muller_block(mean, std, out + i);
    if (n % BLOCK != 0) {
        qb_rng_uniform(rng, 0.0f, 1.0f, out + n - BLOCK, BLOCK);
        box_muller_block(mean, std, out + n - BLOCK);
    }
}

static double unit_double(struct qb_rng *rng)
{
    uint64_t high = qb_rng_u32(rng), both = high << 32 | qb_rng_u32(rng);
    return (double)(both & (((uint64_t)1 << 53) - 1)) * 0x1p-53;
}

/* at::normal_distribution<double>: the spare sample outlives the call, as it does in torch's generator. */
static double normal_double(struct qb_rng *rng)
{
    if (rng->has_spare) {
        rng->has_spare = false;
        return rng->spare;
    }
    double u1 = unit_double(rng), u2 = unit_double(rng);
    double radius = sqrt(-2.0 * log1p(-u2)), theta = 2.0 * 3.14159265358979323846 * u1;
    rng->spare = radius * sin(theta);
    rng->has_spare = true;
    return radius * cos(theta);
}

void qb_rng_normal(struct qb_rng *rng, float mean, float std, float *out, size_t n)
{
    if (n >= BLOCK) {
        normal_blocks(rng, mean, std, out, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = (float)(normal_double(rng) * (double)std + (double)mean);
}

uint32_t qb_rng_randint(struct qb_rng *rng, uint32_t bound)
{
    return qb_rng_u32(rng) % bound;
}
