/* The GGUF reader against the gguf package: every type of value and of tensor (make_gguf.py). */
#include <jansson.h>
#include <criterion/criterion.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "unit/scratch.h"
#include "weights/weights.h"

static struct qb_weights *weights;
static json_t *due;

static void begin(void)
{
    struct qb_error err = {0};
    json_error_t json_err;
    cr_assert_eq(qb_weights_open("tests/golden/gguf_cases.gguf", &weights, &err), QB_OK, "%s", err.message);
    due = json_load_file("tests/golden/gguf_cases.json", 0, &json_err);
    cr_assert_not_null(due, "%s", json_err.text);
}

static void end(void)
{
    qb_weights_free(weights);
    json_decref(due);
}

TestSuite(gguf_cases, .init = begin, .fini = end);

Test(gguf_cases, values_are_the_packages)
{
    json_t *config = json_object_get(due, "config");
    const char *key;
    json_t *value;
    cr_assert_eq(qb_weights_source(weights), QB_SOURCE_GGUF);
    json_object_foreach(config, key, value)
        cr_expect(json_equal(json_object_get(qb_weights_config(weights), key), value), "%s", key);
    cr_expect_eq(json_object_size(qb_weights_config(weights)), json_object_size(config));
}

struct sum {
    size_t count;
    double numbers;
    char text[256];
};

static enum qb_status add(void *context, size_t index, const char *text, size_t size, double number,
                          struct qb_error *err)
{
    struct sum *sum = context;
    size_t used = strlen(sum->text);
    (void)err;
    cr_assert_eq(index, sum->count++);
    sum->numbers += number * (double)(index + 1);
    if (text)
        snprintf(sum->text + used, sizeof sum->text - used, "%zu%.*s", index + 1, (int)size, text);
    return QB_OK;
}

Test(gguf_cases, arrays_are_walked)
{
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(due, "arrays"), key, value)
    {
        const json_t *total = json_array_get(value, 1);
        struct qb_error err = {0};
        struct sum sum = {0};
        size_t count;
        enum qb_array_type type = qb_weights_array(weights, key, &count);
        cr_expect_eq(type,
                     json_is_string(total) ? QB_ARRAY_TEXT
                     : json_is_real(total) ? QB_ARRAY_FLOAT
                                           : QB_ARRAY_INT,
                     "%s", key);
        cr_assert_eq(qb_weights_array_each(weights, key, add, &sum, &err), QB_OK, "%s", err.message);
        cr_expect_eq(count, (size_t)json_integer_value(json_array_get(value, 0)), "%s", key);
        cr_expect_eq(sum.count, count, "%s", key);
        if (json_is_string(total))
            cr_expect_str_eq(sum.text, json_string_value(total));
        else
            cr_expect_eq(sum.numbers, json_number_value(total), "%s: %g", key, sum.numbers);
    }
    size_t count;
    cr_expect_eq(qb_weights_array(weights, "v.string", &count), QB_ARRAY_NONE);
    cr_expect_eq(qb_weights_array(weights, "a.none", &count), QB_ARRAY_NONE);
}

Test(gguf_cases, tensors_are_the_packages)
{
    const char *name;
    json_t *value;
    json_t *tensors = json_object_get(due, "tensors");
    json_object_foreach(tensors, name, value)
    {
        const struct qb_source_tensor *t = qb_weights_find(weights, name);
        const json_t *shape = json_array_get(value, 1);
        char hex[QB_HASH_HEX];
        cr_assert_not_null(t, "%s", name);
        cr_expect_str_eq(t->type, json_string_value(json_array_get(value, 0)));
        cr_assert_eq(t->rank, json_array_size(shape), "%s", name);
        for (size_t d = 0; d < t->rank; d++)
            cr_expect_eq(t->dims[d], (size_t)json_integer_value(json_array_get(shape, d)), "%s", name);
        qb_hash_buffer(t->bytes, t->size, hex);
        cr_expect_str_eq(hex, json_string_value(json_array_get(value, 2)), "%s: %s", name, hex);
    }
    cr_expect_eq(qb_weights_count(weights), json_object_size(tensors));
}

Test(gguf_cases, metadata_alone_can_be_saved)
{
    struct qb_error err = {0};
    struct qb_weights *saved = NULL;
    size_t count;
    scratch_begin();
    const char *path = scratch_path("m.gguf");
    cr_assert_eq(qb_weights_save_metadata(weights, path, &err), QB_OK, "%s", err.message);
    cr_assert_eq(qb_weights_open(path, &saved, &err), QB_OK, "%s", err.message);
    cr_expect_eq(qb_weights_count(saved), 0);
    cr_expect(json_equal(qb_weights_config(saved), qb_weights_config(weights)));
    cr_expect_eq(qb_weights_array(saved, "a.long", &count), QB_ARRAY_INT);
    cr_expect_eq(count, 5000);
    qb_weights_free(saved);
    scratch_end();
}
