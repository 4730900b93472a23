/* A tokenizer.json whose tokens are bytes. */
#include "base/text_format.h"
#include "tokenizer/tokenizer_parts.h"

#define END_OF_TEXT "<|endoftext|>"

static void add_token(size_t id, size_t end, struct qb_text *out)
{
    struct qb_text name = {0};
    if (id < 256)
        qb_byte_level_spell((const char[]){(char)id}, 1, &name);
    else if (id == end)
        qb_text_add(&name, END_OF_TEXT);
    else
        qb_text_add(&name, "<|%zu|>", id);
    qb_json_string(out, name.data);
    qb_text_add(out, ":%zu", id);
    out->failed = out->failed || name.failed;
    qb_text_free(&name);
}

void qb_tokenizer_of_bytes(size_t tokens, size_t end, struct qb_text *tokenizer, struct qb_text *settings)
{
#define BYTE_LEVEL "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true}"
    qb_text_add(tokenizer,
                "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[{\"id\":%zu,\"content\":"
                "\"" END_OF_TEXT "\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,"
                "\"special\":true}],\"normalizer\":null,\"pre_tokenizer\":" BYTE_LEVEL
                ",\"post_processor\":null,\"decoder\":" BYTE_LEVEL
                ",\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,\"continuing_subword_prefix\":null,"
                "\"end_of_word_suffix\":null,\"fuse_unk\":false,\"byte_fallback\":false,\"vocab\":{",
                end);
    for (size_t i = 0; i < tokens; i++) {
        qb_text_add(tokenizer, "%s", i ? "," : "");
        add_token(i, end, tokenizer);
    }
    qb_text_add(tokenizer, "},\"merges\":[]}}\n");
    qb_text_add(settings, "{\"eos_token\":\"" END_OF_TEXT "\",\"clean_up_tokenization_spaces\":false,"
                          "\"tokenizer_class\":\"PreTrainedTokenizerFast\"}\n");
}
