/* Rows of docs/model-errors.md: files that are no GGUF, no safetensors, no Hugging Face folder. */
#ifndef QB_TEST_MALFORMED_FILES_H
#define QB_TEST_MALFORMED_FILES_H

#include "model_files.h"
#include "registry_fixture.h"
#include "scratch.h"

static struct qb_text page;

/* A row of the page: what opening the path says, without the scratch folder's name. */
static void refused(const char *what, const char *path)
{
    struct qb_model *model = NULL;
    struct qb_error e = {0};
    const size_t live = qb_mem_stats().live_bytes;
    cr_expect_eq(qb_model_open(path, registry, QB_ISA_PORTABLE, &model, &e), QB_ERR_INPUT, "%s: status %d", what,
                 e.status);
    cr_expect_eq(qb_mem_stats().live_bytes, live, "%s: leak", what);
    qb_text_add(&page, "| %s | `", what);
    for (const char *at = e.message, *next; *at; at = next) {
        next = strstr(at, scratch_folder);
        next = next ? next : at + strlen(at);
        qb_text_bytes(&page, at, (size_t)(next - at));
        const size_t skip = *next ? strlen(scratch_folder) : 0;
        if (skip && next[skip] != '/')
            qb_text_add(&page, "FOLDER");
        next += skip + (skip && next[skip] == '/');
    }
    qb_text_add(&page, "` |\n");
}

static void section(const char *name)
{
    qb_text_add(&page, "\n## %s\n\n| input | message |\n|---|---|\n", name);
}

/* ---- GGUF ---- */

static void gguf(const char *what, const struct gguf_file *file, size_t cut)
{
    struct qb_text bytes = {0};
    gguf_write(file, &bytes);
    refused(what, scratch_write("m.gguf", bytes.data, cut ? cut : bytes.size));
    qb_text_free(&bytes);
}

/* The good file but for one assignment. */
#define GGUF(what, change)                                                                                             \
    do {                                                                                                               \
        struct gguf_file f = gguf_good();                                                                              \
        change;                                                                                                        \
        gguf(what, &f, 0);                                                                                             \
    } while (0)

#define VALUE(pair, text) (f.pairs[pair].value = text, f.pairs[pair].size = sizeof text - 1)

/* Every prefix is refused; those that end in another section are on the page. */
static void gguf_prefixes(void)
{
    const struct gguf_file good = gguf_good();
    struct qb_text bytes = {0};
    const struct gguf_places at = gguf_write(&good, &bytes);
    struct qb_weights *weights = NULL;
    struct qb_error e = {0};
    cr_assert_eq(qb_weights_open(scratch_write("m.gguf", bytes.data, bytes.size), &weights, &e), QB_OK, "%s",
                 e.message);
    qb_weights_free(weights);
    gguf("3 bytes", &good, 3);
    gguf("ends in the head", &good, 20);
    gguf("ends behind the head", &good, at.pairs[0]);
    gguf("ends in a key", &good, at.pairs[0] + 12);
    gguf("ends behind a key", &good, at.pairs[0] + 28);
    gguf("ends in a text", &good, at.pairs[0] + 42);
    gguf("ends in a number", &good, at.pairs[2] - 1);
    gguf("ends in an array", &good, at.tensors[0] - 1);
    gguf("ends in a tensor's name", &good, at.tensors[0] + 10);
    gguf("ends in a tensor's shape", &good, at.tensors[1] + 22);
    gguf("ends in a tensor's type", &good, at.tensors[1] + 37);
    gguf("ends in a tensor's offset", &good, at.tensors[1] + 42);
    gguf("ends before the data", &good, at.data);
    gguf("ends in the last tensor's data", &good, bytes.size - 1);
    for (size_t size = 1; size < bytes.size; size++) {
        e = (struct qb_error){0};
        cr_expect_eq(qb_weights_open(scratch_write("m.gguf", bytes.data, size), &weights, &e), QB_ERR_INPUT, "%zu",
                     size);
    }
    qb_text_free(&bytes);
}

static void gguf_metadata(void)
{
    GGUF("version 1", f.version = 1);
    GGUF("version 4", f.version = 4);
    GGUF("written on a big-endian machine", f.version = 3u << 24);
    GGUF("2^63 metadata keys", f.pair_count = (uint64_t)1 << 63);
    GGUF("more metadata keys than there are", f.pair_count = 9);
    GGUF("a key that is no UTF-8", f.pairs[0].key = "general.\xff\xferchitecture");
    GGUF("a key with a NUL", f.pairs[0].key = "general\0architecture");
    GGUF("an empty key", f.pairs[0].key_size = 0);
    GGUF("a key twice", f.pairs[1] = f.pairs[0]);
    GGUF("an array's key twice", f.pairs[1] = f.pairs[2]);
    GGUF("a type of value that there is none of", f.pairs[1].type = 13);
    GGUF("a text longer than the file", VALUE(0, "\xff\xff\xff\xff\xff\xff\xff\x7fllama"));
    GGUF("a text that is no UTF-8", VALUE(0, "\5\0\0\0\0\0\0\0ll\xc3ma"));
    GGUF("a bool that is 2",
         f.pairs[1] = ((struct gguf_pair){GGUF_KEY_SIZE("tokenizer.ggml.add_bos_token"), 7, "\2", 1}));
    GGUF("an array longer than the file", VALUE(2, "\10\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"));
    GGUF("an array of arrays", VALUE(2, "\11\0\0\0\1\0\0\0\0\0\0\0"));
    GGUF("an array of a type that there is none of", VALUE(2, "\77\0\0\0\1\0\0\0\0\0\0\0"));
    GGUF("a text of an array that is no UTF-8",
         VALUE(2, "\10\0\0\0\2\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0a\2\0\0\0\0\0\0\0\xed\xa0"));
    GGUF("an alignment of 0", VALUE(1, "\0\0\0\0"));
    GGUF("an alignment of 48", VALUE(1, "\x30\0\0\0"));
    GGUF("a part of a model in several files",
         f.pairs[2] = ((struct gguf_pair){GGUF_KEY_SIZE("split.count"), 2, "\3\0", 2}));
}

static void gguf_tensors(void)
{
    GGUF("2^62 tensors", f.tensor_count = (uint64_t)1 << 62);
    GGUF("more tensors than there are", f.tensor_count = 5);
    GGUF("an empty name", f.tensors[0].name_size = 0);
    GGUF("a name of 65 bytes",
         f.tensors[0] =
             ((struct gguf_tensor){GGUF_KEY_SIZE("blk.0.a_name_of_a_tensor_that_is_longer_than_the_64_bytes_of_all"
                                                 "."),
                                   2,
                                   {4, 2},
                                   0,
                                   0}));
    GGUF("a name that is no UTF-8", f.tensors[1].name = "b.w\xe9ight");
    GGUF("a name with a NUL", f.tensors[1].name = "b\0weight");
    GGUF("a name twice", f.tensors[1].name = "a.weight");
    GGUF("five dimensions", f.tensors[0].rank = 5);
    GGUF("2^32 - 1 dimensions", f.tensors[0].rank = UINT32_MAX);
    GGUF("a dimension of 0", f.tensors[0].dims[1] = 0);
    GGUF("dimensions whose product overflows", f.tensors[0].dims[1] = (uint64_t)1 << 62);
    GGUF("a shape of 2^40 rows", f.tensors[2].dims[0] = (uint64_t)1 << 40);
    GGUF("a type that is not known", f.tensors[0].type = 77);
    GGUF("a type that is known and not read", f.tensors[0].type = 16);
    GGUF("rows that are no whole blocks", f.tensors[1].dims[0] = 33);
    GGUF("data that overlap", f.tensors[2].offset = 32);
    GGUF("data with a gap", f.tensors[2].offset = 128);
    GGUF("data in another order", (f.tensors[0].offset = 32, f.tensors[1].offset = 0));
    GGUF("an offset that is not aligned", f.tensors[1].offset = 33);
    GGUF("an offset of 2^64 - 32", f.tensors[1].offset = UINT64_MAX - 31);
    GGUF("a shape that needs more data than there are", f.tensors[2].dims[0] = 300);
    GGUF("bytes behind the data", f.data = 1000);
}

/* ---- safetensors and Hugging Face folders ---- */

#define GOOD_ENTRY ENTRY("a", "F32", "2,2", "0", "16")

static const char *safetensors_write(const char *name, const char *header, size_t data)
{
    struct qb_text bytes = {0};
    put_text(&bytes, header, strlen(header));
    for (size_t i = 0; i < data; i++)
        put(&bytes, 0, 1);
    const char *path = scratch_write(name, bytes.data, bytes.size);
    qb_text_free(&bytes);
    return path;
}

static void safetensors(const char *what, const char *header, size_t data)
{
    refused(what, safetensors_write("m.safetensors", header, data));
}

static void safetensors_all(void)
{
    refused("an empty file", scratch_write("m.safetensors", "", 0));
    refused("3 bytes", scratch_write("m.safetensors", "\1\2\3", 3));
    refused("a header longer than the file", scratch_write("m.safetensors", "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10));
    safetensors("a header that is no JSON", "{", 0);
    safetensors("a header that is no UTF-8", "{\"\xff\":1}", 0);
    safetensors("a header that is no object", "[]", 0);
    safetensors("a name twice", "{" GOOD_ENTRY "," GOOD_ENTRY "}", 16);
    safetensors("an entry that is no object", "{\"a\":3}", 0);
    safetensors("a dtype that is not read", "{" ENTRY("a", "I64", "2,2", "0", "32") "}", 32);
    safetensors("a size of 0", "{" ENTRY("a", "F32", "0", "0", "0") "}", 0);
    safetensors("a size below 0", "{" ENTRY("a", "F32", "-1", "0", "4") "}", 4);
    safetensors("sizes whose product overflows", "{" ENTRY("a", "F32", "4294967296,4294967296", "0", "4") "}", 4);
    safetensors("nine dimensions", "{" ENTRY("a", "F32", "1,1,1,1,1,1,1,1,1", "0", "4") "}", 4);
    safetensors("data that are not the shape's", "{" ENTRY("a", "F32", "2,3", "0", "16") "}", 16);
    safetensors("data that end behind the file", "{" GOOD_ENTRY "}", 15);
    safetensors("data that begin behind their end", "{" ENTRY("a", "F32", "1", "4", "0") "}", 4);
    safetensors("an offset below 0", "{" ENTRY("a", "F32", "1", "-4", "0") "}", 4);
    safetensors("an offset over 2^63", "{" ENTRY("a", "F32", "1", "0", "18446744073709551616") "}", 4);
    safetensors("data that overlap", "{" GOOD_ENTRY "," ENTRY("b", "F32", "2,2", "8", "24") "}", 24);
    safetensors("data with a gap", "{" GOOD_ENTRY "," ENTRY("b", "F32", "1", "20", "24") "}", 24);
    safetensors("bytes behind the data", "{" GOOD_ENTRY "}", 20);
    safetensors("metadata that are no texts", "{\"__metadata__\":{\"k\":1}," GOOD_ENTRY "}", 16);
}

#define BYTES ENTRY("a", "U8", "20", "0", "20")
/* An 8 x 2 matrix of int8 by rows would take 16 codes and 8 scales; by the tensor, 16 codes and one. */
#define ENCODED(encoding) "{\"__metadata__\":{\"encoded.a\":\"" encoding "\"}," BYTES "}"
#define Q "\\\""
#define SAYS(codec, version, shape, options)                                                                           \
    "{" Q "codec" Q ":" codec "," Q "version" Q ":" version "," Q "shape" Q ":" shape "," Q "options" Q ":" options "}"

static void encoded_all(void)
{
    const char *good = ENCODED(SAYS(Q "int8" Q, Q "1" Q, "[8,2]", Q "{scope: tensor}" Q));
    struct qb_weights *weights = NULL;
    MUST(qb_weights_open(safetensors_write("m.safetensors", good, 20), &weights, &err));
    MUST(qb_weights_formats(weights, registry, QB_ISA_PORTABLE, &err));
    cr_expect_str_eq(qb_weights_at(weights, 0)->type, "int8");
    qb_weights_free(weights);
    safetensors("bytes that nothing says to be encoded", "{" BYTES "}", 20);
    safetensors("an encoding that is no JSON", ENCODED("int8"), 20);
    safetensors("an encoding without a version", ENCODED("{" Q "codec" Q ":" Q "int8" Q "}"), 20);
    safetensors("a codec that is no text", ENCODED(SAYS("8", Q "1" Q, "[8,2]", Q "{}" Q)), 20);
    safetensors("a codec that is not there", ENCODED(SAYS(Q "int9" Q, Q "1" Q, "[8,2]", Q "{}" Q)), 20);
    safetensors("a codec named like a type", ENCODED(SAYS(Q "F32" Q, Q "1" Q, "[5,1]", Q "{}" Q)), 20);
    safetensors("another version of the codec", ENCODED(SAYS(Q "int8" Q, Q "0.9" Q, "[8,2]", Q "{}" Q)), 20);
    safetensors("an option that the codec has not", ENCODED(SAYS(Q "int8" Q, Q "1" Q, "[8,2]", Q "{scale: 1}" Q)), 20);
    safetensors("options that are no YAML", ENCODED(SAYS(Q "int8" Q, Q "1" Q, "[8,2]", Q "{scope: [}" Q)), 20);
    safetensors("a shape of another size", ENCODED(SAYS(Q "int8" Q, Q "1" Q, "[8,3]", Q "{scope: tensor}" Q)), 20);
    safetensors("a shape whose product overflows",
                ENCODED(SAYS(Q "int8" Q, Q "1" Q, "[4294967296,4294967296]", Q "{scope: tensor}" Q)), 20);
    safetensors("a shape of 2^48 values", ENCODED(SAYS(Q "int8" Q, Q "1" Q, "[16777216,16777216]", Q "{}" Q)), 20);
}

static const char *const folder_files[] = {"config.json", "model.safetensors", "model.safetensors.index.json",
                                           "one.safetensors", "two.safetensors"};

/* A folder of two shards, b in both, that are right: config.json and the index decide. */
static const char *folder(const char *config, const char *index)
{
    static char path[PATH_MAX];
    for (size_t i = 0; i < 5; i++)
        unlink(scratch_path(folder_files[i]));
    if (config)
        scratch_write("config.json", config, strlen(config));
    if (index)
        scratch_write("model.safetensors.index.json", index, strlen(index));
    safetensors_write("one.safetensors", "{" GOOD_ENTRY "," ENTRY("b", "F32", "1", "16", "20") "}", 20);
    safetensors_write("two.safetensors", "{" ENTRY("b", "F32", "2", "0", "8") "}", 8);
    snprintf(path, sizeof path, "%s", scratch_folder);
    return path;
}

#define MAP(entries) "{\"weight_map\":{" entries "}}"

static void folders_all(void)
{
    refused("no config.json", folder(NULL, NULL));
    refused("a config.json that is no JSON", folder("{\"a\":1", NULL));
    refused("a config.json with a key twice", folder("{\"a\":1,\"a\":2}", NULL));
    refused("a config.json that is no object", folder("[]", NULL));
    refused("no weights", folder("{}", NULL));
    refused("an index without weight_map", folder("{}", "{}"));
    refused("a shard's name with a slash", folder("{}", MAP("\"a\":\"../one.safetensors\"")));
    refused("a shard that is ..", folder("{}", MAP("\"a\":\"..\"")));
    refused("a shard that is no text", folder("{}", MAP("\"a\":1")));
    refused("a shard that is not there", folder("{}", MAP("\"a\":\"one.safetensors\",\"b\":\"three.safetensors\"")));
    refused("a tensor that its shard lacks",
            folder("{}", MAP("\"a\":\"one.safetensors\",\"b\":\"two.safetensors\",\"c\":\"two.safetensors\"")));
    refused("a tensor that another shard has",
            folder("{}", MAP("\"a\":\"two.safetensors\",\"b\":\"two.safetensors\"")));
    refused("a tensor that the index lacks", folder("{}", MAP("\"a\":\"one.safetensors\"")));
    const char *path = folder("{}", MAP("\"a\":\"one.safetensors\",\"b\":\"two.safetensors\""));
    safetensors_write("two.safetensors", "{" ENTRY("b", "F32", "2", "0", "8") "}", 7);
    refused("a shard that ends early", path);
}

#endif
