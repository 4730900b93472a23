/* Models as files: written, read back, and every kind of damage refused with a message that names the place. */
#include "registry_fixture.h"

#include "base/file.h"
#include "model/half.h"
#include "scratch.h"

static void begin(void)
{
    registry_begin();
    scratch_begin();
}

static void end(void)
{
    registry_end();
    scratch_end();
}

TestSuite(model_file, .init = begin, .fini = end);

static enum qb_status open_model(const char *path, struct qb_model **model, struct qb_error *e)
{
    return qb_model_open(path, registry, qb_cpu()->isa, model, e);
}

/* binary16: s eeeee ffffffffff. */
static float half_value(uint16_t half)
{
    int field = half >> 10 & 31, fraction = half & 1023;
    double size =
        field == 31 ? (fraction ? NAN : INFINITY) : ldexp(field ? 1024 + fraction : fraction, (field ? field : 1) - 25);
    return (float)(half >> 15 ? -size : size);
}

Test(model_file, half_precision)
{
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        float value = half_value((uint16_t)bits);
        if (isnan(value))
            cr_assert(isnan(half_value(float_to_half(value))));
        else
            cr_assert_eq(float_to_half(value), bits, "%04x -> %g -> %04x", bits, (double)value, float_to_half(value));
    }
    cr_expect_eq(half_value(0x3c00), 1.0f);
    cr_expect_eq(half_value(0x0001), 5.9604645e-8f);
    cr_expect_eq(float_to_half(1.0f + 0x1p-11f), 0x3c00, "ties to even");
    cr_expect_eq(float_to_half(1.0f + 0x3p-11f), 0x3c02);
    cr_expect_eq(float_to_half(65519.9f), 0x7bff);
    cr_expect_eq(float_to_half(65520.0f), 0x7c00);
    cr_expect_eq(float_to_half(0x1p-25f), 0);
    cr_expect_eq(float_to_half(0x1.8p-25f), 1);
}

static void expect_near(const struct qb_tensor *tensor, const float *due)
{
    float row[64];
    for (size_t r = 0; r < tensor->rows; r++) {
        cr_assert_leq(tensor->cols, 64);
        MUST(qb_tensor_rows(tensor, r, 1, row, &err));
        for (size_t c = 0; c < tensor->cols; c++, due++)
            cr_assert_float_eq(row[c], *due, 6e-4 * fabs((double)*due) + 1e-7);
    }
}

Test(model_file, saved_models_come_back)
{
    static const char *const generators[] = {"transformer", "chain"};
    for (size_t g = 0; g < 2; g++) {
        struct qb_model *model = support_model(generators[g], 60, 16, 2, 9), *back = NULL;
        const char *path = scratch_path("model.safetensors");
        MUST(qb_model_save(model, false, path, &err));
        MUST(open_model(path, &back, &err));
        cr_expect_str_eq(back->sha256, model->sha256);
        cr_expect_str_eq(back->name, "model");
        cr_expect_eq(back->tensor_count, model->tensor_count);
        cr_expect_not(back->generated);
        cr_expect_gt(back->file_bytes, 60 * 16 * 4);
        qb_model_free(back);
        MUST(qb_model_save(model, true, path, &err));
        MUST(open_model(path, &back, &err));
        cr_expect_str_neq(back->sha256, model->sha256);
        for (size_t t = 0; t < model->tensor_count; t++)
            expect_near(&back->tensors[t], tensor_floats(&model->tensors[t]));
        qb_model_free(back);
        qb_model_free(model);
    }
}

/* A file from a header text and n bytes of data. */
static const char *file_of(const char *header, size_t n)
{
    const char *path = scratch_path("damaged.safetensors");
    size_t size = strlen(header);
    char *bytes = calloc(8 + size + n, 1);
    for (size_t i = 0; i < 8; i++)
        bytes[i] = (char)(unsigned char)(size >> (8 * i));
    memcpy(bytes + 8, header, size);
    MUST(qb_file_replace(path, bytes, 8 + size + n, &err));
    free(bytes);
    return path;
}

static void refused(const char *header, size_t n, const char *say)
{
    struct qb_weights *file = NULL;
    struct qb_error e = {0};
    const char *path = file_of(header, n);
    size_t live = qb_mem_stats().live_bytes;
    enum qb_status status = qb_weights_open(path, &file, &e);
    cr_expect_eq(status, QB_ERR_INPUT, "%s: accepted", header);
    cr_expect(strstr(e.message, say) && strstr(e.message, "damaged.safetensors"), "%s: '%s' lacks '%s'", header,
              e.message, say);
    cr_expect_eq(qb_mem_stats().live_bytes, live, "leak");
}

Test(model_file, damaged_safetensors_are_refused)
{
    refused("{", 0, "header");
    refused("[]", 0, "no object");
    refused("{}", 4, "behind the last");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"a\":{}}", 4, "header");
    refused("{\"a\":3}", 0, "tensor a");
    refused("{\"a\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, "dtype 'I64'");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, "positive");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "positive");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", 4, "positive");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, "shape");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,4]}}", 4, "too many");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "its shape needs 8");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 3, "byte 4 of 3");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "begin");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "pair");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4, "dtype, shape");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
            "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}",
            12, "gap");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
            "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
            8, "overlap");
    refused("{\"__metadata__\":{\"k\":1},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "'k'");
    struct qb_weights *file = NULL;
    const char *path = scratch_path("short");
    MUST(qb_file_replace(path, "\1\2\3", 3, &err));
    cr_expect_eq(qb_weights_open(path, &file, &err), QB_ERR_INPUT);
    err = (struct qb_error){0};
    MUST(qb_file_replace(path, "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10, &err));
    cr_expect_eq(qb_weights_open(path, &file, &err), QB_ERR_INPUT, "a header longer than the file");
}

/* A saved model with one piece of its header replaced by another of the same length. */
static void model_refused(const char *what, const char *by, const char *say)
{
    struct qb_model *model = support_model("transformer", 60, 16, 2, 9), *back = NULL;
    struct qb_error e = {0};
    const char *path = scratch_path("model.safetensors");
    char *bytes;
    size_t size;
    cr_assert_eq(strlen(what), strlen(by));
    MUST(qb_model_save(model, false, path, &err));
    MUST(qb_file_read(path, 1 << 24, &bytes, &size, &err));
    char *at = memmem(bytes, size, what, strlen(what));
    cr_assert_not_null(at, "%s", what);
    memcpy(at, by, strlen(by));
    MUST(qb_file_replace(path, bytes, size, &err));
    size_t live = qb_mem_stats().live_bytes;
    cr_expect_eq(open_model(path, &back, &e), QB_ERR_INPUT, "%s accepted", by);
    cr_expect(strstr(e.message, say) && strstr(e.message, "model.safetensors"), "%s: '%s' lacks '%s'", by, e.message,
              say);
    cr_expect_eq(qb_mem_stats().live_bytes, live, "leak");
    qb_free(bytes);
    qb_model_free(model);
}

Test(model_file, models_that_do_not_fit_their_architecture_are_refused)
{
    model_refused("\"transformer\"", "\"transformar\"", "architecture is 'transformar'");
    model_refused("\"relu\"", "\"tanh\"", "activation is 'tanh'");
    model_refused("\"causal\"", "\"caudal\"", "unknown key 'caudal'");
    model_refused("\"heads\":\"1\"", "\"heads\":\"0\"", "heads is '0'");
    model_refused("\"heads\":\"1\"", "\"heads\":\"3\"", "heads is 3");
    model_refused("\"norm\":\"final\"", "\"norm\":\"fanal\"", "norm is 'fanal'");
    model_refused("\"context\":\"0\"", "\"context\":\"x\"", "context is 'x'");
    model_refused("\"layers.1.mlp.up.bias\"", "\"layers.1.mlp.up.bios\"", "layers.1.mlp.up.bias is missing");
    model_refused("\"layers.1.mlp.up.weight\"", "\"layers.7.mlp.up.weight\"", "layers.1.attn.qkv.weight");
    model_refused("\"embed.weight\"", "\"ambed.weight\"", "embed.weight is missing");
    model_refused("\"shape\":[48,16]", "\"shape\":[16,48]", "layers.0.attn.qkv.weight");
}

Test(model_file, no_allocation_failure_leaks)
{
    struct qb_model *model = support_model("chain", 20, 8, 1, 2), *back = NULL;
    const char *path = scratch_path("m.safetensors");
    MUST(qb_model_save(model, true, path, &err));
    size_t live = qb_mem_stats().live_bytes, n = 0;
    for (enum qb_status status = QB_ERR_MEMORY; status == QB_ERR_MEMORY && n < 200;) {
        struct qb_error e = {0};
        qb_mem_fail_at(++n);
        status = open_model(path, &back, &e);
        qb_mem_fail_at(0);
        qb_model_free(status ? NULL : back);
        cr_assert(!status || status == QB_ERR_MEMORY, "%s", e.message);
        cr_assert_eq(qb_mem_stats().live_bytes, live, "allocation %zu", n);
    }
    cr_expect_gt(n, 10, "only %zu", n);
    qb_model_free(model);
}

Test(model_file, generator_options_are_checked)
{
    struct qb_model *model = NULL;
    static const struct {
        const char *generator;
        struct qb_generator_options options;
        const char *say;
    } cases[] = {{"transformr", {10, 8, 1, 0}, "transformr"},  {"chain", {1, 8, 1, 0}, "vocab = 1"},
                 {"chain", {10, 0, 1, 0}, "hidden = 0"},       {"transformer", {10, 8, 0, 0}, "layers = 0"},
                 {"chain", {10, 8, 5000, 0}, "layers = 5000"}, {"transformer", {1 << 20, 1 << 14, 1000, 0}, "GiB"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct qb_error e = {0};
        cr_expect_eq(qb_model_generate(cases[i].generator, &cases[i].options, &model, &e), QB_ERR_INPUT);
        cr_expect(strstr(e.message, cases[i].say), "'%s' lacks '%s'", e.message, cases[i].say);
    }
    struct qb_model *a = support_model("chain", 30, 8, 2, 5), *b = support_model("chain", 30, 8, 2, 5);
    struct qb_model *c = support_model("chain", 30, 8, 2, 6);
    cr_expect_str_eq(a->sha256, b->sha256);
    cr_expect_str_neq(a->sha256, c->sha256);
    cr_expect_eq(a->arch.layers, 3);
    cr_expect_eq(qb_model_tensor(a, QB_ROLE_MLP_UP, 2)->rows, 8);
    cr_expect_eq(qb_model_tensor(a, QB_ROLE_HEAD | QB_ROLE_BIAS, -1)->cols, 30);
    cr_expect_null(qb_model_tensor(a, QB_ROLE_ATTN_Q, 0));
    qb_model_free(a);
    qb_model_free(b);
    qb_model_free(c);
}
