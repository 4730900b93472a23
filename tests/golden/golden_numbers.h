/* The numbers that make_blocks.py makes inputs and weights of, and reading its files. */
#ifndef QB_TEST_GOLDEN_NUMBERS_H
#define QB_TEST_GOLDEN_NUMBERS_H

#include <math.h>
#include <stdint.h>
#include <criterion/criterion.h>
#include <jansson.h>
#include "arch/arch.h"

static inline void golden_numbers(uint32_t seed, size_t n, float scale, float *out)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t h = ((uint32_t)i + seed * 1000003u) * 2654435769u;
        h ^= h >> 15;
        h *= 2246822519u;
        h ^= h >> 13;
        out[i] = (float)((double)(h >> 8) / 16777216 - 0.5) * scale;
    }
}

static inline json_t *golden_open(const char *path)
{
    json_error_t error;
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    cr_assert_not_null(root, "%s: %s", path, error.text);
    return root;
}

static inline double golden_number(const json_t *object, const char *name) /* 0: not there */
{
    const json_t *value = json_object_get(object, name);
    return json_is_true(value) ? 1 : json_number_value(value);
}

static inline size_t golden_size(const json_t *object, const char *name)
{
    return (size_t)golden_number(object, name);
}

/* Each of n values within `bound` of the largest of them. */
static inline void golden_near(const char *what, const float *is, const json_t *due, size_t n, double bound)
{
    double most = 0, worst = 0;
    cr_assert_eq(json_array_size(due), n, "%s: %zu values, expected %zu", what, n, json_array_size(due));
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(json_number_value(json_array_get(due, i))));
    for (size_t i = 0; i < n; i++) {
        double off = fabs((double)is[i] - json_number_value(json_array_get(due, i))) / most;
        cr_assert(off <= bound, "%s, value %zu: %.9g, expected %.9g", what, i, (double)is[i],
                  json_number_value(json_array_get(due, i)));
        worst = fmax(worst, off);
    }
    if (getenv("GOLDEN_SHOW"))
        fprintf(stderr, "%s: within %.2g\n", what, worst);
}

static inline struct qb_rope golden_rope(const json_t *json, bool pairs)
{
    struct qb_rope rope = {.dims = golden_size(json, "dims"),
                           .pairs = pairs,
                           .theta = (float)golden_number(json, "theta"),
                           .scaling = (enum qb_rope_scaling)golden_number(json, "scaling"),
                           .factor = (float)golden_number(json, "factor"),
                           .low_freq_factor = (float)golden_number(json, "low_freq_factor"),
                           .high_freq_factor = (float)golden_number(json, "high_freq_factor"),
                           .original_context = golden_size(json, "original_context"),
                           .beta_fast = (float)golden_number(json, "beta_fast"),
                           .beta_slow = (float)golden_number(json, "beta_slow"),
                           .attention_factor = (float)golden_number(json, "attention_factor")};
    const json_t *factors[2] = {json_object_get(json, "long_factor"), json_object_get(json, "short_factor")};
    rope.factors_long = factors[0] != NULL;
    rope.factors_short = factors[1] != NULL;
    for (size_t i = 0; i < rope.dims / 2; i++) {
        rope.long_factor[i] = (float)json_number_value(json_array_get(factors[0], i));
        rope.short_factor[i] = (float)json_number_value(json_array_get(factors[1], i));
    }
    return rope;
}

#endif
