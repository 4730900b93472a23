/* Result files with the arrays that figures are drawn from, for their tests. */
#ifndef QB_TEST_FIGURE_PLANTS_H
#define QB_TEST_FIGURE_PLANTS_H

#include <stdlib.h>
#include <criterion/criterion.h>
#include "base/file.h"
#include "codec/variant.h"
#include "planted_result.h"
#include "reports/figures.h"
#include "scratch.h"

static inline void *plant_array(struct qb_cell *cell, const char *name, enum qb_dtype type, int rank, size_t a,
                                size_t b)
{
    struct qb_error err = {0};
    size_t dims[2] = {a, b};
    void *data = qb_record_add(&cell->record, name, type, rank, dims, "1", "planted", &err);
    cr_assert_not_null(data, "%s", err.message);
    return data;
}

static inline void plant_scalar(struct qb_cell *cell, const char *name, double value)
{
    struct qb_error err = {0};
    cr_assert_eq(qb_record_f64(&cell->record, name, value, "1", "planted", &err), QB_OK);
}

/* P prompts of S steps. Prompt p matches up to step `until` + p * `later`, then never. */
static inline void plant_greedy(struct planted *p, const char *model, const char *variant, size_t prompts, size_t steps,
                                size_t until, size_t later)
{
    struct qb_cell *cell = planted_cell(p, model, variant, "greedy");
    int32_t *t = plant_array(cell, "tokens", QB_I32, 2, prompts, steps);
    int32_t *r = plant_array(cell, "reference_tokens", QB_I32, 2, prompts, steps);
    for (size_t i = 0; i < prompts * steps; i++) {
        r[i] = (int32_t)(i * 37 % 1009);
        t[i] = i % steps < until + i / steps * later ? r[i] : r[i] + 1;
    }
    planted_measure(cell);
}

/* N positions in chunks of 50, KL growing linearly to scale * n. Of 20 positions the reference gets 10 right, and the
 * variant turns one of these wrong and, where `mends`, one of the others right. */
static inline void plant_text(struct planted *p, const char *experiment, const char *model, const char *variant,
                              size_t n, double scale, bool mends)
{
    struct qb_cell *cell = planted_cell(p, model, variant, experiment);
    double *kl = plant_array(cell, "kl", QB_F64, 1, n, 0);
    uint8_t *top1 = plant_array(cell, "top1", QB_U8, 1, n, 0);
    int32_t *chunk = plant_array(cell, "chunk", QB_I32, 1, n, 0),
            *target = plant_array(cell, "target", QB_I32, 1, n, 0);
    int32_t *reference = plant_array(cell, "reference_top_token", QB_I32, 1, n, 0);
    int32_t *top = plant_array(cell, "top_token", QB_I32, 1, n, 0);
    for (size_t i = 0; i < n; i++) {
        kl[i] = scale * (double)(i + 1);
        top1[i] = i % 50 != 0;
        chunk[i] = (int32_t)(i / 50);
        target[i] = 7;
        reference[i] = i % 20 < 10 ? 7 : 8;
        top[i] = i % 20 == 3 ? 9 : i % 20 == 13 && mends ? 7 : reference[i];
    }
    planted_measure(cell);
}

static inline void plant_forced(struct planted *p, const char *model, const char *variant, size_t n, double scale,
                                bool mends)
{
    plant_text(p, "teacher-forced", model, variant, n, scale, mends);
}

/* The same over a KV cache of so many bytes a token, where FP16's takes 1536. */
static inline void plant_kv(struct planted *p, const char *model, const char *variant, size_t n, double scale,
                            double bytes)
{
    struct qb_error err = {0};
    struct qb_cell *cell = planted_cell(p, model, variant, "kv");
    int32_t *position = plant_array(cell, "position", QB_I32, 1, n, 0);
    for (size_t i = 0; i < n; i++)
        position[i] = (int32_t)(i % 50);
    plant_scalar(cell, "kv_bytes_per_token", bytes);
    cr_assert_eq(qb_record_i64(&cell->record, "kv_fp16_bytes_per_token", 1536, "bytes", "planted", &err), QB_OK);
    plant_text(p, "kv", model, variant, n, scale, false);
}

/* More variants than other figures tell apart, a third each of all positions, of half of them and of a quarter. */
static inline void plant_search(struct planted *p, const char *model)
{
    for (size_t v = 0; v < 18; v++) {
        char variant[32];
        snprintf(variant, sizeof variant, "candidate-%zu", v);
        plant_forced(p, model, variant,
                     v % 3 == 0   ? 400
                     : v % 3 == 1 ? 200
                                  : 100,
                     1e-7 * (double)(1 + v * 7 % 18), false);
        planted_cell(p, model, variant, "teacher-forced")->reach =
            (struct qb_reach){.known = true, .tensors = 1, .weights = 1000, .bytes = 1000 + 10 * (v % 9)};
    }
}

/* KL grows from kl to 100 kl. One weight, of power 1: `error` has the powers of its error, of the relative one, of the
 * weighted one and of the products'. */
static inline void plant_predict(struct planted *p, const char *model, const char *variant, double kl,
                                 const double *error)
{
    static const char *const names[] = {"signal_power",          "error_power",          "relative_power",
                                        "weighted_signal_power", "weighted_error_power", "output_power",
                                        "output_error_power"};
    static const int of[] = {-1, 0, 1, -1, 2, -1, 3}; /* -1: a signal, of power 1 */
    plant_text(p, "kl", model, variant, 100, kl, false);
    struct qb_cell *cell = planted_cell(p, model, variant, "predict");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        *(double *)plant_array(cell, names[i], QB_F64, 1, 1, 0) = of[i] < 0 ? 1 : error[of[i]];
    *(int64_t *)plant_array(cell, "nonzero_values", QB_I64, 1, 1, 0) = 1;
    planted_measure(cell);
}

static inline void plant_depth(struct planted *p, const char *model, const char *variant, size_t layers, double scale)
{
    struct qb_cell *cell = planted_cell(p, model, variant, "depth");
    float *local = plant_array(cell, "local_error", QB_F32, 2, layers, 3);
    float *sum = plant_array(cell, "accumulated_error", QB_F32, 2, layers, 3);
    for (size_t i = 0; i < layers * 3; i++) {
        local[i] = (float)(scale * (1 + 0.1 * (double)(i % 3)));
        sum[i] = local[i] * (float)(1 + i / 3);
    }
}

static inline void plant_memory(struct planted *p, const char *model, const char *variant, int64_t encoded,
                                int64_t published)
{
    static const char *const names[] = {"a", "b", "c", "d"}; /* what a buffer holds, its bits say */
    static const char *const stores[] = {"qins8", "qins8", "fp32", "fp32"};
    struct qb_error err = {0};
    struct qb_cell *cell = planted_cell(p, model, variant, "memory");
    cr_assert_eq(qb_record_text(&cell->record, "tensor", names, 4, "planted", &err), QB_OK);
    cr_assert_eq(qb_record_text(&cell->record, "store", stores, 4, "planted", &err), QB_OK);
    cr_assert_eq(qb_record_text(&cell->record, "role", names, 4, "planted", &err), QB_OK);
    int64_t *bytes = plant_array(cell, "bytes", QB_I64, 1, 4, 0),
            *values = plant_array(cell, "values", QB_I64, 1, 4, 0);
    plant_array(cell, "cache_bytes", QB_I64, 1, 4, 0);
    int32_t *bits = plant_array(cell, "role_bits", QB_I32, 1, 4, 0);
    bits[0] = QB_ROLE_ATTN_Q | QB_ROLE_ATTN_K | QB_ROLE_ATTN_V;
    bits[1] = QB_ROLE_MLP_UP;
    bits[2] = QB_ROLE_EMBED;
    bits[3] = QB_ROLE_MLP_UP | QB_ROLE_BIAS;
    const int64_t sizes[] = {encoded, 2 * encoded, 1 << 22, 1 << 10};
    memcpy(bytes, sizes, sizeof sizes);
    for (int i = 0; i < 4; i++)
        values[i] = 1 << 20;
    plant_scalar(cell, "weight_values", 4 << 20);
    plant_scalar(cell, "fp32_bytes", 16 << 20);
    plant_scalar(cell, "published_bytes", (double)published);
    planted_measure(cell);
}

/* The same along a generation of 20 samples, whose cache takes so many bytes a token. */
static inline void plant_growth(struct planted *p, const char *model, const char *variant, int64_t each)
{
    static const char *const names[] = {"generation_position", "generation_weight_bytes", "generation_cache_bytes",
                                        "generation_scratch_bytes", "generation_rss"};
    struct qb_cell *cell = planted_cell(p, model, variant, "memory");
    for (int k = 0; k < 5; k++) {
        int64_t *x = plant_array(cell, names[k], QB_I64, 1, 20, 0);
        for (int64_t i = 0; i < 20; i++)
            x[i] =
                (int64_t[]){100 * i + 1, 8 << 20, (100 * i + 1) * each, 1 << 20, (15 << 20) + (100 * i + 1) * each}[k];
    }
    plant_scalar(cell, "generation_block", 1);
    plant_scalar(cell, "generation_page_bytes", 49152);
    plant_memory(p, model, variant, 1 << 20, 300000);
}

static inline void plant_speed(struct planted *p, const char *model, const char *variant, double ratio)
{
    static const char *const names[] = {"prefill_s",       "decode_s", "reference_prefill_s", "reference_decode_s",
                                        "weight_decode_s", "read_gbs", "sgemm_gflops",        "store_gbs"};
    struct qb_cell *cell = planted_cell(p, model, variant, "speed");
    for (int k = 0; k < 8; k++) {
        double *x = plant_array(cell, names[k], QB_F64, 1, 5, 0);
        for (int r = 0; r < 5; r++)
            x[r] = (k == 5 ? 12 : k == 6 ? 90 : k == 7 ? 15 : 0.01 * (k < 2 ? ratio : 1)) * (1 + 0.02 * r);
    }
    plant_scalar(cell, "weight_decode_bytes", 4e7);
    plant_scalar(cell, "prefill_flop", 5e8);
    plant_scalar(cell, "prefill_tokens", 250);
    plant_scalar(cell, "decode_tokens", 10);
    plant_scalar(cell, "decode_bytes", 4e6);
}

static inline void plant_linearity(struct planted *p, const char *variant, double value_ratio, double code_ratio)
{
    struct qb_cell *cell = planted_cell(p, "kjv-chain", variant, "linearity");
    static const char *const names[] = {"additivity_error",       "homogeneity_error",       "rounding_noise",
                                        "coord_additivity_error", "coord_homogeneity_error", "coord_rounding_noise"};
    for (int k = 0; k < 6; k++) {
        double *x = plant_array(cell, names[k], QB_F64, 1, 40, 0);
        for (int t = 0; t < 40; t++)
            x[t] = 0.01 * (k % 3 == 2 ? 1 : (k < 3 ? value_ratio : code_ratio) * (1 + 0.01 * t));
    }
}

static inline void plant_roundtrip(struct planted *p, const char *model, const char *variant)
{
    struct qb_cell *cell = planted_cell(p, model, variant, "roundtrip");
    float *value = plant_array(cell, "code_value", QB_F32, 1, 255, 0);
    int64_t *count = plant_array(cell, "code_count", QB_I64, 1, 255, 0);
    for (int i = 0; i < 255; i++) {
        value[i] = (float)(i - 127);
        count[i] = (int64_t)(10000 * exp(-(i - 127.0) * (i - 127.0) / 1800));
    }
}

/* Shapley shares given as values; `tensors` tensors swapped one at a time, tensor t costing scale * 10^(t % 4). */
static inline void plant_attribute(struct planted *p, const char *model, const char *variant, size_t tensors,
                                   double scale)
{
    static const char *const names[] = {"shapley_storage", "shapley_domain", "shapley_scale",
                                        "shapley_alpha",   "shapley_fp16",   "total_kl"};
    static const double shares[] = {0.0004, 6.5, -0.9, 0.2, -1.3, 4.5004};
    char path[256], text[64];
    for (int k = 0; k < 6; k++) {
        snprintf(path, sizeof path, "%s/%s/attribute/%s", model, variant, names[k]);
        struct qb_value *v = planted_value(p, path, scale * shares[k], 2560);
        v->flags = 0;
        v->lo = v->value - 0.2 * scale;
        v->hi = v->value + 0.2 * scale;
    }
    struct qb_cell *cell = planted_cell(p, model, variant, "attribute");
    struct qb_error err = {0};
    char **name = plant_array(cell, "swap_tensor", QB_TEXT, 1, tensors, 0);
    plant_array(cell, "swap_role_bits", QB_I32, 1, tensors, 0);
    int32_t *layer = plant_array(cell, "swap_layer", QB_I32, 1, tensors, 0);
    double *kl = plant_array(cell, "swap_kl", QB_F64, 2, tensors, 2);
    for (size_t t = 0; t < tensors; t++) {
        snprintf(text, sizeof text, "layers.%zu.%s.weight", t / 4,
                 t % 4 == 0   ? "attn.qkv"
                 : t % 4 == 1 ? "attn.out"
                 : t % 4 == 2 ? "mlp.up"
                              : "mlp.down");
        name[t] = qb_strdup(text, &err);
        layer[t] = (int32_t)(t / 4);
        kl[2 * t] = scale * 1e-6 * pow(10, (double)(t % 4)) * 0.5;
        kl[2 * t + 1] = kl[2 * t] * 3;
    }
}

static const char *const planted_models[] = {"source-transformer", "source-chain", "kjv-transformer", "kjv-chain"};
static const char *const planted_variants[] = {
    "fp32-reordered", "fp16",         "bf16",   "int8-tensor", "int8-channel",
    "pattern-a",      "legacy-asrun", "legacy", "calibrated",  "qins-group64-embedding-and-head-kept"};
enum { PLANTED_VARIANTS = sizeof planted_variants / sizeof *planted_variants };

/* Every experiment that figures draw: four models, ten variants, one of them a user's with a long name, 100% of the
 * prompts equal on the first model. */
static inline void plant_all(struct planted *p)
{
    for (size_t m = 0; m < 4; m++)
        for (size_t v = 0; v < PLANTED_VARIANTS; v++) {
            const char *model = planted_models[m], *variant = planted_variants[v];
            bool text = m >= 2;
            plant_greedy(p, model, variant, m < 2 ? 1 : 8, 200, m == 0 ? 200 : 5 + 17 * (9 - v) * (m + 1) % 150,
                         9 * (m - 1));
            plant_forced(p, model, variant, text ? 400 : 50, 1e-13 * pow(10, (double)(m * 3) + 0.5 * (double)v), v % 3);
            if (v > 0 && v < 9)
                plant_depth(p, model, variant, m == 2 ? 40 : 3, 1e-4 * pow(3, (double)v));
            if (v > 0)
                plant_memory(p, model, variant, (int64_t)1 << (18 + v % 4), 300000);
            if (m % 2 && v < 8)
                plant_speed(p, model, variant, 1 + 0.1 * (double)(v + m));
            if (v > 2 && v < 6 && m % 2 == 0)
                plant_roundtrip(p, model, variant);
            if (text && (v == 3 || v == 5 || v > 7))
                plant_attribute(p, model, variant, m == 2 ? 12 : 5, pow(10, (double)v - 9));
        }
    for (size_t m = 2; m < 4; m++) {
        plant_growth(p, planted_models[m], "kv-fp16", 1536);
        plant_growth(p, planted_models[m], "kv-q4_0", 432);
        plant_kv(p, planted_models[m], "kv-fp16", 400, 1e-9, 1536);
        plant_kv(p, planted_models[m], "kv-q8_0", 400, 1e-6, 816);
        plant_kv(p, planted_models[m], "kv-q4_0", 400, 1e-4, 432);
    }
    plant_search(p, "kjv-chain");
    for (size_t v = 0; v < 5; v++) {
        const double power = 0.001 * (double)(v + 1);
        char name[16];
        snprintf(name, sizeof name, "format-%zu", v);
        plant_predict(p, "source-transformer", name, 1e-5 * (double)(v + 1), (double[]){power, power, power, power});
    }
    plant_linearity(p, "fp16", 1, 1);
    plant_linearity(p, "int8-tensor", 0.9, 0.9);
    plant_linearity(p, "pattern-a", 1.1, 80);
}

/* Writes the result, draws its figures, frees it. */
static inline enum qb_status draw_figures(struct planted *p, const struct qb_figure_options *options,
                                          struct qb_figure_list *list, struct qb_text *report, struct qb_error *err)
{
    const char *path = scratch_path("r.h5");
    struct qb_result *result = NULL;
    planted_write(p, path);
    cr_assert_eq(qb_result_open(path, &result, err), QB_OK, "%s", err->message);
    enum qb_status s = qb_figures_write(result, options, list, report, err);
    qb_result_close(result);
    planted_free(p);
    return s;
}

static inline char *read_back(const char *name)
{
    char *text = NULL;
    size_t size;
    struct qb_error err = {0};
    cr_assert_eq(qb_file_read(scratch_path(name), 1 << 24, &text, &size, &err), QB_OK, "%s", err.message);
    return text;
}

static inline void expect_text(const char *name, const char *wanted)
{
    char *text = read_back(name);
    cr_expect_not_null(strstr(text, wanted), "%s lacks '%s':\n%.1500s", name, wanted, text);
    qb_free(text);
}

#endif
