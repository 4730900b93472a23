/* What roundtrip and speed make of tensors that calibration keeps in FP16, whole or in part. */
#include <math.h>
#include "unit/experiment_bench.h"
#include "base/hash.h"
#include "experiments/speed_parts.h"

TestSuite(kept_fp16, .init = fixture_begin, .fini = fixture_end);

#define KEPT(experiment)                                                                                               \
    "name: s\nmodels:\n"                                                                                               \
    "  transformer: {generator: transformer, vocab: 60, hidden: 32, layers: 2, prompt: {random: 6, seed: 1}}\n"        \
    "variants:\n"                                                                                                      \
    "  - {name: qk, codec: fp32, placement: ['attn.*', 'mlp.*'], calibration: {fp16: [attn.q, attn.k]}}\n"             \
    "  - {name: q-alone, codec: fp32, placement: ['mlp.*'], calibration: {fp16: [attn.q]}}\n"                          \
    "  - {name: all, base: pattern-a, calibration: {fp16: ['attn.*', 'mlp.*']}}\n"                                     \
    "  - {name: same, codec: fp16, placement: ['attn.*', 'mlp.*']}\n"                                                  \
    "experiments: {" experiment "}\n"

/* IEEE 754 binary16, nearest, ties to even: |x| = m 2^e with m in [0.5, 1) has 11 significant bits and the exponent
 * field e + 14; below 2^-14 the step is 2^-24. Numbers beyond 65504 do not occur. */
static uint16_t half_bits(float x)
{
    int e;
    double m = frexp(fabs((double)x), &e);
    double bits = e < -13 ? nearbyint(ldexp(fabs((double)x), 24)) : (e + 14) * 1024 + nearbyint(ldexp(m, 11)) - 1024;
    return (uint16_t)((signbit(x) ? 0x8000 : 0) + (int)bits);
}

static double half_value(uint16_t half)
{
    int field = half >> 10 & 31, fraction = half & 1023;
    double value = field ? ldexp(1024 + fraction, field - 25) : ldexp(fraction, -24);
    return half >> 15 ? -value : value;
}

static double entry_of(const struct qb_record *record, const char *name, size_t i)
{
    const struct qb_array *array = qb_record_get(record, name, QB_F64, 1);
    cr_assert(array && array->count > i, "%s", name);
    return ((const double *)array->data)[i];
}

/* The codec fp32 keeps its rows exact: all error is that of the FP16 rows, [0, halves), and the bytes are theirs, two
 * a value, before those of rows [halves, rows), the values themselves. */
static void expect_kept(const struct qb_record *record, size_t i, const struct qb_tensor *t, size_t halves, size_t rows)
{
    size_t n = halves * t->cols, rest = (rows - halves) * t->cols;
    unsigned char *bytes = qb_alloc(2 * n + sizeof(float) * rest, 1, "bytes", &(struct qb_error){0});
    double error = 0, largest = 0, signal = 0;
    char due[QB_HASH_HEX];
    for (size_t k = 0; k < n + rest; k++)
        signal += (double)tensor_floats(t)[k] * (double)tensor_floats(t)[k];
    for (size_t k = 0; k < n; k++) {
        uint16_t half = half_bits(tensor_floats(t)[k]);
        double e = fabs(half_value(half) - (double)tensor_floats(t)[k]);
        bytes[2 * k] = (unsigned char)(half & 255);
        bytes[2 * k + 1] = (unsigned char)(half >> 8);
        error += e * e;
        largest = fmax(largest, e);
    }
    memcpy(bytes + 2 * n, tensor_floats(t) + n, sizeof(float) * rest);
    qb_hash_buffer(bytes, 2 * n + sizeof(float) * rest, due);
    const struct qb_array *values = qb_record_get(record, "tensor_values", QB_I64, 1);
    cr_expect_eq(((const int64_t *)values->data)[i], (int64_t)(n + rest), "%s", t->name);
    const struct qb_array *kept = qb_record_get(record, "tensor_fp16_values", QB_I64, 1);
    cr_expect(kept && ((const int64_t *)kept->data)[i] == (int64_t)n, "%s", t->name);
    cr_expect_float_eq(entry_of(record, "signal_power", i), signal, 1e-12 * signal, "%s", t->name);
    cr_expect_float_eq(entry_of(record, "error_power", i), error, 1e-12 * error, "%s", t->name);
    cr_expect_eq(entry_of(record, "max_abs_error", i), largest, "%s", t->name);
    const struct qb_array *hashes = qb_record_get(record, "encoded_sha256", QB_TEXT, 1);
    cr_expect_str_eq(((char **)hashes->data)[i], due, "%s", t->name);
    qb_free(bytes);
}

/* H = 32: qkv is 96 x 32, of which Q and K are rows [0, 64). */
Test(kept_fp16, roundtrip_measures_rows_kept_in_fp16_as_fp16)
{
    struct bench b = bench_open(KEPT("roundtrip: {}"), 0);
    for (size_t v = 0; v < 2; v++) {
        struct qb_record record = {0};
        bench_run(&b, v, &record);
        const struct qb_array *names = qb_record_get(&record, "tensor", QB_TEXT, 1);
        size_t seen = 0;
        for (size_t i = 0; i < names->count; i++) {
            const struct qb_tensor *t = qb_model_named(b.model, ((char **)names->data)[i]);
            bool fused = (t->roles & QB_ROLE_ATTN_Q) != 0;
            size_t halves = !fused ? 0 : v == 0 ? 64 : 32;
            seen += fused;
            expect_kept(&record, i, t, halves, fused && v == 1 ? 32 : t->rows);
        }
        cr_expect_eq(seen, 2, "qkv of both layers, also where the placement does not name it");
        qb_record_free(&record);
    }
    bench_close(&b);
}

Test(kept_fp16, roundtrip_of_a_variant_kept_in_fp16_is_that_of_fp16)
{
    static const char *const numbers[] = {"signal_power", "error_power", "max_abs_error", "abs_max",
                                          "max_relative_error"};
    struct bench b = bench_open(KEPT("roundtrip: {}"), 0);
    struct qb_record all = {0}, same = {0};
    bench_run(&b, 2, &all);
    bench_run(&b, 3, &same);
    for (size_t i = 0; i < 8; i++) { /* 4 matrices in each of 2 layers */
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
            cr_expect_eq(entry_of(&all, numbers[k], i), entry_of(&same, numbers[k], i), "%s of %zu", numbers[k], i);
        cr_expect_str_eq(((char **)qb_record_get(&all, "encoded_sha256", QB_TEXT, 1)->data)[i],
                         ((char **)qb_record_get(&same, "encoded_sha256", QB_TEXT, 1)->data)[i]);
    }
    cr_expect_null(qb_record_get(&same, "tensor_fp16_values", QB_I64, 1), "calibration keeps nothing");
    cr_expect_null(qb_record_get(&all, "code_value", QB_F32, 1), "no weight is stored in the codec");
    qb_record_free(&all);
    qb_record_free(&same);
    bench_close(&b);
}

/* A layer has qkv 96 x 32, out 32 x 32, up and down 128 x 32 and 32 x 128. Under qk 2048 values of qkv take 2 bytes,
 * all others 4; under q-alone 1024 of them take 2 bytes, those of the MLP 4. */
Test(kept_fp16, speed_decodes_what_is_stored)
{
    static const size_t bytes[] = {2 * (2 * 2048 + 4 * (1024 + 1024 + 8192)), 2 * (2 * 1024 + 4 * 8192), 2 * 2 * 12288};
    static const size_t values[] = {2 * 12288, 2 * (1024 + 8192), 2 * 12288};
    static const size_t largest[] = {4096, 4096, 4096}; /* up, whole */
    struct bench b = bench_open(KEPT("speed: {}"), 0);
    for (size_t v = 0; v < 3; v++) {
        struct qb_cell_env env = {
            .model = b.model, .variant = b.suite->variants[v], .inputs = &b.inputs, .pool = b.pool};
        struct qb_prepared prepared;
        struct qb_stored *stored = NULL;
        struct qb_net *fp32 = NULL;
        struct qb_error err = {0};
        cr_assert_eq(qb_cell_prepare(&env, &prepared, &err), QB_OK, "%s", err.message);
        cr_assert_eq(qb_cell_fp32(&env, &fp32, &err), QB_OK, "%s", err.message);
        cr_assert_eq(qb_stored_create(prepared.net, fp32, &stored, &err), QB_OK, "%s", err.message);
        qb_net_free(fp32);
        cr_expect_eq(qb_stored_bytes(stored), bytes[v], "%zu", qb_stored_bytes(stored));
        cr_expect_eq(qb_stored_decoded(stored), sizeof(float) * values[v]);
        qb_stored_decode(stored);
        cr_expect_eq(qb_stored_sample_bytes(stored), sizeof(float) * largest[v], "%zu", qb_stored_sample_bytes(stored));
        qb_stored_encode(stored);
        qb_stored_free(stored);
        qb_net_free(prepared.net);
    }
    bench_close(&b);
}
