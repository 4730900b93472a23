/* Sources of weights: every type's rows against a conversion of the test's own, one hash for equal values however they
 * are stored, and loading that leaves next to nothing behind. */
#include "registry_fixture.h"

#include "base/file.h"
#include "base/text.h"
#include "sanitized.h"
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

TestSuite(weights, .init = begin, .fini = end);

/* binary16: s eeeee ffffffffff, and its upper half of binary32 as bfloat16. */
static float half_value(uint16_t half)
{
    int field = half >> 10 & 31, fraction = half & 1023;
    double size = ldexp(field ? 1024 + fraction : fraction, (field ? field : 1) - 25);
    return (float)(half >> 15 ? -size : size);
}

static float bfloat_value(uint16_t bits)
{
    const uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

/* A file of these header entries, "," between, over bytes[size]. */
static const char *file_of(const char *name, const char *entries, const void *bytes, size_t size)
{
    struct qb_text file = {0};
    size_t length = strlen(entries) + 2, pad = (8 - length % 8) % 8;
    for (size_t i = 0; i < 8; i++)
        qb_text_bytes(&file, &(char){(char)((length + pad) >> (8 * i))}, 1);
    qb_text_add(&file, "{%s}%*s", entries, (int)pad, "");
    qb_text_bytes(&file, bytes, size);
    const char *path = scratch_write(name, file.data, file.size);
    qb_text_free(&file);
    return path;
}

#define ENTRY(name, type, shape, begin, end)                                                                           \
    "\"" name "\":{\"dtype\":\"" type "\",\"shape\":[" shape "],\"data_offsets\":[" begin "," end "]}"

/* The smallest model there is: a chain of one layer, vocab 4, hidden 4, with one type for its matrices. A file that is
 * open must not be written again: another name. */
static const char *chain_of(const char *name, const char *matrix_type, const void *embed, const void *up,
                            const void *head, size_t size)
{
    struct qb_text entries = {0};
    char bytes[3 * 64 + 16] = {0};
    memcpy(bytes, embed, size);
    memcpy(bytes + size, up, size);
    memcpy(bytes + 2 * size, head, size);
    qb_text_add(&entries, "\"__metadata__\":{\"architecture\":\"chain\"}");
    const char *const names[] = {"embed", "layers.0.mlp.up", "head"};
    for (size_t i = 0; i < 3; i++)
        qb_text_add(&entries, ",\"%s.weight\":{\"dtype\":\"%s\",\"shape\":[4,4],\"data_offsets\":[%zu,%zu]}", names[i],
                    matrix_type, i * size, (i + 1) * size);
    qb_text_add(&entries, "," ENTRY("layers.0.mlp.up.bias", "F32", "4", "%zu", "%zu"), 3 * size, 3 * size + 16);
    const char *path = file_of(name, entries.data, bytes, 3 * size + 16);
    qb_text_free(&entries);
    return path;
}

static struct qb_model *open_model(const char *path)
{
    struct qb_model *model = NULL;
    MUST(qb_model_open(path, registry, qb_cpu()->isa, &model, &err));
    return model;
}

/* Sixteen codes that are finite as binary16 and as bfloat16: both zeros, denormals, ones, the largest. */
static const uint16_t codes[16] = {0x0000, 0x8000, 0x0001, 0x8001, 0x03ff, 0x0400, 0x3c00, 0xbc00,
                                   0x7bff, 0xfbff, 0x3555, 0xc248, 0x2e66, 0x0123, 0x9876, 0x4001};

static void expect_rows(const struct qb_tensor *tensor, const char *codec, float (*value)(uint16_t))
{
    float x[8];
    cr_assert(tensor->format && strcmp(tensor->format->plugin->codec->id, codec) == 0, "%s", tensor->name);
    cr_expect(tensor->mapped && tensor->size == 32);
    for (size_t row = 0; row < 4; row += 2) {
        MUST(qb_tensor_rows(tensor, row, 2, x, &err));
        for (size_t i = 0; i < 8; i++) {
            const float due = value(codes[row * 4 + i]);
            cr_expect_eq(memcmp(&x[i], &due, sizeof due), 0, "%s, %04x: %.9g, not %.9g", codec, codes[row * 4 + i],
                         (double)x[i], (double)due);
        }
    }
}

Test(weights, tensors_of_16_bits_keep_their_format)
{
    struct qb_model *f16 = open_model(chain_of("a.safetensors", "F16", codes, codes, codes, 32));
    expect_rows(qb_model_named(f16, "layers.0.mlp.up.weight"), "fp16", half_value);
    struct qb_model *bf16 = open_model(chain_of("b.safetensors", "BF16", codes, codes, codes, 32));
    expect_rows(qb_model_named(bf16, "head.weight"), "bf16", bfloat_value);
    cr_expect_str_neq(f16->sha256, bf16->sha256);
    const struct qb_tensor *bias = qb_model_named(f16, "layers.0.mlp.up.bias");
    cr_expect(!bias->format && !bias->mapped && bias->size == 16, "a vector is FP32 in the model");
    qb_model_free(f16);
    qb_model_free(bf16);
}

Test(weights, equal_values_have_one_hash_in_every_type)
{
    float halves[16], bfloats[16];
    for (size_t i = 0; i < 16; i++) {
        halves[i] = half_value(codes[i]);
        bfloats[i] = bfloat_value(codes[i]);
    }
    struct qb_model *a = open_model(chain_of("c.safetensors", "F16", codes, codes, codes, 32));
    struct qb_model *b = open_model(chain_of("d.safetensors", "F32", halves, halves, halves, 64));
    struct qb_model *c = open_model(chain_of("e.safetensors", "BF16", codes, codes, codes, 32));
    struct qb_model *d = open_model(chain_of("f.safetensors", "F32", bfloats, bfloats, bfloats, 64));
    cr_expect_null(qb_model_named(b, "embed.weight")->format);
    cr_expect_str_eq(a->sha256, b->sha256);
    cr_expect_str_eq(c->sha256, d->sha256);
    MUST(qb_model_save(a, false, scratch_path("saved.safetensors"), &err));
    struct qb_model *saved = open_model(scratch_path("saved.safetensors"));
    cr_expect_str_eq(saved->sha256, a->sha256);
    MUST(qb_model_save(b, true, scratch_path("saved.safetensors"), &err));
    struct qb_model *halved = open_model(scratch_path("saved.safetensors"));
    cr_expect_str_eq(halved->sha256, a->sha256);
    struct qb_model *all[] = {a, b, c, d, saved, halved};
    for (size_t i = 0; i < 6; i++)
        qb_model_free(all[i]);
}

/* An F16 tensor of one value before an F32 tensor puts that at an odd place. */
Test(weights, misaligned_floats_are_read_by_the_plugin)
{
    const float x[2] = {1.5f, -0x1p-140f};
    char bytes[10] = {0, 0x3c};
    float out[2];
    struct qb_weights *weights = NULL;
    memcpy(bytes + 2, x, sizeof x);
    const char *path =
        file_of("odd.safetensors", ENTRY("a", "F16", "1", "0", "2") "," ENTRY("b", "F32", "2", "2", "10"), bytes, 10);
    MUST(qb_weights_open(path, &weights, &err));
    MUST(qb_weights_formats(weights, registry, qb_cpu()->isa, &err));
    const struct qb_source_tensor *b = qb_weights_find(weights, "b");
    cr_assert(b && b->format, "%p", b->bytes);
    cr_expect_str_eq(b->format->plugin->codec->id, "fp32");
    MUST(qb_decode(b->format, b->rows, b->cols, b->bytes, b->size, 0, 1, out, &err));
    cr_expect_eq(memcmp(out, x, sizeof x), 0);
    qb_weights_free(weights);
}

Test(weights, a_missing_plugin_is_named)
{
    static const char *const nowhere[] = {NULL};
    struct qb_registry *empty = NULL;
    struct qb_model *model = NULL;
    struct qb_error e = {0};
    const char *path = chain_of("g.safetensors", "BF16", codes, codes, codes, 32);
    MUST(qb_registry_open(nowhere, NULL, &empty, &err));
    cr_expect_eq(qb_model_open(path, empty, QB_ISA_PORTABLE, &model, &e), QB_ERR_INPUT);
    const char *const due[] = {".safetensors: ", "embed.weight", "BF16", "'bf16'"};
    for (size_t i = 0; i < 4; i++)
        cr_expect(strstr(e.message, due[i]), "'%s' lacks %s", e.message, due[i]);
    e = (struct qb_error){0};
    cr_expect_eq(qb_model_open(path, NULL, QB_ISA_PORTABLE, &model, &e), QB_ERR_INPUT);
    float x[16] = {1, 2, 3};
    MUST(qb_model_open(chain_of("h.safetensors", "F32", x, x, x, 64), NULL, QB_ISA_PORTABLE, &model, &err));
    qb_model_free(model);
    qb_registry_free(empty);
}

static void nonfinite(const char *type, const void *up, size_t size, const char *say)
{
    static const char zeros[64];
    struct qb_model *model = NULL;
    struct qb_error e = {0};
    const char *path = chain_of("chain.safetensors", type, zeros, up, zeros, size);
    const size_t live = qb_mem_stats().live_bytes;
    cr_expect_eq(qb_model_open(path, registry, qb_cpu()->isa, &model, &e), QB_ERR_INPUT, "%s", type);
    cr_expect(strstr(e.message, "chain.safetensors: tensor layers.0.mlp.up.weight: ") && strstr(e.message, say),
              "%s: '%s' lacks '%s'", type, e.message, say);
    cr_expect_eq(qb_mem_stats().live_bytes, live, "leak");
}

Test(weights, nan_and_infinite_values_are_refused_by_place)
{
    float f32[16] = {[6] = INFINITY}, nan[16] = {[0] = NAN, [1] = NAN, [14] = -NAN};
    const uint16_t f16[16] = {[7] = 0x7c00, [8] = 0xfc00, [15] = 0x7e00}, bf16[16] = {[9] = 0xff80};
    nonfinite("F32", f32, 64, "0 NaN, 1 infinite of 16 values, the first at [1, 2]");
    nonfinite("F32", nan, 64, "3 NaN, 0 infinite of 16 values, the first at [0, 0]");
    nonfinite("F16", f16, 32, "1 NaN, 2 infinite of 16 values, the first at [1, 3]");
    nonfinite("BF16", bf16, 32, "0 NaN, 1 infinite of 16 values, the first at [2, 1]");
}

Test(weights, what_f16_cannot_hold_is_counted)
{
    const float up[16] = {65519.996f, 65520, -65504, -1e30f, [15] = 7e4f}, zeros[16] = {0};
    struct qb_model *model = open_model(chain_of("beyond.safetensors", "F32", zeros, up, zeros, 64));
    cr_expect_eq(qb_model_named(model, "layers.0.mlp.up.weight")->beyond_f16, 3);
    cr_expect_eq(qb_model_named(model, "embed.weight")->beyond_f16, 0);
    qb_model_free(model);
}

/* 64 MB of F16 in a chain of 2 x 16 M values, written sparse. */
Test(weights, loading_leaves_next_to_nothing_behind)
{
    const size_t mb = (size_t)1 << 20;
    struct qb_model *model = NULL;
    const char *path = file_of(
        "large.safetensors",
        "\"__metadata__\":{\"architecture\":\"chain\"}," ENTRY(
            "embed.weight", "F16", "16000,1000", "0",
            "32000000") "," ENTRY("layers.0.mlp.up.weight", "F16", "1000,1000", "32000000",
                                  "34000000") "," ENTRY("layers.0.mlp.up.bias", "F16", "1000", "34000000",
                                                        "34002000") "," ENTRY("head.weight", "F16", "16000,1000",
                                                                              "34002000", "66002000"),
        "", 0);
    struct qb_map map;
    MUST(qb_file_map(path, &map, &err));
    cr_assert_eq(truncate(path, (off_t)map.size + 66002000), 0);
    qb_file_unmap(&map);
    qb_model_free(
        open_model(chain_of("i.safetensors", "F16", codes, codes, codes, 32))); /* what every first model costs */
    const size_t live = qb_mem_stats().live_bytes, before = qb_rss_bytes(), peak = qb_peak_rss_bytes();
    MUST(qb_model_open(path, registry, qb_cpu()->isa, &model, &err));
    cr_expect_lt(qb_mem_stats().live_bytes - live, mb / 4, "accounted: %zu", qb_mem_stats().live_bytes - live);
    cr_expect_lt(qb_mem_stats().peak_bytes - live, 2 * mb, "accounted at most: %zu", qb_mem_stats().peak_bytes - live);
    if (!QB_SANITIZED) {
        cr_expect_lt(qb_rss_bytes(), before + 8 * mb, "resident: %zu MB more", (qb_rss_bytes() - before) / mb);
        cr_expect_lt(qb_peak_rss_bytes(), peak + 16 * mb, "peak: %zu MB more", (qb_peak_rss_bytes() - peak) / mb);
    }
    qb_model_free(model);
}

Test(weights, dropped_pages_of_generated_weights_come_back)
{
    struct qb_model *model = support_model("transformer", 600, 64, 2, 9);
    const struct qb_tensor *embed = &model->tensors[0];
    float *copy = qb_alloc(embed->rows * embed->cols, sizeof *copy, "test", &err);
    MUST(qb_tensor_rows(embed, 0, embed->rows, copy, &err));
    cr_expect(embed->mapped && copy[0] != 0);
    qb_map_drop(embed->bytes, embed->size);
    cr_expect_eq(memcmp(embed->bytes, copy, embed->size), 0);
    qb_free(copy);
    qb_model_free(model);
}
