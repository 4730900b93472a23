/* sampling.json: tokens chosen by numpy. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include "model/sampling.h"

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static void same_choices(const json_t *one)
{
    struct qb_error err = {0};
    struct qb_sampler *sampler;
    const json_t *values = json_object_get(one, "logits"), *draws = json_object_get(one, "uniform");
    float logits[64];
    size_t vocab = json_array_size(values);
    struct qb_sampling sampling = {number(one, "temperature"), (size_t)number(one, "top_k"), number(one, "top_p"),
                                   number(one, "min_p")};
    cr_assert_leq(vocab, 64);
    for (size_t i = 0; i < vocab; i++) {
        const json_t *value = json_array_get(values, i);
        logits[i] = json_is_null(value) ? -INFINITY : (float)json_number_value(value);
    }
    cr_assert_eq(qb_sampler_create(vocab, &sampler, &err), QB_OK);
    for (size_t i = 0; i < json_array_size(draws); i++) {
        int32_t id = qb_sample(sampler, &sampling, logits, json_number_value(json_array_get(draws, i)));
        json_int_t expected = json_integer_value(json_array_get(json_object_get(one, "ids"), i));
        cr_expect_eq(id, expected, "temperature %g, top_k %zu, top_p %g, min_p %g: %d, expected %d",
                     sampling.temperature, sampling.top_k, sampling.top_p, sampling.min_p, (int)id, (int)expected);
    }
    qb_sampler_free(sampler);
}

Test(sampling, choices_are_numpys)
{
    json_t *golden = json_load_file("tests/golden/sampling.json", 0, NULL);
    const json_t *cases = json_object_get(golden, "cases");
    cr_assert_gt(json_array_size(cases), 100);
    for (size_t i = 0; i < json_array_size(cases); i++)
        same_choices(json_array_get(cases, i));
    json_decref(golden);
}
