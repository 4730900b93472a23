/* Model files made in parts, right or wrong, for tests of their readers. */
#ifndef QB_TEST_MODEL_FILES_H
#define QB_TEST_MODEL_FILES_H

#include <stdio.h>
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

enum { GGUF_MOST = 16 };
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
    struct gguf_pair pairs[GGUF_MOST];
    struct gguf_tensor tensors[GGUF_MOST];
    size_t alignment, data; /* bytes of data, written as zeros */
};

/* Where the sections of a written file begin. */
struct gguf_places {
    size_t pairs[GGUF_MOST], tensors[GGUF_MOST], data;
};

static inline struct gguf_places gguf_write(const struct gguf_file *f, struct qb_text *out)
{
    struct gguf_places places = {0};
    qb_text_bytes(out, "GGUF", 4);
    put(out, f->version, 4);
    put(out, f->tensor_count, 8);
    put(out, f->pair_count, 8);
    for (size_t i = 0; i < GGUF_MOST && f->pairs[i].key; i++) {
        places.pairs[i] = out->size;
        put_text(out, f->pairs[i].key, f->pairs[i].key_size);
        put(out, f->pairs[i].type, 4);
        qb_text_bytes(out, f->pairs[i].value, f->pairs[i].size);
    }
    for (size_t i = 0; i < GGUF_MOST && f->tensors[i].name; i++) {
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

/* The tensors of a llama of one layer, of two heads of width 2 over one of keys and values. */
static const struct {
    const char *gguf, *hf;
    size_t rows, cols; /* rows 0: a vector */
} llama_tensors[] = {{"token_embd", "model.embed_tokens", 5, 4},
                     {"blk.0.attn_norm", "model.layers.0.input_layernorm", 0, 4},
                     {"blk.0.attn_q", "model.layers.0.self_attn.q_proj", 4, 4},
                     {"blk.0.attn_k", "model.layers.0.self_attn.k_proj", 2, 4},
                     {"blk.0.attn_v", "model.layers.0.self_attn.v_proj", 2, 4},
                     {"blk.0.attn_output", "model.layers.0.self_attn.o_proj", 4, 4},
                     {"blk.0.ffn_norm", "model.layers.0.post_attention_layernorm", 0, 4},
                     {"blk.0.ffn_gate", "model.layers.0.mlp.gate_proj", 6, 4},
                     {"blk.0.ffn_up", "model.layers.0.mlp.up_proj", 6, 4},
                     {"blk.0.ffn_down", "model.layers.0.mlp.down_proj", 4, 6},
                     {"output_norm", "model.norm", 0, 4}};

#define U32(name, value)                                                                                               \
    {                                                                                                                  \
        GGUF_KEY_SIZE(name), 4, value "\0\0\0", 4                                                                      \
    }

/* That llama as GGUF, every weight 0. */
static inline struct gguf_file gguf_llama(char names[][64])
{
    struct gguf_file f = {.version = 3,
                          .pair_count = 8,
                          .pairs = {{GGUF_KEY_SIZE("general.architecture"), 8, GGUF_KEY_SIZE("\5\0\0\0\0\0\0\0llama")},
                                    U32("llama.block_count", "\1"),
                                    U32("llama.embedding_length", "\4"),
                                    U32("llama.feed_forward_length", "\6"),
                                    U32("llama.attention.head_count", "\2"),
                                    U32("llama.attention.head_count_kv", "\1"),
                                    U32("llama.context_length", "\100"),
                                    {GGUF_KEY_SIZE("llama.attention.layer_norm_rms_epsilon"), 6,
                                     GGUF_KEY_SIZE("\xac\xc5\x27\x37")}}, /* 1e-5 */
                          .alignment = 32};
    for (size_t i = 0; i < sizeof llama_tensors / sizeof *llama_tensors; i++) {
        const size_t rows = llama_tensors[i].rows, cols = llama_tensors[i].cols;
        const uint64_t at = (f.data + 31) / 32 * 32;
        const int size = snprintf(names[i], 64, "%s.weight", llama_tensors[i].gguf);
        f.tensors[f.tensor_count++] = (struct gguf_tensor){names[i], (size_t)size, rows ? 2 : 1, {cols, rows}, 0, at};
        f.data = (size_t)(at + cols * (rows ? rows : 1) * 4);
    }
    return f;
}

/* A header's entry. */
#define ENTRY(name, type, shape, begin, end)                                                                           \
    "\"" name "\":{\"dtype\":\"" type "\",\"shape\":[" shape "],\"data_offsets\":[" begin "," end "]}"

/* A safetensors file's bytes: this header, `fill` repeated behind it. */
static inline void safetensors_put(struct qb_text *out, const char *header, size_t data, uint8_t fill)
{
    put_text(out, header, strlen(header));
    for (size_t i = 0; i < data; i++)
        put(out, fill, 1);
}

/* The same as a Hugging Face folder: config.json, and the header of model.safetensors; how many bytes its data take. */
#define LLAMA_CONFIG                                                                                                   \
    "{\"model_type\":\"llama\",\"hidden_size\":4,\"intermediate_size\":6,\"num_hidden_layers\":1,"                     \
    "\"num_attention_heads\":2,\"num_key_value_heads\":1,\"vocab_size\":5,\"rms_norm_eps\":1e-5,"                      \
    "\"hidden_act\":\"silu\",\"max_position_embeddings\":64,\"tie_word_embeddings\":true}"
static inline size_t llama_header(struct qb_text *out)
{
    size_t at = 0;
    for (size_t i = 0; i < sizeof llama_tensors / sizeof *llama_tensors; i++) {
        const size_t rows = llama_tensors[i].rows, cols = llama_tensors[i].cols,
                     end = at + (rows ? rows : 1) * cols * 4;
        qb_text_add(out, "%s\"%s.weight\":{\"dtype\":\"F32\",\"shape\":[", i ? "," : "{", llama_tensors[i].hf);
        if (rows)
            qb_text_add(out, "%zu,", rows);
        qb_text_add(out, "%zu],\"data_offsets\":[%zu,%zu]}", cols, at, end);
        at = end;
    }
    qb_text_add(out, "}");
    return at;
}

#endif
