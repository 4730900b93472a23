/* A variant's `otherwise`: which format stores a tensor, by its shape alone, and who says so. Block sizes are those of
 * GGML_QUANT_SIZES in the Python package gguf: Q4_K 256 values in 144 bytes, Q5_0 32 in 22. */
#include "unit/experiment_bench.h"
#include "base/rng.h"
#include "compute/linear.h"
#include "model/effect.h"
#include "registry_fixture.h"

TestSuite(otherwise, .init = fixture_begin, .fini = fixture_end);

#define QKV (QB_ROLE_ATTN_Q | QB_ROLE_ATTN_K | QB_ROLE_ATTN_V)
enum { ROWS = 12 };

/* Random weights of ROWS x cols. */
static struct qb_matrix matrix_of(float *w, size_t cols)
{
    struct qb_rng rng;
    qb_rng_seed(&rng, 7);
    qb_rng_normal(&rng, 0.0f, 0.02f, w, ROWS * cols);
    return (struct qb_matrix){.name = "layers.0.attn.qkv.weight",
                              .roles = QKV,
                              .rows = ROWS,
                              .cols = cols,
                              .bytes = w,
                              .size = ROWS * cols * sizeof *w};
}

/* One segment in that codec, its bytes those that the plain variant of the codec has. */
static void expect_stored(const struct qb_variant *v, size_t cols, const char *codec, size_t bytes)
{
    float w[ROWS * 512];
    const struct qb_matrix matrix = matrix_of(w, cols);
    char text[64];
    struct qb_linear *l[2];
    snprintf(text, sizeof text, "{codec: %s, placement: ['*']}", codec);
    struct qb_variant *plain = variant_of(text);
    MUST(qb_linear_create(v, &matrix, NULL, &l[0], &err));
    MUST(qb_linear_create(plain, &matrix, NULL, &l[1], &err));
    cr_assert_eq(qb_linear_segments(l[0]), 1);
    struct qb_segment_info mine = qb_linear_segment(l[0], 0), due = qb_linear_segment(l[1], 0);
    cr_expect_str_eq(mine.store, codec, "%zu columns", cols);
    cr_assert_eq(mine.bytes, bytes, "%zu columns: %zu bytes", cols, mine.bytes);
    cr_assert_eq(due.bytes, bytes);
    cr_expect_eq(memcmp(mine.encoded, due.encoded, bytes), 0, "%zu columns", cols);
    qb_linear_free(l[0]);
    qb_linear_free(l[1]);
    qb_variant_free(plain);
}

Test(otherwise, the_shape_alone_decides)
{
    registry_begin();
    struct qb_variant *v = support_variant(registry, "q4_k");
    expect_stored(v, 64, "q5_0", ROWS * 2 * 22);
    expect_stored(v, 256, "q4_k", ROWS * 144);
    expect_stored(v, 288, "q5_0", ROWS * 9 * 22);
    expect_stored(v, 512, "q4_k", ROWS * 2 * 144);
    qb_variant_free(v);
    v = variant_of("{codec: q4_k, otherwise: {codec: int8, options: {scope: row}}, placement: ['*']}");
    cr_expect(strstr(v->canonical, "otherwise=int8/") && strstr(v->canonical, "scope=row"), "%s", v->canonical);
    float w[ROWS * 40];
    const struct qb_matrix odd = matrix_of(w, 40);
    struct qb_linear *l;
    MUST(qb_linear_create(v, &odd, NULL, &l, &err));
    cr_expect_eq(qb_linear_segment(l, 0).bytes, ROWS * (40 + 4), "a byte a value, a scale of 4 bytes a row");
    qb_linear_free(l);
    qb_variant_free(v);
    registry_end();
}

/* What calibration keeps in FP16 stays so; the other row blocks fall back. */
Test(otherwise, row_blocks_kept_in_fp16_stay)
{
    registry_begin();
    struct qb_variant *v = variant_of("{base: q4_k, calibration: {fp16: [attn.q]}}");
    float w[ROWS * 64];
    const struct qb_matrix matrix = matrix_of(w, 64);
    struct qb_linear *l;
    MUST(qb_linear_create(v, &matrix, NULL, &l, &err));
    cr_assert_eq(qb_linear_segments(l), 3);
    cr_expect_str_eq(qb_linear_segment(l, 0).store, "fp16");
    cr_expect_str_eq(qb_linear_segment(l, 1).store, "q5_0");
    cr_expect_eq(qb_linear_segment(l, 2).bytes, ROWS / 3 * 2 * 22);
    qb_linear_free(l);
    qb_variant_free(v);
    registry_end();
}

Test(otherwise, what_neither_takes_is_the_codecs_error)
{
    registry_begin();
    static const char *const texts[] = {"base: q4_k", "{codec: q4_k, placement: ['*']}"};
    for (size_t i = 0; i < 2; i++) {
        struct qb_variant *v = variant_of(texts[i]);
        float w[ROWS * 40];
        const struct qb_matrix matrix = matrix_of(w, i ? 64 : 40);
        struct qb_linear *l = NULL;
        struct qb_error e = {0};
        cr_expect_eq(qb_linear_create(v, &matrix, NULL, &l, &e), QB_ERR_INPUT);
        cr_expect(strstr(e.message, "'q4_k'") && strstr(e.message, "UNSUPPORTED"), "%s", e.message);
        qb_variant_free(v);
    }
    registry_end();
}

/* Content keys, baselines and the names of variants hang on this text: it is what programs before the key wrote. */
Test(otherwise, a_variant_without_it_is_what_it_was)
{
    static const char all[] = "placement=attn.q+attn.k+attn.v+attn.o+mlp.gate+mlp.up+mlp.down+embed+head";
    static const char *const names[] = {"q8_0", "q4_0", "fp16", "iq4_nl"};
    char due[256];
    registry_begin();
    for (size_t i = 0; i < 4; i++) {
        struct qb_variant *v = support_variant(registry, names[i]);
        snprintf(due, sizeof due, "variant %s codec=%s/%s() path=decode cache=0 %s", names[i], names[i],
                 v->weights.plugin->codec->version, all);
        cr_expect_str_eq(v->canonical, due);
        qb_variant_free(v);
    }
    struct qb_variant *with = support_variant(registry, "q4_k"), *without, *other;
    without = variant_of("{codec: q4_k, placement: ['*']}");
    other = variant_of("{codec: q4_k, otherwise: q5_1, placement: ['*']}");
    cr_expect_null(without->otherwise.plugin);
    cr_expect_null(strstr(without->canonical, "otherwise"));
    cr_expect(strstr(with->canonical, " otherwise=q5_0/"), "%s", with->canonical);
    cr_expect(strstr(other->canonical, " otherwise=q5_1/"), "%s", other->canonical);
    qb_variant_free(with);
    qb_variant_free(without);
    qb_variant_free(other);
    with = variant_of("{codec: fp16, otherwise: q5_0, placement: ['*']}");
    cr_expect_eq(qb_variant_floor(with), QB_FLOOR_NONE, "a floor stores all alike");
    cr_expect_eq(qb_floor_of_definition(with->canonical), QB_FLOOR_NONE);
    qb_variant_free(with);
    registry_end();
}

/* It belongs to the codec, as options do. */
Test(otherwise, a_base_gives_it_with_its_codec_alone)
{
    registry_begin();
    struct qb_variant *v = variant_of("{base: q4_k, placement: [head]}");
    cr_assert_not_null(v->otherwise.plugin);
    cr_expect_str_eq(v->otherwise.plugin->codec->id, "q5_0");
    qb_variant_free(v);
    v = variant_of("{base: q4_k, codec: q6_k}");
    cr_expect_null(v->otherwise.plugin);
    qb_variant_free(v);
    v = variant_of("{base: q4_k, codec: q6_k, otherwise: q8_0}");
    cr_assert_not_null(v->otherwise.plugin);
    cr_expect_str_eq(v->otherwise.plugin->codec->id, "q8_0");
    qb_variant_free(v);
    registry_end();
}

/* llama.cpp's choice a type (tensor_type_fallback of src/llama-quant.cpp). */
Test(otherwise, the_shipped_ones_fall_back_as_llama_cpp_does)
{
    static const char *const due[][2] = {{"q2_k", "q4_0"}, {"q3_k", "q4_0"}, {"q4_k", "q5_0"},
                                         {"q5_k", "q5_1"}, {"q6_k", "q8_0"}, {"iq4_xs", "iq4_nl"}};
    registry_begin();
    for (size_t i = 0; i < sizeof due / sizeof *due; i++) {
        struct qb_variant *v = support_variant(registry, due[i][0]);
        cr_assert_not_null(v->otherwise.plugin, "%s", due[i][0]);
        cr_expect_str_eq(v->otherwise.plugin->codec->id, due[i][1]);
        qb_variant_free(v);
    }
    registry_end();
}

static void refused(const char *text, const char *say)
{
    struct qb_yaml *root = NULL;
    struct qb_variant *v = NULL;
    const size_t live = qb_mem_stats().live_bytes;
    err = (struct qb_error){0};
    MUST(qb_yaml_parse(text, strlen(text), "my.yaml", &root, &err));
    cr_expect_eq(qb_variant_read(root, "mine", registry, QB_ISA_PORTABLE, &v, &err), QB_ERR_INPUT, "%s", text);
    cr_expect(strstr(err.message, say) && strstr(err.message, "my.yaml:1"), "'%s' lacks '%s'", err.message, say);
    qb_yaml_free(root);
    cr_expect_eq(qb_mem_stats().live_bytes, live, "leak: %s", text);
}

Test(otherwise, mistakes_are_named)
{
    registry_begin();
    refused("{codec: q4_k, otherwise: q5_9, placement: ['*']}", "no codec 'q5_9'");
    refused("{codec: q4_k, otherwise: {options: {}}, placement: ['*']}", "expected a codec");
    refused("{codec: q4_k, otherwise: {codec: int8, scope: row}, placement: ['*']}", "scope");
    refused("{codec: q4_k, otherwise: {codec: int8, options: {scop: row}}, placement: ['*']}", "scop");
    refused("{codec: q4_k, otherwise: [int8], placement: ['*']}", "text");
    refused("{codec: int8, otherwise: q5_0, path: domain, placement: ['*']}", "only path: decode");
    refused("{otherwise: q5_0}", "without a codec");
    registry_end();
}

/* H = 64, V = 100, 2 layers: qkv 192, out 64 and up 256 rows of 64, down 64 rows of 256, head and embedding one matrix
 * of 100 rows of 64. In Q4_K: down, 2 x 16384; in Q5_0: 2 x 32768 + 6400 in 7 matrices. */
enum { OWN = 2 * 16384, OTHER = 2 * 32768 + 6400 };
#define SUITE(experiment)                                                                                              \
    "name: s\nmodels:\n"                                                                                               \
    "  m: {generator: transformer, vocab: 100, hidden: 64, layers: 2, prompt: {random: 6, seed: 1}}\n"                 \
    "variants: [q4_k, q5_0]\nexperiments: {" experiment "}\n"

Test(otherwise, an_effect_counts_both_formats)
{
    struct bench b = bench_open(SUITE("memory: {}"), 0);
    struct qb_effect effect = {0};
    struct qb_error e = {0};
    cr_assert_eq(qb_effect_of(b.model, b.suite->variants[0], true, &effect, &e), QB_OK, "%s", e.message);
    cr_expect(effect.tensors == 9 && effect.weights == OWN + OTHER);
    cr_expect(effect.codec_tensors == 2 && effect.codec_weights == OWN);
    cr_expect(effect.otherwise_tensors == 7 && effect.otherwise_weights == OTHER);
    cr_expect_str_eq(effect.codec, "q4_k");
    cr_expect_str_eq(effect.otherwise, "q5_0");
    cr_expect_eq(effect.bytes, OWN / 256 * 144 + OTHER / 32 * 22);
    qb_effect_free(&effect);
    cr_assert_eq(qb_effect_of(b.model, b.suite->variants[1], true, &effect, &e), QB_OK, "%s", e.message);
    cr_expect(!effect.otherwise && !effect.codec && effect.codec_weights == 0 && effect.otherwise_tensors == 0);
    qb_effect_free(&effect);
    bench_close(&b);
}

static int64_t sum_of(const struct qb_record *record, const char *name, const char *of, const char *wanted)
{
    const struct qb_array *values = qb_record_get(record, name, QB_I64, 1), *by = qb_record_get(record, of, QB_TEXT, 1);
    cr_assert(values && by && values->count == by->count, "%s", name);
    int64_t sum = 0;
    for (size_t i = 0; i < by->count; i++)
        sum += strcmp(((char **)by->data)[i], wanted) == 0 ? ((const int64_t *)values->data)[i] : 0;
    return sum;
}

Test(otherwise, memory_counts_the_bytes_of_both)
{
    struct bench b = bench_open(SUITE("memory: {}"), 0);
    struct qb_record record = {0};
    bench_run(&b, 0, &record);
    cr_expect_eq(sum_of(&record, "values", "store", "q4_k"), OWN);
    cr_expect_eq(sum_of(&record, "bytes", "store", "q4_k"), OWN / 256 * 144);
    cr_expect_eq(sum_of(&record, "values", "store", "q5_0"), OTHER);
    cr_expect_eq(sum_of(&record, "bytes", "store", "q5_0"), OTHER / 32 * 22);
    qb_record_free(&record);
    bench_close(&b);
}

Test(otherwise, roundtrip_measures_each_tensor_as_it_is_stored)
{
    struct bench b = bench_open(SUITE("roundtrip: {}"), 0);
    struct qb_record mixed = {0}, plain = {0};
    bench_run(&b, 0, &mixed);
    bench_run(&b, 1, &plain);
    const struct qb_array *names = qb_record_get(&mixed, "tensor", QB_TEXT, 1);
    const struct qb_array *values = qb_record_get(&mixed, "tensor_values", QB_I64, 1);
    const struct qb_array *otherwise = qb_record_get(&mixed, "tensor_otherwise_values", QB_I64, 1);
    const struct qb_array *hashes[2] = {qb_record_get(&mixed, "encoded_sha256", QB_TEXT, 1),
                                        qb_record_get(&plain, "encoded_sha256", QB_TEXT, 1)};
    cr_assert(names->count == 9 && otherwise && otherwise->count == 9 && hashes[1]->count == 9);
    for (size_t i = 0; i < 9; i++) {
        const char *name = ((char **)names->data)[i];
        const bool down = strstr(name, ".down.") != NULL;
        cr_expect_eq(((const int64_t *)otherwise->data)[i], down ? 0 : ((const int64_t *)values->data)[i], "%s", name);
        cr_expect_eq(strcmp(((char **)hashes[0]->data)[i], ((char **)hashes[1]->data)[i]) == 0, !down, "%s", name);
    }
    cr_expect_null(qb_record_get(&plain, "tensor_otherwise_values", QB_I64, 1), "the variant has none");
    qb_record_free(&mixed);
    qb_record_free(&plain);
    bench_close(&b);
}
