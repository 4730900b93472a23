/* 100,000 mutations of a valid model file of each kind, and of tokenizers. */
enum { COUNT = 100000 };
#include "mutation_tests.h"
#include "tokenizer/tokenizer.h"

static void try_tokenizer(const char *path, struct qb_error *e)
{
    static const char text[] = "<s>  Two thousand 2000 \xc3\xa4\xe2\x80\x8b\xf0\x9f\x99\x82\xff \n\n<|end|>";
    struct qb_tokenizer *tokenizer = NULL;
    int32_t *tokens = NULL;
    size_t count, size;
    char *back = NULL;
    if (qb_tokenizer_open(path, &tokenizer, e))
        return;
    if (!qb_tokenizer_encode(tokenizer, text, sizeof text - 1, QB_ENCODE_SPECIAL | QB_ENCODE_AFFIXES, &tokens, &count,
                             e) &&
        !qb_tokenizer_decode(tokenizer, tokens, count, &back, &size, e))
        qb_free(back);
    qb_free(tokens);
    qb_tokenizer_free(tokenizer);
}

/* The small tokenizers of tests/golden, in each form. */
static void mutate_tokenizers(size_t count)
{
    static const char *const files[] = {"splits.json", "digits.json", "bytes.json", "unigram.json", "pieces.gguf"};
    for (size_t i = 0; i < 5; i++) {
        char from[128];
        const char *to = scratch_path(files[i]);
        snprintf(from, sizeof from, "tests/golden/tokenizers/%s", files[i]);
        MUST(qb_file_copy(from, to, &err));
        mutate_file(to, "", try_tokenizer, count / 5, 20 + (uint32_t)i);
    }
}

Test(mutations, tokenizers)
{
    mutate_tokenizers(COUNT);
}
