/* GGUF names a splitting (tokenizer.ggml.pre); the patterns are those of the models' own tokenizer.json or tiktoken
 * files. */
#include <stdio.h>
#include <string.h>
#include "tokenizer/tokenizer_parts.h"

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define REST " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define BEFORE "[^\\r\\n\\p{L}\\p{N}]?"
#define REST_SLASH " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

static const char llama3[] = CONTRACTIONS "|" BEFORE "\\p{L}+|\\p{N}{1,3}|" REST;
static const char qwen2[] = CONTRACTIONS "|" BEFORE "\\p{L}+|\\p{N}|" REST;
static const char tekken[] = BEFORE UPPER "*" LOWER "+|" BEFORE UPPER "+" LOWER "*|\\p{N}|" REST_SLASH;
static const char gpt4o[] =
    BEFORE UPPER "*" LOWER "+" CONTRACTIONS "?|" BEFORE UPPER "+" LOWER "*" CONTRACTIONS "?|\\p{N}{1,3}|" REST_SLASH;

static const struct pre {
    const char *names; /* with blanks around each */
    const char *patterns[4];
    bool whole_first, add_bos, composed; /* composed: the original reads the text in normal form C */
} pres[] = {
    {" gpt-2 phi-2 mpt olmo jais ", {QB_GPT2_PATTERN}, false, false, false},
    {" llama-bpe llama3 llama-v3 falcon3 ", {llama3}, true, true, false},
    {" dbrx smaug-bpe chatglm-bpe ", {llama3}, false, false, false},
    {" qwen2 deepseek-r1-qwen ", {qwen2}, false, false, true},
    {" stablelm2 ", {qwen2}, false, false, false},
    {" smollm starcoder refact command-r codeshell exaone ", {"\\p{N}", QB_GPT2_PATTERN}, false, false, false},
    {" tekken ", {tekken}, true, true, false},
    {" gpt-4o llama4 ", {gpt4o}, false, false, false},
    {" default ", {"[\\p{P}\\$\\+<=>\\^~\\|]+", QB_GPT2_PATTERN, "\\p{N}+", "[0-9][0-9][0-9]"}, false, false, false},
};

enum qb_status qb_tokenizer_pre(struct qb_tokenizer *tokenizer, const char *name, bool *add_bos, struct qb_error *err)
{
    struct qb_text known = {0};
    char word[64];
    snprintf(word, sizeof word, " %s ", name);
    for (size_t i = 0; i < sizeof pres / sizeof *pres; i++) {
        const struct pre *pre = &pres[i];
        qb_text_add(&known, "%s", pre->names + 1);
        if (!strstr(pre->names, word))
            continue;
        tokenizer->whole_first = pre->whole_first;
        *add_bos = pre->add_bos;
        for (size_t k = 0; k < 4 && pre->patterns[k] && !err->status; k++)
            qb_tokenizer_regex(tokenizer, pre->patterns[k], err);
        if (pre->composed && !err->status)
            qb_tokenizer_normal(tokenizer, qb_normal_form_c(), err);
        goto out;
    }
    qb_fail(err, QB_ERR_INPUT, "tokenizer.ggml.pre: '%.*s' is not supported, expected one of %s", QB_UPTO(64, name),
            known.data);
out:
    qb_text_free(&known);
    return err->status;
}
