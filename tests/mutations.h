/* Valid model files, mutated: whatever stands in them, opening and reading them ends in a status, with nothing leaked.
 * Run under the sanitizers by `make asan`. */
#ifndef QB_TEST_MUTATIONS_H
#define QB_TEST_MUTATIONS_H

#include "registry_fixture.h"

#include "base/file.h"
#include "base/rng.h"
#include "base/text.h"
#include "model_files.h"
#include "mutate.h"
#include "readers.h"
#include "unit/scratch.h"

#define ROOM_MAX ((size_t)16 << 20) /* of one buffer: no header may ask for more than its small file justifies */

/* Opens what is at path and reads all of it; e: why it is refused. */
typedef void try_fn(const char *path, struct qb_error *e);

static void try_weights(const char *path, struct qb_error *e)
{
    read_weights(path, registry, e);
}

static void try_model(const char *path, struct qb_error *e)
{
    read_model(path, registry, e);
}

/* Mutates `file` (in `path` itself where that is a folder) `count` times. A run in which none is accepted, or all, has
 * tested nothing. */
static void mutate_file(const char *path, const char *file, try_fn *try, size_t count, uint32_t seed)
{
    char *good = NULL, full[PATH_MAX];
    size_t good_size = 0, accepted = 0;
    struct qb_rng rng;
    snprintf(full, sizeof full, "%s%s%s", path, *file ? "/" : "", file);
    MUST(qb_file_read(full, 1 << 20, &good, &good_size, &err));
    uint8_t *bytes = calloc(1, good_size + 64 * 5);
    qb_rng_seed(&rng, seed);
    for (size_t i = 0; i < count; i++) {
        struct qb_error e = {0};
        size_t size = good_size;
        memcpy(bytes, good, size);
        for (size_t edits = 1 + below(&rng, 4); edits > 0; edits--)
            mutate(&rng, bytes, &size);
        cr_assert_eq(unlink(full), 0);
        FILE *out = fopen(full, "wb");
        cr_assert(out && fwrite(bytes, 1, size, out) == size && fclose(out) == 0);
        const size_t live = qb_mem_stats().live_bytes;
        qb_mem_limit(ROOM_MAX);
        try(path, &e);
        qb_mem_limit(0);
        accepted += e.status == QB_OK;
        cr_assert_neq(e.status, QB_ERR_MEMORY, "mutation %zu of %s: %s", i, full, e.message);
        cr_assert_eq(qb_mem_stats().live_bytes, live, "mutation %zu of %s: leak", i, full);
    }
    cr_expect(accepted > 0 && accepted < count, "%s: %zu of %zu accepted", full, accepted, count);
    MUST(qb_file_replace(full, good, good_size, &err));
    free(bytes);
    qb_free(good);
}

static const char *header_file(const char *name, const char *header, size_t data)
{
    struct qb_text bytes = {0};
    put_text(&bytes, header, strlen(header));
    for (size_t i = 0; i < data; i++)
        put(&bytes, i % 60, 1);
    const char *path = scratch_write(name, bytes.data, bytes.size);
    qb_text_free(&bytes);
    return path;
}

static void mutate_gguf(size_t count)
{
    char names[GGUF_MOST][64];
    const struct gguf_file files[] = {gguf_good(), gguf_llama(names)};
    for (size_t i = 0; i < 2; i++) {
        struct qb_text bytes = {0};
        gguf_write(&files[i], &bytes);
        mutate_file(scratch_write("m.gguf", bytes.data, bytes.size), "", i == 1 ? try_model : try_weights, count / 2,
                    1 + 10 * (uint32_t)i);
        qb_text_free(&bytes);
    }
}

static void mutate_safetensors(size_t count)
{
    struct qb_model *model = support_model("chain", 20, 8, 1, 2);
    const char *path = scratch_path("m.safetensors");
    MUST(qb_model_save(model, true, path, &err));
    qb_model_free(model);
    mutate_file(path, "", try_model, count, 2);
}

static void mutate_encoded(size_t count)
{
    mutate_file(header_file("e.safetensors",
                            "{\"__metadata__\":{\"encoded.a\":\"{\\\"codec\\\":\\\"int8\\\",\\\"version\\\":\\\"1\\\","
                            "\\\"shape\\\":[8,2],\\\"options\\\":\\\"{scope: tensor}\\\"}\"}," ENTRY(
                                "a", "U8", "20", "0", "20") "," ENTRY("b", "BF16", "3", "20", "26") "}",
                            26),
                "", try_weights, count, 3);
}

static void mutate_folder(size_t count)
{
    static const char *const files[] = {"config.json", "model.safetensors.index.json", "one.safetensors",
                                        "two.safetensors"};
    struct qb_text header = {0}, index = {0};
    const size_t data = llama_header(&header);
    qb_text_add(&index, "{\"weight_map\":{");
    for (size_t i = 0; i < sizeof llama_tensors / sizeof *llama_tensors; i++)
        qb_text_add(&index, "%s\"%s.weight\":\"%s.safetensors\"", i ? "," : "", llama_tensors[i].hf,
                    strcmp(llama_tensors[i].hf, "model.norm") == 0 ? "two" : "one");
    qb_text_add(&index, "}}");
    scratch_write("config.json", LLAMA_CONFIG, strlen(LLAMA_CONFIG));
    scratch_write("model.safetensors.index.json", index.data, index.size);
    header_file("one.safetensors", header.data, data);
    header_file("two.safetensors", "{" ENTRY("model.norm.weight", "F32", "4", "0", "16") "}", 16);
    for (size_t i = 0; i < 4; i++)
        mutate_file(scratch_folder, files[i], try_model, count / 4, 4 + (uint32_t)i);
    qb_text_free(&header);
    qb_text_free(&index);
}

#endif
