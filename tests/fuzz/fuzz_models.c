/* Models and tokenizers of strangers. */
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "fuzz.h"
#include "model_files.h"
#include "readers.h"
#include "tokenizer/chat.h"

/* The first bytes say which file it is: a safetensors file never begins like a GGUF file here. */
void fuzz_safetensors(const uint8_t *data, size_t size, struct qb_error *err)
{
    if (size < 4 || memcmp(data, "GGUF", 4) != 0)
        read_model(fuzz_file("input", data, size), fuzz_registry(), err);
}

void fuzz_gguf(const uint8_t *data, size_t size, struct qb_error *err)
{
    if (size >= 4 && memcmp(data, "GGUF", 4) == 0)
        read_model(fuzz_file("input", data, size), fuzz_registry(), err);
}

/* Shards of the small llama. */
static void write_shard(const char *name)
{
    struct qb_text header = {0}, file = {0};
    const size_t data = llama_header(&header);
    safetensors_put(&file, header.data, data, 1);
    fuzz_file(name, file.data, file.size);
    qb_text_free(&header);
    qb_text_free(&file);
}

void fuzz_config(const uint8_t *data, size_t size, struct qb_error *err)
{
    static bool there;
    if (!there)
        write_shard("model.safetensors");
    there = true;
    fuzz_file("config.json", data, size);
    read_model(fuzz_folder(), fuzz_registry(), err);
}

void fuzz_index(const uint8_t *data, size_t size, struct qb_error *err)
{
    static bool there;
    if (!there) {
        write_shard("one.safetensors");
        fuzz_file("config.json", LLAMA_CONFIG, sizeof LLAMA_CONFIG - 1);
    }
    there = true;
    fuzz_file("model.safetensors.index.json", data, size);
    read_model(fuzz_folder(), fuzz_registry(), err);
}

/* Both forms: the file's first bytes tell. */
void fuzz_tokenizer(const uint8_t *data, size_t size, struct qb_error *err)
{
    const bool gguf = size >= 4 && memcmp(data, "GGUF", 4) == 0;
    read_tokenizer(fuzz_file(gguf ? "input" : "tokenizer.json", data, size), err);
}

enum { TOKENIZERS = 8 };

/* Opened once, but counted as the input's that comes first. */
static struct qb_tokenizer *const *good_tokenizers(void)
{
    static const char *const files[TOKENIZERS] = {"bytes.json",  "splits.json", "digits.json",  "unigram.json",
                                                  "pieces.json", "bytes.gguf",  "unigram.gguf", "pieces.gguf"};
    static struct qb_tokenizer *tokenizers[TOKENIZERS];
    struct qb_error err = {0};
    char path[128];
    if (tokenizers[0])
        return tokenizers;
    for (size_t i = 0; i < TOKENIZERS; i++) {
        snprintf(path, sizeof path, "tests/golden/tokenizers/%s", files[i]);
        if (qb_tokenizer_open(path, &tokenizers[i], &err))
            fuzz_found("%s", err.message);
    }
    fuzz_keep_live();
    return tokenizers;
}

/* Any text under a good tokenizer; the first byte chooses which and how. */
void fuzz_text(const uint8_t *data, size_t size, struct qb_error *err)
{
    const struct qb_tokenizer *tokenizer;
    if (size == 0)
        return;
    tokenizer = good_tokenizers()[data[0] % TOKENIZERS];
    read_text(tokenizer, (const char *)data + 1, size - 1, data[0] / TOKENIZERS % 4, err);
}

/* A template, and behind the first NUL what is said. */
void fuzz_chat(const uint8_t *data, size_t size, struct qb_error *err)
{
    char *text = qb_alloc(size + 1, 1, "template", err);
    struct qb_chat_form form;
    struct qb_text out = {0};
    if (!text)
        return;
    memcpy(text, data, size);
    const size_t length = strlen(text);
    const char *said = length < size ? text + length + 1 : "hello";
    const struct qb_chat_message messages[] = {
        {QB_CHAT_SYSTEM, said}, {QB_CHAT_USER, said}, {QB_CHAT_ASSISTANT, said}, {QB_CHAT_USER, said}};
    qb_chat_recognize(text, "<s>", "</s>", &form);
    for (size_t first = 0; first < 2; first++)
        qb_chat_render(&form, messages + first, 4 - first, true, &out);
    qb_text_free(&out);
    qb_free(text);
}
