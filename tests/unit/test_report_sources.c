/* The report says which arrays a number comes from. Here each array of a record is taken away in turn: a metric must
 * change, or vanish, exactly for the arrays that it names. */
#include "metric_case.h"
#include "reports/report_content.h"

enum { N = 9600, CHUNKS = 24, P = 12, S = 120 };

static uint32_t state = 1;
/* In [0, 1); a plain generator, for the values do not matter. */
static double draw(void)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) / 16777216.0;
}

static void reals(struct qb_record *r, const char *name, enum qb_dtype type, size_t rows, size_t columns)
{
    struct qb_error err = {0};
    const size_t dims[2] = {rows, columns};
    void *data = qb_record_add(r, name, type, columns ? 2 : 1, dims, "1", "test", &err);
    cr_assert_not_null(data, "%s", err.message);
    for (size_t i = 0; i < rows * (columns ? columns : 1); i++) {
        double x = draw();
        if (type == QB_F64)
            ((double *)data)[i] = 0.5 + x;
        else if (type == QB_F32)
            ((float *)data)[i] = (float)(0.01 + x);
        else if (type == QB_I32)
            ((int32_t *)data)[i] = (int32_t)(x * 2.5);
        else if (type == QB_I64)
            ((int64_t *)data)[i] = 1000 + (int64_t)(x * 1000);
        else
            ((uint8_t *)data)[i] = x < 0.8;
    }
}

/* Mostly 1, else a chance. */
static void shares(struct qb_record *r, const char *name, size_t rows, size_t columns)
{
    reals(r, name, QB_F64, rows, columns);
    double *x = qb_record_find(r, name)->data;
    for (size_t i = 0; i < rows * (columns ? columns : 1); i++)
        x[i] = x[i] > 0.53 ? 1 : x[i] - 0.5;
}

static void groups(struct qb_record *r, const char *name)
{
    int32_t ids[N];
    for (int i = 0; i < N; i++)
        ids[i] = i / (N / CHUNKS);
    put(r, name, QB_I32, N, 0, ids);
}

static void list(struct qb_record *r, const char *const *names, enum qb_dtype type, size_t rows, size_t columns)
{
    for (; *names; names++)
        reals(r, *names, type, rows, columns);
}

/* Is it the same but for the words of its note? */
static bool same(const struct qb_value *a, const struct qb_value *b)
{
    return a->n == b->n && (a->value == b->value || (isnan(a->value) && isnan(b->value))) &&
           (a->lo == b->lo || (isnan(a->lo) && isnan(b->lo))) && (a->hi == b->hi || (isnan(a->hi) && isnan(b->hi)));
}

static bool listed(const char *names, const char *name)
{
    size_t size = strlen(name);
    for (; *names; names += strcspn(names, " "), names += *names == ' ')
        if (strcspn(names, " ") == size && strncmp(names, name, size) == 0)
            return true;
    return false;
}

/* Every metric of `values` against what comes out without one array. */
static void check_without(const char *experiment, struct qb_record *r, struct qb_array *array,
                          const struct qb_value *values, size_t count)
{
    struct qb_error err = {0};
    struct qb_value *left;
    char away[] = "taken_away", *name = array->name;
    size_t left_count;
    array->name = away;
    cr_assert_eq(qb_metrics_compute(experiment, r, &left, &left_count, &err), QB_OK, "%s", err.message);
    array->name = name;
    for (size_t i = 0; i < count; i++) {
        const char *sources = qb_metric_sources(experiment, values[i].metric);
        size_t k = 0;
        while (k < left_count && strcmp(left[k].metric, values[i].metric) != 0)
            k++;
        bool changed = k == left_count || !same(&left[k], &values[i]);
        cr_expect_eq(changed, listed(sources, name), "%s %s and %s: the report names '%s'", experiment,
                     values[i].metric, name, sources);
    }
    qb_free(left);
}

/* Frees the record. `least`: so many metrics must have come out. */
static void check(const char *experiment, struct qb_record *r, size_t least)
{
    struct qb_error err = {0};
    struct qb_value *values;
    size_t count;
    cr_assert_eq(qb_metrics_compute(experiment, r, &values, &count, &err), QB_OK, "%s", err.message);
    cr_expect_geq(count, least, "%s: %zu metrics", experiment, count);
    for (size_t i = 0; i < count; i++)
        cr_expect_neq(*qb_metric_sources(experiment, values[i].metric), '\0', "%s %s names no arrays", experiment,
                      values[i].metric);
    for (size_t a = 0; a < r->count; a++)
        check_without(experiment, r, &r->arrays[a], values, count);
    qb_free(values);
    qb_record_free(r);
}

/* The arrays that teacher-forced and kl share. */
static void put_positions(struct qb_record *r)
{
    static const char *const doubles[] = {"kl", "nll", "reference_nll", NULL};
    static const char *const floats[] = {"max_logit_diff", "logit_std", "margin", "reference_top_p", NULL};
    static const char *const tokens[] = {"top_token", "reference_top_token", "target", NULL};
    groups(r, "chunk");
    list(r, doubles, QB_F64, N, 0);
    list(r, floats, QB_F32, N, 0);
    list(r, tokens, QB_I32, N, 0);
    reals(r, "top1", QB_U8, N, 0);
    reals(r, "overlap10", QB_U8, N, 0);
    shares(r, "top1_share", N, 0);
    shares(r, "top10_share", N, 0);
    shares(r, "hit", N, 0);
    shares(r, "reference_hit", N, 0);
    put_scalar(r, "alpha", 0.9);
    put_scalar(r, "alpha_raw", 0.7);
}

Test(report_sources, teacher_forced)
{
    struct qb_record r = {0};
    put_positions(&r);
    check("teacher-forced", &r, 15);
}

Test(report_sources, kl)
{
    static const char *const floats[] = {"llama_nll", "llama_nll_base", "llama_dp", NULL};
    struct qb_record r = {0};
    put_positions(&r);
    list(&r, floats, QB_F32, N, 0);
    reals(&r, "llama_kld", QB_F64, N, 0);
    reals(&r, "llama_same_top", QB_U8, N, 0);
    check("kl", &r, 90);
}

Test(report_sources, greedy)
{
    static const char *const floats[] = {"margin", "reference_margin", "logit_std", "reference_logit_std", NULL};
    struct qb_record r = {0};
    reals(&r, "overlap10", QB_U8, P, S);
    shares(&r, "top10_share", P, S);
    list(&r, floats, QB_F32, P, S);
    int32_t *tokens = qb_alloc(2 * P * S, sizeof *tokens, "tokens", &(struct qb_error){0});
    for (size_t i = 0; i < P * S; i++) {
        tokens[i] = (int32_t)(draw() * 900);
        tokens[P * S + i] = i % S < 20 + 10 * (i / S) ? tokens[i] : (int32_t)(draw() * 900);
    }
    put(&r, "tokens", QB_I32, P, S, tokens + P * S);
    put(&r, "reference_tokens", QB_I32, P, S, tokens);
    shares(&r, "match_share", P, S);
    qb_free(tokens);
    check("greedy", &r, 15);
}

Test(report_sources, depth)
{
    struct qb_record r = {0};
    reals(&r, "local_error", QB_F32, 3, N);
    reals(&r, "accumulated_error", QB_F32, 3, N);
    groups(&r, "sequence");
    check("depth", &r, 4);
}

Test(report_sources, predict)
{
    static const char *const names[] = {
        "signal_power", "error_power",        "weighted_signal_power", "weighted_error_power",
        "output_power", "output_error_power", "relative_power",        NULL};
    struct qb_record r = {0};
    list(&r, names, QB_F64, 9, 0);
    reals(&r, "nonzero_values", QB_I64, 9, 0);
    check("predict", &r, 4);
}

Test(report_sources, linearity)
{
    static const char *const names[] = {"additivity_error",
                                        "homogeneity_error",
                                        "rounding_noise",
                                        "coord_additivity_error",
                                        "coord_homogeneity_error",
                                        "coord_rounding_noise",
                                        NULL};
    struct qb_record r = {0};
    list(&r, names, QB_F64, 40, 0);
    check("linearity", &r, 8);
}

Test(report_sources, memory)
{
    static const char *const stores[] = {"qins8", "fp32", "qins8"};
    static const char *const numbers[] = {"values", "bytes", "cache_bytes", "held_bytes", NULL};
    static const char *const scalars[] = {
        "fp32_bytes", "weight_values", "published_bytes",    "published_fp32_bytes", "rss_before",
        "rss_after",  "peak_rss",      "kv_bytes_per_token", "encoded_values",       "act_bytes_per_token"};
    struct qb_record r = {0};
    put_texts(&r, "store", stores, 3);
    list(&r, numbers, QB_I64, 3, 0);
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++)
        put_scalar(&r, scalars[i], 100000 + 1000 * (double)i);
    check("memory", &r, 11);
}

Test(report_sources, speed)
{
    static const char *const names[] = {"prefill_s",     "decode_s",       "reference_prefill_s", "reference_decode_s",
                                        "self_decode_s", "self_prefill_s", "weight_decode_s",     "memcpy_gbs",
                                        "read_gbs",      "store_gbs",      "sgemm_gflops",        NULL};
    static const char *const scalars[] = {"prefill_tokens", "decode_tokens", "prefill_flop", "decode_bytes",
                                          "weight_decode_bytes"};
    struct qb_record r = {0};
    list(&r, names, QB_F64, 9, 0);
    static const char *const depths[] = {"decode_512_s",
                                         "reference_decode_512_s",
                                         "self_decode_512_s",
                                         "read_512_gbs",
                                         "decode_2k_s",
                                         "reference_decode_2k_s",
                                         "self_decode_2k_s",
                                         "read_2k_gbs",
                                         "decode_8k_s",
                                         "reference_decode_8k_s",
                                         "self_decode_8k_s",
                                         "read_8k_gbs",
                                         "decode_32k_s",
                                         "reference_decode_32k_s",
                                         "self_decode_32k_s",
                                         "read_32k_gbs",
                                         NULL};
    static const char *const bytes[] = {"decode_512_bytes", "decode_2k_bytes", "decode_8k_bytes", "decode_32k_bytes"};
    list(&r, depths, QB_F64, 9, 0);
    for (size_t i = 0; i < 4; i++)
        put_scalar(&r, bytes[i], 2e6 + 1000 * (double)i);
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++)
        put_scalar(&r, scalars[i], 1e6 + 1000 * (double)i);
    check("speed", &r, 26);
}

Test(report_sources, roundtrip)
{
    static const char *const inputs[] = {"gaussian", "laplace", "student_t5", "log_uniform", "uniform"};
    static const char *const tensors[] = {"signal_power", "error_power",        "max_abs_error",
                                          "abs_max",      "max_relative_error", NULL};
    static const char *const generated[] = {"input_signal_power", "input_error_power", NULL};
    struct qb_record r = {0};
    list(&r, tensors, QB_F64, 4, 0);
    put_texts(&r, "input", inputs, 5);
    list(&r, generated, QB_F64, 5, 0);
    reals(&r, "code_count", QB_I64, 255, 0);
    check("roundtrip", &r, 8);
}

Test(report_sources, attribute)
{
    static const char *const combinations[] = {"none", "storage", "domain", "storage+domain"};
    static const char *const tensors[] = {"layers.0.mlp.up.weight", "layers.0.mlp.down.weight", "head.weight"};
    struct qb_record r = {0};
    put_texts(&r, "combination", combinations, 4);
    put_texts(&r, "swap_tensor", tensors, 3);
    reals(&r, "kl", QB_F64, 4, N);
    reals(&r, "swap_kl", QB_F64, 3, N);
    reals(&r, "all_kl", QB_F64, N, 0);
    groups(&r, "chunk");
    check("attribute", &r, 5);
}

Test(report_sources, choice)
{
    static const char *const lengths[] = {"choice_characters", "choice_bytes", "choice_tokens", "choice_occurrences"};
    enum { ITEMS = N / 4 };
    struct qb_record r = {0};
    int32_t each[N];
    for (size_t s = 0; s < sizeof lengths / sizeof *lengths; s++) {
        for (int i = 0; i < N; i++)
            each[i] = 1 + (int32_t)(draw() * 9);
        put(&r, lengths[s], QB_I32, N, 0, each);
    }
    for (int i = 0; i < N; i++)
        each[i] = i / 4;
    put(&r, "choice_item", QB_I32, N, 0, each);
    for (int i = 0; i < ITEMS; i++)
        each[i] = (int32_t)(draw() * 3.9);
    put(&r, "item_answer", QB_I32, ITEMS, 0, each);
    for (int i = 0; i < ITEMS; i++)
        each[i] = i / 100;
    put(&r, "item_subject", QB_I32, ITEMS, 0, each);
    for (int i = 0; i < ITEMS; i++)
        each[i] = i > 700;
    put(&r, "item_task", QB_I32, ITEMS, 0, each);
    reals(&r, "sum", QB_F64, N, 0);
    reals(&r, "reference_sum", QB_F64, N, 0);
    check("choice", &r, 25);
}

Test(report_sources, kv)
{
    static const char *const scalars[] = {"kv_bytes",     "kv_bytes_per_token", "kv_fp16_bytes_per_token",
                                          "held_bytes",   "reference_bytes",    "record_bytes",
                                          "states_bytes", "scratch_bytes",      "logits_bytes",
                                          "peak_rss",     "accounted_before",   "accounted_peak",
                                          "rss_before"};
    static const char *const layers[] = {"key_error", "value_error", "attention_error", NULL};
    struct qb_record r = {0};
    put_positions(&r);
    int32_t positions[N];
    for (int i = 0; i < N; i++)
        positions[i] = i % (N / CHUNKS) * 100;
    put(&r, "position", QB_I32, N, 0, positions);
    list(&r, layers, QB_F64, 4, 0);
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++)
        put_scalar(&r, scalars[i], 100000 + 1000 * (double)i);
    check("kv", &r, 30);
}

Test(report_sources, every_metric_names_arrays)
{
    for (const struct qb_metric *const *m = qb_metrics(); *m; m++)
        cr_expect_neq(*qb_metric_sources((*m)->experiment, (*m)->name), '\0', "%s %s names no arrays", (*m)->experiment,
                      (*m)->name);
}

/* A metric of a newer program has no arrays to name, and its cell's group is said instead. */
Test(report_sources, unknown_metrics_name_the_cell)
{
    struct qb_text out = {0};
    struct qb_cell cell = {.model = (char[]){"m"}, .variant = (char[]){"v"}, .experiment = (char[]){"other"}};
    qb_source_paths(&out, &cell, "x", " ");
    cr_expect_str_eq(out.data, "/cells/m/v/other/");
    qb_text_free(&out);
}
