/* What a tokenizer is, in a line. */
#include "tokenizer/chat.h"
#include "tokenizer/tokenizer_parts.h"

static void add_names(const struct qb_tokenizer *tokenizer, const char *before, const int32_t *ids, size_t count,
                      struct qb_text *out)
{
    for (size_t i = 0; i < count; i++) {
        struct qb_text name = {0};
        qb_tokenizer_spell(tokenizer, ids[i], &name);
        qb_text_add(out, "%s", i ? " " : before);
        qb_clean_bytes(out, name.data ? name.data : "", name.size, QB_CLEAN_LINE);
        qb_text_free(&name);
    }
}

void qb_tokenizer_print(const struct qb_tokenizer *tokenizer, struct qb_text *out)
{
    const char *kind = tokenizer->model == QB_MODEL_UNIGRAM  ? "SentencePiece unigram"
                       : tokenizer->model == QB_MODEL_SCORES ? "SentencePiece BPE"
                       : tokenizer->byte_level               ? "byte-level BPE"
                                                             : "BPE of characters";
    struct qb_chat_form form;
    qb_text_add(out, "%s%s, %zu tokens", kind, tokenizer->byte_fallback ? " with byte fallback" : "",
                tokenizer->vocab.count);
    add_names(tokenizer, ", before a text ", tokenizer->before, tokenizer->before_count, out);
    add_names(tokenizer, ", behind it ", tokenizer->behind, tokenizer->behind_count, out);
    add_names(tokenizer, ", ends ", tokenizer->ends, tokenizer->ends_count, out);
    if (!tokenizer->chat_template)
        return;
    qb_chat_recognize(tokenizer->chat_template, "", "", &form);
    qb_text_add(out, ", chat template %s", form.known ? form.name : "not known");
}
