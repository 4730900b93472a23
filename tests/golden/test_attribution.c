/* Effects of a factorial against Shapley values over all orders and a solved Moebius system (attribute.json). */
#include <jansson.h>
#include "unit/metric_case.h"

static json_t *golden;

static void begin(void)
{
    golden = json_load_file("tests/golden/attribute.json", JSON_REJECT_DUPLICATES, NULL);
    cr_assert_not_null(golden);
}

static void end(void)
{
    json_decref(golden);
}

TestSuite(attribution, .init = begin, .fini = end);

static struct qb_record record_of(const json_t *table)
{
    struct qb_record record = {0};
    const json_t *names = json_object_get(table, "combination"), *kl = json_object_get(table, "kl");
    const json_t *chunks = json_object_get(table, "chunk");
    size_t rows = json_array_size(names), n = json_array_size(chunks);
    const char *name[32];
    double x[32 * 16];
    int32_t chunk[16];
    cr_assert(rows <= 32 && n <= 16 && rows == json_array_size(kl));
    for (size_t r = 0; r < rows; r++) {
        name[r] = json_string_value(json_array_get(names, r));
        for (size_t i = 0; i < n; i++)
            x[r * n + i] = json_number_value(json_array_get(json_array_get(kl, r), i));
        for (size_t i = 0; r == 0 && i < n; i++)
            chunk[i] = (int32_t)json_integer_value(json_array_get(chunks, i));
    }
    put_texts(&record, "combination", name, rows);
    put(&record, "kl", QB_F64, rows, n, x);
    put(&record, "chunk", QB_I32, n, 0, chunk);
    return record;
}

static double sum_of(const json_t *expected, const struct qb_record *record, const char *prefix)
{
    const char *key;
    json_t *unused;
    double sum = 0;
    json_object_foreach((json_t *)(uintptr_t)expected, key, unused) if (strncmp(key, prefix, strlen(prefix)) == 0)
        sum += must("attribute", record, key).value;
    return sum;
}

Test(attribution, every_effect_agrees_with_the_second_implementation)
{
    json_t *cases = json_object_get(golden, "cases"), *expected, *value;
    const char *key;
    size_t index, effects = 0;
    json_t *one;
    json_array_foreach(cases, index, one)
    {
        struct qb_record record = record_of(one);
        expected = json_object_get(one, "expected");
        json_object_foreach(expected, key, value)
        {
            cr_expect_float_eq(must("attribute", &record, key).value, json_number_value(value), 1e-13, "%zu: %s", index,
                               key);
            effects++;
        }
        double total = must("attribute", &record, "total_kl").value;
        double parts = sum_of(expected, &record, "alone_") + sum_of(expected, &record, "interaction");
        cr_expect_float_eq(parts, total, 1e-13, "%zu: the parts sum to the total", index);
        cr_expect_float_eq(sum_of(expected, &record, "shapley_"), total, 1e-13, "%zu: the shares too", index);
        qb_record_free(&record);
    }
    cr_expect_eq(effects, 22 + 16 + 11 + 6 + 3);
}

/* The same sums on a table in which one combination has the wrong sign: what a check of signs must see. */
Test(attribution, a_wrong_sign_is_seen)
{
    json_t *one = json_array_get(json_object_get(golden, "cases"), 0);
    const json_t *expected = json_object_get(one, "expected");
    struct qb_record record = record_of(one);
    const struct qb_array *names = qb_record_find(&record, "combination"), *kl = qb_record_find(&record, "kl");
    size_t wrong = 0, n = kl->dims[1];
    for (size_t r = 0; r < names->count; r++)
        if (strcmp(((char **)names->data)[r], "scale") == 0)
            wrong = r;
    for (size_t i = 0; i < n; i++)
        ((double *)kl->data)[wrong * n + i] *= -1;
    static const char *const moved[] = {"alone_scale", "interaction_storage_scale", "interactions_higher",
                                        "shapley_scale", "shapley_domain"};
    for (size_t i = 0; i < sizeof moved / sizeof *moved; i++)
        cr_expect_gt(
            fabs(must("attribute", &record, moved[i]).value - json_number_value(json_object_get(expected, moved[i]))),
            1e-3, "%s", moved[i]);
    qb_record_free(&record);
}
