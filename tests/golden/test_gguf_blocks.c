/* GGUF's block types against the package gguf of llama.cpp (gguf_blocks.json, made by make_gguf_blocks.py): decoded
 * and, where its rule leaves no choice, encoded bit for bit. What encodes by a search is held to the SQNR that ggml's
 * quantisers reach without importance weights. */
#include <jansson.h>
#include <math.h>
#include <criterion/criterion.h>
#include "base/hash.h"
#include "base/rng.h"
#include "codec/calls.h"
#include "conformance/plugins.h"

enum { ROW = 256, ROOM = 1024 };

static json_t *golden(void)
{
    json_error_t error;
    json_t *root = json_load_file("tests/golden/gguf_blocks.json", 0, &error); /* tests run from the root */
    cr_assert_not_null(root, "%s", error.text);
    return root;
}

static struct qb_registry *open_codec(const char *id, struct qb_format *format)
{
    char path[PATH_MAX];
    struct qb_error err = {0};
    snprintf(path, sizeof path, "%s/%s.so", codecs_path(), id);
    struct qb_registry *registry = load_plugin(path);
    cr_assert_eq(qb_format_make(qb_registry_at(registry, 0), NULL, QB_ISA_PORTABLE, format, &err), QB_OK, "%s",
                 err.message);
    return registry;
}

static size_t bytes_of(const json_t *hex, void *out, size_t room)
{
    const char *text = json_string_value(hex);
    size_t size = strlen(text) / 2;
    cr_assert_leq(size, room);
    for (size_t i = 0; i < size; i++) {
        unsigned byte;
        cr_assert_eq(sscanf(text + 2 * i, "%2x", &byte), 1);
        ((unsigned char *)out)[i] = (unsigned char)byte;
    }
    return size;
}

static void same_hash(const void *data, size_t size, const json_t *expected, const char *what, size_t at)
{
    char hex[QB_HASH_HEX];
    qb_hash_buffer(data, size, hex);
    cr_expect_str_eq(hex, json_string_value(expected), "%s %zu differs from gguf's", what, at);
}

static void decodes(const char *id, const json_t *type, const struct qb_format *format)
{
    const size_t values = (size_t)json_integer_value(json_object_get(type, "values"));
    const size_t bytes = (size_t)json_integer_value(json_object_get(type, "bytes"));
    unsigned char block[ROOM];
    float out[ROW];
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(type, "blocks"), i, one)
    {
        struct qb_error err = {0};
        cr_assert_eq(bytes_of(json_object_get(one, "bytes"), block, sizeof block), bytes);
        cr_assert_eq(qb_decode(format, 1, values, block, bytes, 0, 1, out, &err), QB_OK, "%s %zu: %s", id, i,
                     err.message);
        same_hash(out, values * sizeof *out, json_object_get(one, "decoded"), id, i);
    }
    cr_assert_eq(i, 8);
}

/* Row i of the inputs, and its bytes: how many. */
static size_t encode_input(const struct qb_format *format, const json_t *inputs, size_t i, float *x, unsigned char *out)
{
    struct qb_error err = {0};
    size_t size;
    cr_assert_eq(bytes_of(json_array_get(inputs, i), x, ROW * sizeof *x), ROW * sizeof *x);
    cr_assert(!qb_encoded_size(format, 1, ROW, &size, &err) && size <= ROOM);
    cr_assert_eq(qb_encode(format, 1, ROW, x, out, size, &err), QB_OK, "%zu: %s", i, err.message);
    return size;
}

static size_t encodes(const char *id, const json_t *type, const json_t *inputs, const struct qb_format *format)
{
    float x[ROW];
    unsigned char out[ROOM];
    size_t i;
    json_t *expected;
    json_array_foreach(json_object_get(type, "encoded"), i, expected)
    {
        size_t size = encode_input(format, inputs, i, x, out);
        same_hash(out, size, expected, id, i);
    }
    return i;
}

/* Errors within a percent of ggml's: a try or a step of its search that is left out shows in some row. */
static size_t reaches(const char *id, const json_t *type, const json_t *inputs, const struct qb_format *format)
{
    float x[ROW], y[ROW];
    unsigned char out[ROOM];
    size_t i;
    json_t *expected;
    json_array_foreach(json_object_get(type, "reached"), i, expected)
    {
        struct qb_error err = {0};
        size_t size = encode_input(format, inputs, i, x, out);
        double sums[2] = {0, 0};
        cr_assert_eq(qb_decode(format, 1, ROW, out, size, 0, 1, y, &err), QB_OK, "%s %zu: %s", id, i, err.message);
        for (size_t k = 0; k < ROW; k++) {
            double error = ((double)y[k] - (double)x[k]) * ((double)y[k] - (double)x[k]);
            sums[0] += error;
            sums[1] += error * (double)x[k] * (double)x[k];
        }
        for (size_t k = 0; k < 2; k++) {
            double due = json_number_value(json_array_get(expected, k));
            cr_expect(fabs(sums[k] - due) <= 0.01 * due, "%s, row %zu: error %zu is %g, ggml's is %g", id, i, k,
                      sums[k], due);
        }
    }
    return i;
}

Test(gguf_blocks, are_read_and_written_as_llama_cpp_does)
{
    json_t *root = golden(), *inputs = json_object_get(root, "inputs"), *type;
    const char *id;
    size_t count = 0;
    json_object_foreach(json_object_get(root, "types"), id, type)
    {
        struct qb_format format;
        struct qb_registry *registry = open_codec(id, &format);
        decodes(id, type, &format);
        cr_expect_eq(encodes(id, type, inputs, &format) + reaches(id, type, inputs, &format), json_array_size(inputs));
        count++;
        qb_format_free(&format);
        qb_registry_free(registry);
    }
    cr_expect_eq(count, 16);
    json_decref(root);
}

/* A scale that is Inf or NaN, in the second of two blocks: refused, and the byte named. */
static void refuses_scale(const char *id, const json_t *type, const struct qb_format *format, size_t at)
{
    const size_t values = (size_t)json_integer_value(json_object_get(type, "values"));
    const size_t bytes = (size_t)json_integer_value(json_object_get(type, "bytes"));
    static const uint16_t wrong[] = {0x7c00, 0xfc00, 0x7e00, 0x7c01};
    for (size_t k = 0; k < 4; k++) {
        unsigned char blocks[2 * ROOM] = {0};
        float out[2 * ROW];
        struct qb_codec_error error;
        memcpy(blocks + bytes + at, &wrong[k], sizeof wrong[k]);
        int status = format->plugin->codec->decode(&format->config, 2, values, blocks, 2 * bytes, 0, 2, out, &error);
        cr_expect_eq(status, QB_CODEC_BAD_BYTES, "%s takes a scale of bits 0x%x", id, wrong[k]);
        cr_expect_eq(error.index, bytes + at, "%s names byte %zu: %s", id, error.index, error.message);
        status = format->plugin->codec->decode(&format->config, 2, values, blocks, 2 * bytes, 0, 1, out, &error);
        cr_expect_eq(status, QB_CODEC_OK, "%s: the first block has no fault", id);
    }
}

Test(gguf_blocks, refuse_scales_that_are_not_finite)
{
    json_t *root = golden(), *type, *at;
    const char *id;
    size_t i;
    json_object_foreach(json_object_get(root, "types"), id, type)
    {
        struct qb_format format;
        struct qb_registry *registry = open_codec(id, &format);
        json_array_foreach(json_object_get(type, "halves"), i, at)
            refuses_scale(id, type, &format, (size_t)json_integer_value(at));
        qb_format_free(&format);
        qb_registry_free(registry);
    }
    json_decref(root);
}

Test(gguf_blocks, mxfp4_refuses_what_overflows_and_no_more)
{
    struct qb_format format;
    struct qb_registry *registry = open_codec("mxfp4", &format);
    unsigned char block[17] = {253, [8] = 0x60}; /* 8 * 2^125 */
    float out[32];
    struct qb_error err = {0};
    cr_expect_eq(qb_decode(&format, 1, 32, block, sizeof block, 0, 1, out, &err), QB_ERR_INPUT);
    cr_expect(strstr(err.message, "byte 0 starts a scale"), "%s", err.message);
    err = (struct qb_error){0};
    block[8] = 0x50;
    cr_expect_eq(qb_decode(&format, 1, 32, block, sizeof block, 0, 1, out, &err), QB_OK, "%s", err.message);
    cr_expect_eq(out[7 + 16], 0x1.8p127f);
    qb_format_free(&format);
    qb_registry_free(registry);
}

Test(gguf_blocks, refuse_rows_that_are_no_whole_blocks)
{
    struct qb_format format;
    struct qb_registry *registry = open_codec("q4_k", &format);
    static float x[3 * 288];
    static unsigned char bytes[3 * ROOM];
    struct qb_error err = {0};
    cr_expect_eq(qb_encode(&format, 3, 288, x, bytes, sizeof bytes, &err), QB_ERR_INPUT);
    cr_expect_str_eq(err.message, "codec 'q4_k': encoded size of 3 x 288: UNSUPPORTED: rows of 288 values are no "
                                  "whole number of blocks of 256 values");
    qb_format_free(&format);
    qb_registry_free(registry);
}

/* A value for which no scale of the block is a half. */
Test(gguf_blocks, refuse_what_no_scale_reaches)
{
    static const char *const ids[] = {"q8_0", "q4_0", "q4_1", "q5_0",   "q5_1",   "q2_k",  "q3_k",
                                      "q4_k", "q5_k", "q6_k", "iq4_nl", "iq4_xs", "tq1_0", "tq2_0"};
    for (size_t k = 0; k < sizeof ids / sizeof *ids; k++) {
        struct qb_format format;
        struct qb_registry *registry = open_codec(ids[k], &format);
        float x[2 * ROW] = {[3] = 1, [ROW + 200] = -3e38f, [ROW + 201] = 3e38f};
        unsigned char bytes[2 * ROOM];
        struct qb_error err = {0};
        cr_expect_eq(qb_encode(&format, 2, ROW, x, bytes, sizeof bytes, &err), QB_ERR_INPUT, "%s takes 3e38", ids[k]);
        cr_expect(strstr(err.message, "element (1, 200): -3e+38 cannot be stored"), "%s: %s", ids[k], err.message);
        qb_format_free(&format);
        qb_registry_free(registry);
    }
}

/* Powers of two change nothing but the scale, as long as it is a normal half: searches see numbers, not their size. */
Test(gguf_blocks, of_values_eight_times_as_large_are_eight_times_as_large)
{
    static const char *const ids[] = {"q8_0", "q4_0", "q4_1",  "q5_0",  "q5_1",   "q2_k",   "q3_k", "q4_k",
                                      "q5_k", "q6_k", "tq1_0", "tq2_0", "iq4_nl", "iq4_xs", "mxfp4"};
    float x[4 * ROW], once[4 * ROW], large[4 * ROW];
    struct qb_rng rng;
    qb_rng_seed(&rng, 3);
    qb_rng_normal(&rng, 0, 30, x, 4 * ROW);
    for (size_t k = 0; k < sizeof ids / sizeof *ids; k++) {
        struct qb_format format;
        struct qb_registry *registry = open_codec(ids[k], &format);
        unsigned char bytes[4 * ROOM];
        struct qb_error err = {0};
        for (int times = 1; times <= 8; times *= 8) {
            float y[4 * ROW];
            for (size_t i = 0; i < 4 * ROW; i++)
                y[i] = (float)times * x[i];
            cr_assert(!qb_encode(&format, 4, ROW, y, bytes, sizeof bytes, &err) &&
                          !qb_decode(&format, 4, ROW, bytes, sizeof bytes, 0, 4, times == 1 ? once : large, &err),
                      "%s", err.message);
        }
        for (size_t i = 0; i < 4 * ROW; i++)
            cr_assert_eq(large[i], 8 * once[i], "%s: value %zu is %.9g, 8 times %.9g was due", ids[k], i,
                         (double)large[i], (double)once[i]);
        qb_format_free(&format);
        qb_registry_free(registry);
    }
}

/* ---- SQNR ---- */

enum { ROWS = 256, COLS = 1024, N = ROWS * COLS };

static void draw(struct qb_rng *rng, int kind, float *x)
{
    static float more[5][N];
    qb_rng_normal(rng, 0, 1, x, N);
    if (kind == 1) { /* Laplace: the difference of two exponentials */
        qb_rng_uniform(rng, 0, 1, more[0], N);
        qb_rng_uniform(rng, 0, 1, more[1], N);
        for (size_t i = 0; i < N; i++)
            x[i] = logf(1 - more[0][i]) - logf(1 - more[1][i]);
    }
    for (size_t k = 0; kind == 2 && k < 5; k++)
        qb_rng_normal(rng, 0, 1, more[k], N);
    for (size_t i = 0; kind == 2 && i < N; i++) { /* Student's t with 5 degrees */
        float square = 0;
        for (size_t k = 0; k < 5; k++)
            square += more[k][i] * more[k][i];
        x[i] /= sqrtf(square / 5);
    }
}

static double sqnr(const struct qb_format *format, const float *x)
{
    static unsigned char bytes[2 * N];
    static float out[N];
    struct qb_error err = {0};
    double signal = 0, noise = 0;
    cr_assert(!qb_encode(format, ROWS, COLS, x, bytes, sizeof bytes, &err) &&
                  !qb_decode(format, ROWS, COLS, bytes, sizeof bytes, 0, ROWS, out, &err),
              "%s", err.message);
    for (size_t i = 0; i < N; i++) {
        signal += (double)x[i] * (double)x[i];
        noise += ((double)x[i] - (double)out[i]) * ((double)x[i] - (double)out[i]);
    }
    return 10 * log10(signal / noise);
}

/* dB of ggml's quantisers on matrices of 256 x 1024 standard Gaussian, Laplace and Student t (5 degrees) values, drawn
 * by numpy. These are others of the same laws, which moves the value by up to 0.1 dB, 0.25 with the t's tails. */
Test(gguf_blocks, reach_the_sqnr_of_ggml)
{
    static const struct {
        const char *id;
        double sqnr[3];
    } cases[] = {{"q6_k", {35.01, 33.28, 33.36}},   {"q5_k", {28.84, 27.38, 27.55}},  {"q4_k", {22.91, 21.45, 21.64}},
                 {"q3_k", {16.42, 15.09, 15.08}},   {"q2_k", {10.54, 9.29, 9.54}},    {"iq4_nl", {22.36, 21.13, 21.04}},
                 {"iq4_xs", {22.29, 21.06, 20.96}}, {"nvfp4", {20.41, 20.64, 20.67}}, {"mxfp4", {18.76, 17.93, 17.99}},
                 {"q8_0", {45.41, 43.44, 43.38}},   {"q5_1", {28.44, 27.05, 27.25}},  {"q4_0", {21.30, 19.44, 19.34}}};
    static const double limits[3] = {0.1, 0.1, 0.25};
    static float x[3][N];
    struct qb_rng rng;
    qb_rng_seed(&rng, 1);
    for (int kind = 0; kind < 3; kind++)
        draw(&rng, kind, x[kind]);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct qb_format format;
        struct qb_registry *registry = open_codec(cases[k].id, &format);
        for (int kind = 0; kind < 3; kind++) {
            double found = sqnr(&format, x[kind]);
            cr_expect(fabs(found - cases[k].sqnr[kind]) <= limits[kind], "%s, law %d: %.3f dB, %.2f were due",
                      cases[k].id, kind, found, cases[k].sqnr[kind]);
        }
        qb_format_free(&format);
        qb_registry_free(registry);
    }
}
