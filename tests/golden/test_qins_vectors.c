/* The codecs against vectors of a second implementation (PyTorch): qins_codec_vectors.json and qins_more_vectors.json,
 * made by make_qins_more_vectors.py. Stored codes, signs and integers exact; logarithms within 1 ulp and decoded
 * values within 2 (torch's own log and exp are good to 1). At every level the CPU has. */
#include <jansson.h>
#include <math.h>
#include <criterion/criterion.h>
#include "base/cpu.h"
#include "base/yaml.h"
#include "conformance/plugins.h"

enum { ROOM = 1 << 16 };

struct matrix {
    size_t rows, cols;
    float x[4096];
    unsigned char bytes[ROOM];
    float out[4096];
};
static struct matrix m;

static json_t *load(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "tests/golden/%s", name); /* tests run from the repository's root */
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    cr_assert_not_null(root, "%s: %s", path, error.text);
    return root;
}

static struct qb_registry *open_codec(const char *id)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s.so", codecs_path(), id);
    return load_plugin(path);
}

static float number(const json_t *list, size_t i)
{
    return (float)json_number_value(json_array_get(list, i));
}

/* Distance in representable floats; of one sign. */
static int64_t ulps(float a, float b)
{
    int32_t p, q;
    memcpy(&p, &a, sizeof p);
    memcpy(&q, &b, sizeof q);
    return llabs((int64_t)p - (int64_t)q);
}

static void fill(const json_t *x)
{
    cr_assert_leq(json_array_size(x), sizeof m.x / sizeof *m.x);
    for (size_t i = 0; i < json_array_size(x); i++)
        m.x[i] = number(x, i);
}

/* Encodes m.x with the options and decodes it into m.out, at one level. */
static void run(const struct qb_plugin *plugin, const char *options, enum qb_isa isa, const char *what,
                bool coordinates)
{
    struct qb_error err = {0};
    struct qb_yaml *yaml;
    struct qb_format format;
    size_t need;
    cr_assert_eq(qb_yaml_parse(options, strlen(options), "options", &yaml, &err), QB_OK, "%s", err.message);
    cr_assert_eq(qb_format_make(plugin, yaml, isa, &format, &err), QB_OK, "%s", err.message);
    cr_assert_eq(qb_encoded_size(&format, m.rows, m.cols, &need, &err), QB_OK, "%s", err.message);
    cr_assert_leq(need, ROOM);
    cr_assert_eq(qb_encode(&format, m.rows, m.cols, m.x, m.bytes, need, &err), QB_OK, "%s: %s", what, err.message);
    cr_assert_eq(
        (coordinates ? qb_coordinates : qb_decode)(&format, m.rows, m.cols, m.bytes, need, 0, m.rows, m.out, &err),
        QB_OK, "%s: %s", what, err.message);
    qb_format_free(&format);
    qb_yaml_free(yaml);
}

/* Layout "source": ranges, codes, signs (codecs/qins8/README.md). */
static void check_qins(const struct qb_plugin *plugin, const json_t *expected, const char *options,
                       const json_t *ranges, const char *what)
{
    const json_t *stored = json_object_get(expected, "stored"), *sign = json_object_get(expected, "sign");
    const json_t *decoded = json_object_get(expected, "decoded"), *c = json_object_get(expected, "coordinates");
    size_t n = m.rows * m.cols, count = json_array_size(ranges);
    cr_assert_eq(json_array_size(stored), n);
    for (enum qb_isa isa = QB_ISA_PORTABLE; isa <= qb_cpu()->isa; isa++) {
        run(plugin, options, isa, what, false);
        for (size_t i = 0; i < 2 * count; i++) {
            float value, due = number(json_array_get(ranges, i / 2), i % 2);
            memcpy(&value, m.bytes + i * sizeof value, sizeof value);
            cr_assert_leq(ulps(value, due), 1, "%s %s: range %zu is %.9g, %.9g is due", what, options, i / 2,
                          (double)value, (double)due);
        }
        const unsigned char *codes = m.bytes + 8 * count, *signs = codes + n;
        for (size_t i = 0; i < n; i++) {
            cr_assert_eq(codes[i], json_integer_value(json_array_get(stored, i)), "%s %s: code %zu is %d, %lld is due",
                         what, options, i, codes[i], json_integer_value(json_array_get(stored, i)));
            cr_assert_eq((int)(signed char)signs[i], (int)number(sign, i), "%s %s: sign %zu", what, options, i);
            cr_assert_leq(ulps(m.out[i], number(decoded, i)), 2, "%s %s: value %zu is %.9g, %.9g is due", what, options,
                          i, (double)m.out[i], (double)number(decoded, i));
        }
        if (!c)
            continue;
        run(plugin, options, isa, what, true);
        for (size_t i = 0; i < n; i++)
            cr_assert_eq(m.out[i], number(c, i), "%s %s: coordinate %zu is %.9g, %.9g is due", what, options, i,
                         (double)m.out[i], (double)number(c, i));
    }
}

Test(qins_vectors, first_file)
{
    json_t *root = load("qins_codec_vectors.json"), *entry;
    struct qb_registry *registry = open_codec("qins8");
    const char *name;
    size_t count = 0;
    json_object_foreach(root, name, entry)
    {
        fill(json_object_get(entry, "x"));
        m.rows = 1;
        m.cols = json_array_size(json_object_get(entry, "x"));
        json_t *ranges = json_pack("[[OO]]", json_object_get(entry, "log_min"), json_object_get(entry, "log_max"));
        check_qins(qb_registry_at(registry, 0), entry, "{layout: source}", ranges, name);
        check_qins(qb_registry_at(registry, 0), entry, "{layout: source, scope: row}", ranges, name);
        json_decref(ranges);
        count++;
    }
    cr_assert_eq(count, 10);
    qb_registry_free(registry);
    json_decref(root);
}

Test(qins_vectors, more_scopes_and_epsilon)
{
    json_t *root = load("qins_more_vectors.json"), *entry, *expected;
    struct qb_registry *registry = open_codec("qins8");
    size_t i, k, count = 0;
    json_array_foreach(json_object_get(root, "cases"), i, entry)
    {
        fill(json_object_get(entry, "x"));
        m.rows = (size_t)json_integer_value(json_object_get(entry, "rows"));
        m.cols = (size_t)json_integer_value(json_object_get(entry, "cols"));
        json_array_foreach(json_object_get(entry, "qins"), k, expected)
        {
            bool zero = json_number_value(json_object_get(expected, "epsilon")) == 0;
            bool both = json_is_true(json_object_get(expected, "epsilon_1e-8_is_identical"));
            for (int with = zero ? 0 : 1; with <= (zero && !both ? 0 : 1); with++) {
                char options[80];
                snprintf(options, sizeof options, "{layout: source, scope: '%s', epsilon: %s}",
                         json_string_value(json_object_get(expected, "scope")), with ? "1e-8" : "0");
                check_qins(qb_registry_at(registry, 0), expected, options, json_object_get(expected, "ranges"),
                           json_string_value(json_object_get(entry, "name")));
                count++;
            }
        }
    }
    cr_assert_geq(count, 6 * 6);
    qb_registry_free(registry);
    json_decref(root);
}

Test(qins_vectors, int8)
{
    json_t *root = load("qins_more_vectors.json"), *entry, *expected;
    struct qb_registry *registry = open_codec("int8");
    size_t i, k;
    json_array_foreach(json_object_get(root, "cases"), i, entry)
    {
        fill(json_object_get(entry, "x"));
        m.rows = (size_t)json_integer_value(json_object_get(entry, "rows"));
        m.cols = (size_t)json_integer_value(json_object_get(entry, "cols"));
        json_array_foreach(json_object_get(entry, "int8"), k, expected)
        {
            const char *what = json_string_value(json_object_get(entry, "name"));
            const json_t *q = json_object_get(expected, "q"), *scales = json_object_get(expected, "scales");
            char options[80];
            snprintf(options, sizeof options, "{scope: '%s'}", json_string_value(json_object_get(expected, "scope")));
            for (enum qb_isa isa = QB_ISA_PORTABLE; isa <= qb_cpu()->isa; isa++) {
                run(qb_registry_at(registry, 0), options, isa, what, false);
                for (size_t s = 0; s < json_array_size(scales); s++) {
                    float scale;
                    memcpy(&scale, m.bytes + s * sizeof scale, sizeof scale);
                    cr_assert_eq(scale, number(scales, s), "%s %s: scale %zu", what, options, s);
                }
                const signed char *codes = (const signed char *)m.bytes + sizeof(float) * json_array_size(scales);
                for (size_t j = 0; j < m.rows * m.cols; j++) {
                    cr_assert_eq(codes[j], json_integer_value(json_array_get(q, j)), "%s %s: code %zu", what, options,
                                 j);
                    cr_assert_eq(m.out[j], number(json_object_get(expected, "decoded"), j), "%s %s: value %zu", what,
                                 options, j);
                }
            }
        }
    }
    qb_registry_free(registry);
    json_decref(root);
}

/* One value through fp16 or bf16: the bits that torch gives, or a refusal where they are NaN or Inf. */
static void check_half(const struct qb_plugin *plugin, uint32_t bits, const char *due, enum qb_isa isa)
{
    struct qb_format format;
    struct qb_error err = {0};
    float x[9]; /* nine, so that a step of eight and the rest are both used */
    unsigned char bytes[18];
    for (int i = 0; i < 9; i++)
        memcpy(&x[i], &bits, sizeof x[i]);
    cr_assert_eq(qb_format_make(plugin, NULL, isa, &format, &err), QB_OK);
    enum qb_status status = qb_encode(&format, 1, 9, x, bytes, sizeof bytes, &err);
    unsigned value = (unsigned)strtoul(due, NULL, 16), exponent = strcmp(plugin->codec->id, "fp16") ? 0x7f80 : 0x7c00;
    if (strcmp(due, "nan") == 0 || (value & exponent) == exponent) {
        cr_assert_neq(status, QB_OK, "%s took %08x", plugin->codec->id, bits);
        cr_assert(strstr(err.message, "element (0, 0)"), "%s", err.message);
    } else {
        cr_assert_eq(status, QB_OK, "%08x: %s", bits, err.message);
        for (int i = 0; i < 9; i++)
            cr_assert_eq((unsigned)(bytes[2 * i] | bytes[2 * i + 1] << 8), value, "%s of %08x is %02x%02x, %s is due",
                         plugin->codec->id, bits, bytes[2 * i + 1], bytes[2 * i], due);
    }
    qb_format_free(&format);
}

Test(qins_vectors, sixteen_bits)
{
    json_t *root = load("qins_more_vectors.json"), *entry;
    struct qb_registry *half = open_codec("fp16"), *brain = open_codec("bf16");
    size_t i;
    json_array_foreach(json_object_get(root, "sixteen_bit"), i, entry)
    {
        uint32_t bits = (uint32_t)strtoul(json_string_value(json_object_get(entry, "float_bits")), NULL, 16);
        for (enum qb_isa isa = QB_ISA_PORTABLE; isa <= qb_cpu()->isa; isa++) {
            check_half(qb_registry_at(half, 0), bits, json_string_value(json_object_get(entry, "fp16_bits")), isa);
            check_half(qb_registry_at(brain, 0), bits, json_string_value(json_object_get(entry, "bf16_bits")), isa);
        }
    }
    cr_assert_geq(i, 30);
    qb_registry_free(half);
    qb_registry_free(brain);
    json_decref(root);
}

/* The calibrated run as the source had it: the range is lost, every weight decodes to +-1, whatever its code. */
Test(qins_vectors, range_lost)
{
    struct qb_registry *registry = open_codec("qins8");
    m.rows = 3;
    m.cols = 37;
    for (size_t i = 0; i < m.rows * m.cols; i++)
        m.x[i] = (i % 2 ? -0.01f : 0.01f) * (float)(i + 1);
    for (enum qb_isa isa = QB_ISA_PORTABLE; isa <= qb_cpu()->isa; isa++) {
        run(qb_registry_at(registry, 0), "{range: lost, epsilon: 1e-8}", isa, "lost", false);
        for (size_t i = 0; i < m.rows * m.cols; i++)
            cr_assert_eq(m.out[i], i % 2 ? -1.0f : 1.0f);
    }
    cr_assert_eq(m.bytes[8], 255, "the codes are those of the true range: the least magnitude first");
    qb_registry_free(registry);
}
