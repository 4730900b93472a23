/* The closed-form codecs against a second implementation (zoo.json, made by make_zoo.py): encoded and decoded bit for
 * bit, every code decoded; what no encode writes is refused. */
#include <jansson.h>
#include <criterion/criterion.h>
#include "base/hash.h"
#include "base/yaml.h"
#include "codec/calls.h"
#include "conformance/plugins.h"

enum { ROOM = 1 << 16 };

static json_t *golden(void)
{
    json_error_t error;
    json_t *root = json_load_file("tests/golden/zoo.json", 0, &error); /* tests run from the root */
    cr_assert_not_null(root, "%s", error.text);
    return root;
}

static size_t bytes_of(const json_t *hex, void *out)
{
    const char *text = json_string_value(hex);
    const size_t size = strlen(text) / 2;
    cr_assert_leq(size, ROOM);
    for (size_t i = 0; i < size; i++) {
        unsigned byte;
        cr_assert_eq(sscanf(text + 2 * i, "%2x", &byte), 1);
        ((unsigned char *)out)[i] = (unsigned char)byte;
    }
    return size;
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static size_t number_of(const json_t *object, const char *key)
{
    return (size_t)json_integer_value(json_object_get(object, key));
}

static struct qb_registry *open_codec(const char *id, const char *options, struct qb_format *format)
{
    char path[PATH_MAX];
    struct qb_error err = {0};
    struct qb_yaml *yaml;
    snprintf(path, sizeof path, "%s/%s.so", codecs_path(), id);
    struct qb_registry *registry = load_plugin(path);
    cr_assert_eq(qb_yaml_parse(options, strlen(options), "options", &yaml, &err), QB_OK, "%s", err.message);
    cr_assert_eq(qb_format_make(qb_registry_at(registry, 0), yaml, QB_ISA_PORTABLE, format, &err), QB_OK, "%s",
                 err.message);
    qb_yaml_free(yaml);
    return registry;
}

static void close_codec(struct qb_registry *registry, struct qb_format *format)
{
    qb_format_free(format);
    qb_registry_free(registry);
}

static void same_hash(const void *data, size_t size, const json_t *expected, const char *what, const json_t *one,
                      size_t input)
{
    char hex[QB_HASH_HEX];
    qb_hash_buffer(data, size, hex);
    cr_expect_str_eq(hex, json_string_value(expected), "%s %s, input %zu: %s otherwise", text_of(one, "codec"),
                     text_of(one, "options"), input, what);
}

/* `expected`: hashes of the encoded bytes and of the decoded values; null where it is refused. */
static void encodes(const json_t *one, const struct qb_format *format, const json_t *input, const json_t *expected,
                    size_t at)
{
    static float x[ROOM / 4], y[ROOM / 4];
    static unsigned char bytes[ROOM];
    const size_t rows = number_of(input, "rows"), cols = number_of(input, "cols");
    struct qb_error err = {0};
    size_t size = 0;
    cr_assert_eq(bytes_of(json_object_get(input, "values"), x), rows * cols * sizeof *x);
    cr_assert(!qb_encoded_size(format, rows, cols, &size, &err) && size <= ROOM, "%s", err.message);
    const enum qb_status status = qb_encode(format, rows, cols, x, bytes, size, &err);
    if (json_is_null(expected)) {
        cr_expect_eq(status, QB_ERR_INPUT, "%s %s takes input %zu", text_of(one, "codec"), text_of(one, "options"), at);
        return;
    }
    cr_assert(!status && !qb_decode(format, rows, cols, bytes, size, 0, rows, y, &err), "%s", err.message);
    same_hash(bytes, size, json_array_get(expected, 0), "encoded", one, at);
    same_hash(y, rows * cols * sizeof *y, json_array_get(expected, 1), "decoded", one, at);
}

Test(zoo, is_encoded_and_decoded_bit_for_bit)
{
    json_t *root = golden(), *inputs = json_object_get(root, "inputs"), *one;
    size_t i, refused = 0;
    json_array_foreach(json_object_get(root, "cases"), i, one)
    {
        struct qb_format format;
        struct qb_registry *registry = open_codec(text_of(one, "codec"), text_of(one, "options"), &format);
        const json_t *results = json_object_get(one, "results");
        cr_assert_eq(json_array_size(results), json_array_size(inputs));
        for (size_t k = 0; k < json_array_size(inputs); k++) {
            encodes(one, &format, json_array_get(inputs, k), json_array_get(results, k), k);
            refused += json_is_null(json_array_get(results, k));
        }
        close_codec(registry, &format);
    }
    cr_expect_geq(i, 113);
    cr_expect_lt(refused, i); /* hqq alone, which has no range for huge values */
    json_decref(root);
}

Test(zoo, every_code_is_decoded)
{
    json_t *root = golden(), *one;
    size_t i;
    json_array_foreach(json_object_get(root, "decoded"), i, one)
    {
        struct qb_format format;
        struct qb_registry *registry = open_codec(text_of(one, "codec"), text_of(one, "options"), &format);
        static unsigned char bytes[ROOM];
        float y[512];
        struct qb_error err = {0};
        const size_t cols = number_of(one, "cols"), size = bytes_of(json_object_get(one, "bytes"), bytes);
        size_t due = 0;
        cr_assert(cols <= 512 && !qb_encoded_size(&format, 1, cols, &due, &err) && due == size, "%s: %zu bytes of %zu",
                  text_of(one, "codec"), size, due);
        cr_assert_eq(qb_decode(&format, 1, cols, bytes, size, 0, 1, y, &err), QB_OK, "%s", err.message);
        same_hash(y, cols * sizeof *y, json_object_get(one, "decoded"), "decoded", one, 0);
        close_codec(registry, &format);
    }
    cr_expect_eq(i, 19);
    json_decref(root);
}

/* Bytes of a row that no encode writes, each with what the refusal says. */
Test(zoo, what_no_encode_writes_is_refused)
{
    static const struct {
        const char *id, *options, *bytes;
        size_t cols;
        const char *says;
    } cases[] = {
        {"e4m3", "{}", "0000803f7f", 1, "the code of element (0, 0) is 127"},
        {"e4m3", "{}", "000080bf01", 1, "byte 0 starts a scale"},
        {"e4m3", "{}", "0000007f01", 1, "byte 0 starts a scale"}, /* 2^127 * 448 */
        {"e5m2", "{}", "0000803f00fc", 2, "the code of element (0, 1) is 252"},
        {"mxfp8_e4m3", "{}", "ff01", 1, "byte 0 starts a scale"},
        {"mxfp8_e4m3", "{}", "f701", 1, "byte 0 starts a scale"}, /* 2^120 * 448 */
        {"mxint8", "{}", "7f80", 1, "the code of element (0, 0) is 128"},
        {"mxfp6_e2m3", "{}", "7fff", 1, "bits behind the last code of row 0"},
        {"mxfp4_ocp", "{}", "7f1111", 3, "bits behind the last code of row 0"},
        {"nvfp4_tensor", "{}", "0000803f7f01", 1, "byte 4 starts a scale"},
        {"nvfp4_tensor", "{}", "0000c07f0001", 1, "byte 0 starts a scale"},
        {"nf4", "{}", "0000c0ff01", 1, "byte 0 starts a scale"},
        {"nf4", "{double_quantisation: true}", "0000003f0000c07f0001", 1, "byte 4 starts a scale"},
        {"posit8", "{}", "0000803f80", 1, "the code of element (0, 0) is 128"},
        {"qinsc", "{}", "0000803f80", 1, "the code of element (0, 0) is 128"},
        {"qinsc", "{levels: 254}", "0000803fff01", 1, "the code of element (0, 0) is 511"},
        {"qinsc", "{range: fp16}", "007c01", 1, "byte 0 starts a scale"},
        {"qinsc", "{range: bf16}", "807f01", 1, "byte 0 starts a scale"},
        {"qinsc", "{fit: mse}", "0000803f0f01", 1, "byte 4 starts a scale"}, /* 7.5 octaves of 7 */
        {"qinsc", "{fit: mse}", "0000803f0101", 1, "byte 4 starts a scale"},
        {"int4", "{}", "0000803f00", 1, "the code of element (0, 0) is 0"},
        {"int4", "{zero_point: true}", "0000803f1001", 1, "byte 0 starts a scale"},
        {"hqq", "{}", "0000803f0000807f01", 1, "byte 0 starts a scale"},
        {"codebook4", "{}", "0000803f000000bf10", 2, "entry 1 of table 0"},
        {"codebook4", "{}", "0000803f0000004030", 2, "the code of element (0, 1) is 3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct qb_format format;
        struct qb_registry *registry = open_codec(cases[i].id, cases[i].options, &format);
        unsigned char bytes[64];
        float y[4];
        struct qb_error err = {0};
        json_t *hex = json_string(cases[i].bytes);
        const size_t size = bytes_of(hex, bytes);
        json_decref(hex);
        cr_expect_eq(qb_decode(&format, 1, cases[i].cols, bytes, size, 0, 1, y, &err), QB_ERR_INPUT, "%s %zu",
                     cases[i].id, i);
        cr_expect(strstr(err.message, cases[i].says), "%s %zu: %s", cases[i].id, i, err.message);
        close_codec(registry, &format);
    }
}
