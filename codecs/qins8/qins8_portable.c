/* The reference kernels of qins8: plain C, the algorithm that every other level repeats. */
#include "qins8_kernels.h"

#include <string.h>

static uint32_t magnitude_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & 0x7fffffffu;
}

static uint32_t floor_bits(void)
{
    return magnitude_bits(QINS8_FLOOR);
}

static double ln(uint32_t bits)
{
    int32_t exponent = ((int32_t)bits - QINS8_SQRT_HALF) >> 23;
    uint32_t mantissa_bits = bits - ((uint32_t)exponent << 23);
    float mantissa;
    memcpy(&mantissa, &mantissa_bits, sizeof mantissa);
    double m = (double)mantissa;
    double s = (m - 1.0) / (m + 1.0), z = s * s;
    double sum = qins8_ln_terms[0];
    for (int i = 1; i < QINS8_LN_TERMS; i++)
        sum = sum * z + qins8_ln_terms[i];
    return (double)exponent * QINS8_LN2 + (2.0 * s + s * z * sum);
}

float qins8_log(uint32_t bits)
{
    return (float)ln(bits);
}

static double power_of_e(double y)
{
    double shifted = y * QINS8_LOG2E + QINS8_ROUND;
    double r = y - (shifted - QINS8_ROUND) * QINS8_LN2;
    double sum = qins8_exp_terms[0];
    for (int i = 1; i < QINS8_EXP_TERMS; i++)
        sum = sum * r + qins8_exp_terms[i];
    uint64_t scale_bits;
    memcpy(&scale_bits, &shifted, sizeof scale_bits);
    scale_bits = (scale_bits << 52) + 0x3ff0000000000000u;
    double scale;
    memcpy(&scale, &scale_bits, sizeof scale);
    return sum * scale;
}

static struct qins8_extent extent(const float *x, size_t n)
{
    struct qins8_extent extent = {.least = UINT32_MAX, .most = 0};
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = magnitude_bits(x[i]);
        extent.most = bits > extent.most ? bits : extent.most;
        if (bits > floor_bits() && bits < extent.least)
            extent.least = bits;
    }
    return extent;
}

static void quantise(const float *x, size_t n, float log_min, float width, uint8_t *codes)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = magnitude_bits(x[i]);
        float log = qins8_log(bits > floor_bits() ? bits : floor_bits());
        float code = 255.0f - (log - log_min) / width * 254.0f;
        code = code < 1.0f ? 1.0f : code > 255.0f ? 255.0f : code;
        code = (code + 0x1.8p23f) - 0x1.8p23f; /* to the nearest integer, ties to even */
        codes[i] = (uint8_t)code;
    }
}

static void sign_bits(const float *x, size_t n, uint8_t *bits)
{
    for (size_t i = 0; i < n; i += 8) {
        unsigned byte = 0;
        for (size_t j = 0; j < 8 && i + j < n; j++)
            byte |= (unsigned)(x[i + j] < 0) << j;
        bits[i / 8] = (uint8_t)byte;
    }
}

static void sign_bytes(const float *x, size_t n, int8_t *bytes)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] = x[i] < 0 ? -1 : 1;
}

static void magnitudes(const uint8_t *codes, size_t n, float log_min, float width, float *out)
{
    for (size_t i = 0; i < n; i++) {
        float share = (255.0f - (float)codes[i]) / 254.0f;
        double value = power_of_e((double)(log_min + share * width));
        out[i] = (float)(value < (double)FLT_MAX ? value : (double)FLT_MAX);
    }
}

static void ratios(const uint8_t *codes, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (float)codes[i] / 255.0f;
}

static void negate_bits(float *out, size_t n, const uint8_t *bits)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t word;
        memcpy(&word, &out[i], sizeof word);
        word ^= (uint32_t)(bits[i / 8] >> i % 8 & 1) << 31;
        memcpy(&out[i], &word, sizeof word);
    }
}

static int negate_bytes(float *out, size_t n, const int8_t *bytes)
{
    int wrong = 0;
    for (size_t i = 0; i < n; i++) {
        wrong |= bytes[i] * bytes[i] ^ 1; /* 0 for +1 and -1 alone */
        uint32_t word;
        memcpy(&word, &out[i], sizeof word);
        word ^= (uint32_t)(bytes[i] < 0) << 31;
        memcpy(&out[i], &word, sizeof word);
    }
    return wrong;
}

const struct qins8_kernels qins8_portable = {
    .extent = extent,
    .quantise = quantise,
    .sign_bits = sign_bits,
    .sign_bytes = sign_bytes,
    .magnitudes = magnitudes,
    .ratios = ratios,
    .negate_bits = negate_bits,
    .negate_bytes = negate_bytes,
};
