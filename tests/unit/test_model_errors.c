/* Malformed model files: each is refused with the message of docs/model-errors.md, and nothing leaks. The page is
 * written by QB_PAGE=docs/model-errors.md build/tests/unit/test_model_errors; read it before it is committed. */
#include "malformed_files.h"

#include <jansson.h>
#include <sys/stat.h>
#include "base/file.h"

static void begin(void)
{
    registry_begin();
    scratch_begin();
}

static void end(void)
{
    registry_end();
    scratch_end();
    qb_text_free(&page);
}

TestSuite(model_errors, .init = begin, .fini = end);

/* ---- models ---- */

/* The good llama as GGUF but for one assignment, and four bytes put at `at` of the data, or none where it is beyond. */
static void llama(const char *what, const struct gguf_file *file, size_t at, uint32_t value)
{
    struct qb_text bytes = {0};
    const struct gguf_places places = gguf_write(file, &bytes);
    for (size_t i = 0; i < 4 && at < file->data; i++)
        bytes.data[places.data + at + i] = (char)(value >> (8 * i));
    refused(what, scratch_write("m.gguf", bytes.data, bytes.size));
    qb_text_free(&bytes);
}

#define LLAMA(what, change)                                                                                            \
    do {                                                                                                               \
        char own[GGUF_MOST][64];                                                                                       \
        struct gguf_file f = gguf_llama(own);                                                                          \
        change;                                                                                                        \
        llama(what, &f, SIZE_MAX, 0);                                                                                  \
    } while (0)
#define RENAME(tensor, text) (f.tensors[tensor].name = text, f.tensors[tensor].name_size = sizeof text - 1)

static void gguf_models(void)
{
    char names[GGUF_MOST][64];
    const struct gguf_file good = gguf_llama(names);
    struct qb_text bytes = {0};
    struct qb_model *model = NULL;
    gguf_write(&good, &bytes);
    MUST(qb_model_open(scratch_write("m.gguf", bytes.data, bytes.size), registry, QB_ISA_PORTABLE, &model, &err));
    qb_model_free(model);
    qb_text_free(&bytes);
    LLAMA("no architecture", f.pairs[0].key = "general.architectura");
    LLAMA("an architecture that is not known", VALUE(0, "\5\0\0\0\0\0\0\0mamba"));
    LLAMA("no width", f.pairs[2].key = "llama.embedding_lengtj");
    LLAMA("another width than the tensors'", VALUE(2, "\10\0\0\0"));
    LLAMA("more layers than tensors", VALUE(1, "\2\0\0\0"));
    LLAMA("2^32 - 1 layers", VALUE(1, "\xff\xff\xff\xff"));
    LLAMA("no head", VALUE(4, "\0\0\0\0"));
    LLAMA("heads that do not share heads of keys", VALUE(5, "\3\0\0\0"));
    LLAMA("an epsilon of 0", VALUE(7, "\0\0\0\0"));
    LLAMA("no tensors", (f.tensor_count = 0, f.tensors[0].name = NULL, f.data = 0));
    LLAMA("a missing tensor", RENAME(3, "blk.0.attn_z.weight"));
    LLAMA("a tensor of another layer", RENAME(3, "blk.7.attn_k.weight"));
    LLAMA("a tensor that the architecture has not",
          (f.tensors[11] = (struct gguf_tensor){GGUF_KEY_SIZE("blk.0.attn_q.bios"), 1, {4}, 0, f.data + 16},
           f.tensor_count++, f.data += 32));
    LLAMA("a tensor of another shape", (f.tensors[2].dims[0] = 2, f.tensors[2].dims[1] = 8));
    llama("a weight that is NaN", &good, 40, 0x7fc00000);
    llama("a weight that is infinite", &good, 4, 0xff800000);
}

/* The good llama as a folder, but for `what` of its config or header, which becomes `by`. */
static void folder_model(const char *name, const char *what, const char *by, uint8_t fill)
{
    struct qb_text texts[2] = {{0}, {0}}, bytes = {0};
    const char *from[2] = {LLAMA_CONFIG, NULL};
    struct qb_text header = {0};
    const size_t data = llama_header(&header);
    from[1] = header.data;
    for (size_t i = 0; i < 2; i++) {
        const char *at = *what ? strstr(from[i], what) : NULL;
        const size_t before = at ? (size_t)(at - from[i]) : strlen(from[i]);
        qb_text_bytes(&texts[i], from[i], before);
        qb_text_add(&texts[i], "%s%s", at ? by : "", at ? at + strlen(what) : "");
    }
    folder(texts[0].data, NULL);
    safetensors_put(&bytes, texts[1].data, data, fill);
    scratch_write("model.safetensors", bytes.data, bytes.size);
    struct qb_model *model = NULL;
    if (name)
        refused(name, scratch_folder);
    else
        MUST(qb_model_open(scratch_folder, registry, QB_ISA_PORTABLE, &model, &err));
    qb_model_free(model);
    qb_text_free(&texts[0]);
    qb_text_free(&texts[1]);
    qb_text_free(&header);
    qb_text_free(&bytes);
}

static void folder_models(void)
{
    folder_model(NULL, "", "", 0);
    refused("its model.safetensors opened without the folder", scratch_path("model.safetensors"));
    folder_model("no model_type", "\"model_type\":\"llama\",", "", 0);
    folder_model("a model_type that is not known", "\"llama\"", "\"rwkv\"", 0);
    folder_model("a width that is a text", "\"hidden_size\":4", "\"hidden_size\":\"4\"", 0);
    folder_model("a width below 0", "\"hidden_size\":4", "\"hidden_size\":-4", 0);
    folder_model("another width than the tensors'", "\"hidden_size\":4", "\"hidden_size\":8", 0);
    folder_model("an activation that is not known", "\"silu\"", "\"swish2\"", 0);
    folder_model("heads that do not divide the width", "heads\":2", "heads\":3", 0);
    folder_model("an option that would change numbers", "\"vocab", "\"num_experts\":8,\"vocab", 0);
    folder_model("a missing tensor", "self_attn.k_proj", "self_attn.k_broj", 0);
    folder_model("a missing head", "embeddings\":true", "embeddings\":false", 0);
    folder_model("a tensor of another shape", "[6,4]", "[4,6]", 0);
    folder_model("a weight of a type that is not read", "\"F32\",\"shape\":[5,4]", "\"I32\",\"shape\":[5,4]", 0);
    folder_model("a dtype that safetensors has not", "\"F32\",\"shape\":[5,4]", "\"F33\",\"shape\":[5,4]", 0);
    folder_model("weights that are NaN", "", "", 0xff);
}

Test(model_errors, malformed_files_get_the_messages_of_the_page)
{
    const char *to = getenv("QB_PAGE");
    char *due = NULL;
    size_t size;
    qb_text_add(&page, "# Malformed model files and the messages they get\n\nWritten and held by "
                       "`tests/unit/test_model_errors.c`. Status: input, exit code 2.\n");
    section("GGUF");
    gguf_prefixes();
    gguf_metadata();
    gguf_tensors();
    section("safetensors");
    safetensors_all();
    section("Encoded tensors in safetensors");
    encoded_all();
    section("Hugging Face folders");
    folders_all();
    section("Models as GGUF");
    gguf_models();
    section("Models as Hugging Face folders");
    folder_models();
    if (to)
        MUST(qb_file_replace(to, page.data, page.size, &err));
    MUST(qb_file_read("docs/model-errors.md", 1 << 20, &due, &size, &err));
    for (const char *a = page.data, *b = due; *a || *b;) {
        const size_t m = strcspn(a, "\n"), n = strcspn(b, "\n");
        cr_assert(m == n && memcmp(a, b, n) == 0, "docs/model-errors.md:\n%.*s\nbut it is\n%.*s", (int)n, b, (int)m, a);
        a += m + (a[m] == '\n');
        b += n + (b[n] == '\n');
    }
    qb_free(due);
}

/* The index decides where a tensor is taken from; what it leaves aside is no error. */
Test(model_errors, a_superseded_duplicate_is_legal)
{
    struct qb_weights *weights = NULL;
    MUST(qb_weights_open(folder("{\"model_type\":\"x\"}", MAP("\"b\":\"two.safetensors\",\"a\":\"one.safetensors\"")),
                         &weights, &err));
    cr_expect_eq(qb_weights_source(weights), QB_SOURCE_HUGGINGFACE);
    cr_expect_eq(qb_weights_count(weights), 2);
    cr_expect_eq(qb_weights_find(weights, "b")->cols, 2);
    cr_expect_str_eq(json_string_value(json_object_get(qb_weights_config(weights), "model_type")), "x");
    MUST(qb_weights_unchanged(weights, &err));
    struct stat info[2];
    cr_assert(stat(scratch_path("one.safetensors"), &info[0]) == 0 &&
              stat(scratch_path("two.safetensors"), &info[1]) == 0);
    cr_expect_eq(qb_weights_bytes(weights), (size_t)(info[0].st_size + info[1].st_size));
    safetensors_write("two.safetensors", "{" ENTRY("b", "F32", "2", "0", "8") "} ", 8);
    cr_expect_eq(qb_weights_unchanged(weights, &err), QB_ERR_INPUT);
    cr_expect(strstr(err.message, "two.safetensors"), "%s", err.message);
    err = (struct qb_error){0};
    qb_weights_free(weights);
}

/* GPT-2's masks lie among the weights, of whatever type the file's writer had. */
Test(model_errors, masks_of_a_type_that_nothing_reads_are_legal)
{
    char *old = NULL;
    size_t size;
    struct qb_text header = {0}, bytes = {0};
    struct qb_model *model = NULL;
    MUST(qb_file_copy("tests/golden/families/gpt2/config.json", scratch_path("config.json"), &err));
    MUST(qb_file_read("tests/golden/families/gpt2/model.safetensors", 1 << 20, &old, &size, &err));
    const size_t length = (uint8_t)old[0] | (size_t)(uint8_t)old[1] << 8, data = size - 8 - length;
    qb_text_add(&header, "{" ENTRY("transformer.h.0.attn.bias", "BOOL", "1,1,4,4", "%zu", "%zu") ",", data, data + 16);
    qb_text_bytes(&header, old + 9, length - 1);
    put_text(&bytes, header.data, header.size);
    qb_text_bytes(&bytes, old + 8 + length, data);
    for (size_t i = 0; i < 16; i++)
        put(&bytes, 1, 1);
    scratch_write("model.safetensors", bytes.data, bytes.size);
    MUST(qb_model_open(scratch_folder, registry, QB_ISA_PORTABLE, &model, &err));
    cr_expect_str_eq(model->arch.name, "gpt2");
    qb_model_free(model);
    qb_text_free(&header);
    qb_text_free(&bytes);
    qb_free(old);
}
