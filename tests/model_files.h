/* Model files made in parts, right or wrong, for tests of their readers. */
#ifndef QB_TEST_MODEL_FILES_H
#define QB_TEST_MODEL_FILES_H

#include <string.h>
#include "base/text.h"

static inline void put(struct qb_text *out, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        qb_text_bytes(out, &(char){(char)(value >> (8 * i))}, 1);
}

static inline void put_text(struct qb_text *out, const char *text, size_t size)
{
    put(out, size, 8);
    qb_text_bytes(out, text, size);
}

/* Zeros up to a multiple of `to`. */
static inline void put_padding(struct qb_text *out, size_t to)
{
    while (out->size % to)
        put(out, 0, 1);
}

#define GGUF_KEY_SIZE(text) text, sizeof text - 1
struct gguf_pair {
    const char *key;
    size_t key_size;
    uint32_t type;
    const char *value; /* its bytes */
    size_t size;
};
struct gguf_tensor {
    const char *name;
    size_t name_size;
    uint64_t rank, dims[4]; /* the fastest first */
    uint64_t type, offset;
};

/* A GGUF file; as many pairs and tensors are written as have a key and a name. */
struct gguf_file {
    uint64_t version, tensor_count, pair_count;
    struct gguf_pair pairs[6];
    struct gguf_tensor tensors[6];
    size_t alignment, data; /* bytes of data, written as zeros */
};

/* Where the sections of a written file begin. */
struct gguf_places {
    size_t pairs[6], tensors[6], data;
};

static inline struct gguf_places gguf_write(const struct gguf_file *f, struct qb_text *out)
{
    struct gguf_places places = {0};
    qb_text_bytes(out, "GGUF", 4);
    put(out, f->version, 4);
    put(out, f->tensor_count, 8);
    put(out, f->pair_count, 8);
    for (size_t i = 0; i < 6 && f->pairs[i].key; i++) {
        places.pairs[i] = out->size;
        put_text(out, f->pairs[i].key, f->pairs[i].key_size);
        put(out, f->pairs[i].type, 4);
        qb_text_bytes(out, f->pairs[i].value, f->pairs[i].size);
    }
    for (size_t i = 0; i < 6 && f->tensors[i].name; i++) {
        places.tensors[i] = out->size;
        put_text(out, f->tensors[i].name, f->tensors[i].name_size);
        put(out, f->tensors[i].rank, 4);
        for (size_t d = 0; d < 4 && d < f->tensors[i].rank; d++)
            put(out, f->tensors[i].dims[d], 8);
        put(out, f->tensors[i].type, 4);
        put(out, f->tensors[i].offset, 8);
    }
    if (f->alignment)
        put_padding(out, f->alignment);
    places.data = out->size;
    for (size_t i = 0; i < f->data; i++)
        put(out, 0, 1);
    return places;
}

/* A small right one: three pairs, an F32 matrix of 2 x 4, two rows of a block of Q4_0, an F32 vector of 3. */
static inline struct gguf_file gguf_good(void)
{
    return (struct gguf_file){
        .version = 3,
        .tensor_count = 3,
        .pair_count = 3,
        .pairs = {{GGUF_KEY_SIZE("general.architecture"), 8, GGUF_KEY_SIZE("\5\0\0\0\0\0\0\0llama")},
                  {GGUF_KEY_SIZE("general.alignment"), 4, GGUF_KEY_SIZE("\x20\0\0\0")},
                  {GGUF_KEY_SIZE("tokenizer.ggml.tokens"), 9,
                   GGUF_KEY_SIZE("\10\0\0\0\2\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0a\2\0\0\0\0\0\0\0bc")}},
        .tensors = {{GGUF_KEY_SIZE("a.weight"), 2, {4, 2}, 0, 0},
                    {GGUF_KEY_SIZE("b.weight"), 2, {32, 2}, 2, 32},
                    {GGUF_KEY_SIZE("c.weight"), 1, {3}, 0, 96}},
        .alignment = 32,
        .data = 108};
}

#endif
