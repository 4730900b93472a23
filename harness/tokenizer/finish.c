/* What a tokenizer is made of beside tokens: steps, tokens that are searched for, and the tables made of all. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "tokenizer/tokenizer_parts.h"

enum qb_status qb_tokenizer_step(struct qb_tokenizer *tokenizer, struct qb_split_step step, struct qb_error *err)
{
    if (tokenizer->split_count == QB_SPLIT_MAX) {
        qb_pattern_free(step.pattern);
        return qb_fail(err, QB_ERR_INPUT, "pre_tokenizer: more than %d steps", QB_SPLIT_MAX);
    }
    tokenizer->split[tokenizer->split_count++] = step;
    return QB_OK;
}

enum qb_status qb_tokenizer_regex(struct qb_tokenizer *tokenizer, const char *pattern, struct qb_error *err)
{
    struct qb_split_step step = {.kind = QB_SPLIT_PATTERN, .behaviour = QB_SPLIT_ISOLATED};
    return qb_pattern_regex(pattern, strlen(pattern), &step.pattern, err) ? err->status
                                                                          : qb_tokenizer_step(tokenizer, step, err);
}

enum qb_status qb_tokenizer_normal(struct qb_tokenizer *tokenizer, struct qb_normal_step step, struct qb_error *err)
{
    if (tokenizer->normal_count == QB_NORMAL_MAX) {
        qb_normal_free(&step);
        return qb_fail(err, QB_ERR_INPUT, "normalizer: more than %d steps", QB_NORMAL_MAX);
    }
    tokenizer->normal[tokenizer->normal_count++] = step;
    return QB_OK;
}

/* The text as the normaliser makes it. */
static enum qb_status normalized(const struct qb_tokenizer *tokenizer, const char *text, size_t size,
                                 struct qb_text *out, struct qb_error *err)
{
    struct qb_matcher *matcher = qb_matcher_new(err);
    qb_text_bytes(out, text, size);
    for (size_t i = 0; i < tokenizer->normal_count && !err->status; i++) {
        struct qb_text next = {0};
        qb_normalize(&tokenizer->normal[i], matcher, out->data, out->size, qb_normal_most(size), &next, err);
        qb_text_bytes(&next, "", 0);
        qb_text_free(out);
        *out = next;
    }
    qb_matcher_free(matcher);
    return out->failed && !err->status ? qb_fail(err, QB_ERR_MEMORY, "no memory for an added token") : err->status;
}

enum qb_status qb_tokenizer_add(struct qb_tokenizer *tokenizer, const struct qb_added *added, struct qb_error *err)
{
    struct qb_text text = {0};
    if (added->size == 0 || added->size > QB_TOKEN_BYTES_MAX)
        return qb_fail(err, QB_ERR_INPUT, "an added token of %zu bytes, expected 1 to %zu", added->size,
                       QB_TOKEN_BYTES_MAX);
    struct qb_added *all = qb_grow(tokenizer->added, tokenizer->added_count + 1, sizeof *all, "added tokens", err);
    if (!all)
        return err->status;
    tokenizer->added = all;
    if (added->normalized)
        normalized(tokenizer, added->text, added->size, &text, err);
    else
        qb_text_bytes(&text, added->text, added->size);
    char *copy = err->status ? NULL : qb_alloc(text.size + 1, 1, "added token", err);
    if (copy) {
        memcpy(copy, text.data, text.size);
        all[tokenizer->added_count] = *added;
        all[tokenizer->added_count].text = copy;
        all[tokenizer->added_count++].size = text.size;
    }
    qb_text_free(&text);
    return err->status;
}

/* Those that are searched for in the text as it is, or as it is normalised. */
static enum qb_status sort_added(const struct qb_tokenizer *tokenizer, bool after, struct qb_words_sorted *sorted,
                                 struct qb_error *err)
{
    sorted->words = qb_alloc(tokenizer->added_count, sizeof *sorted->words, "added tokens", err);
    if (!sorted->words)
        return err->status;
    for (size_t i = 0; i < tokenizer->added_count; i++) {
        const struct qb_added *added = &tokenizer->added[i];
        if (added->normalized == after && added->size > 0)
            sorted->words[sorted->count++] = (struct qb_word){added->text, (uint32_t)added->size, (int32_t)i};
    }
    qb_words_sort(sorted);
    return QB_OK;
}

static int by_score(const void *left, const void *right)
{
    double a = **(double *const *)left, b = **(double *const *)right;
    return a > b ? -1 : a < b;
}

/* The best score has rank 0, equal ones the same. */
static enum qb_status rank_scores(struct qb_tokenizer *tokenizer, struct qb_error *err)
{
    size_t count = tokenizer->vocab.count;
    double **order = qb_alloc(count, sizeof *order, "token ranks", err);
    tokenizer->ranks = order ? qb_alloc(count, sizeof *tokenizer->ranks, "token ranks", err) : NULL;
    if (!tokenizer->ranks)
        goto out;
    for (size_t i = 0; i < count; i++)
        order[i] = &tokenizer->scores[i];
    qsort(order, count, sizeof *order, by_score);
    for (size_t i = 0, rank = 0; i < count; i++) {
        rank += i > 0 && *order[i] < *order[i - 1];
        tokenizer->ranks[order[i] - tokenizer->scores] = (uint32_t)rank;
    }
out:
    qb_free(order);
    return err->status;
}

static enum qb_status sort_pieces(struct qb_tokenizer *tokenizer, struct qb_error *err)
{
    const struct qb_vocab *vocab = &tokenizer->vocab;
    double least = 0;
    tokenizer->pieces.words = qb_alloc(vocab->count, sizeof *tokenizer->pieces.words, "token order", err);
    if (!tokenizer->pieces.words)
        return err->status;
    for (size_t i = 0; i < vocab->count; i++) {
        if (!vocab->tokens[i].in_model || vocab->tokens[i].size == 0)
            continue;
        least = tokenizer->scores[i] < least ? tokenizer->scores[i] : least;
        tokenizer->pieces.words[tokenizer->pieces.count++] =
            (struct qb_word){qb_vocab_bytes(vocab, i), vocab->tokens[i].size, (int32_t)i};
    }
    tokenizer->unknown_score = least - 10; /* SentencePiece's kUnkPenalty */
    qb_words_sort(&tokenizer->pieces);
    return QB_OK;
}

/* The value of <0xNN>, or -1. */
static int byte_spelled(const char *text, size_t size)
{
    static const char digits[] = "0123456789ABCDEF";
    if (size != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>')
        return -1;
    const char *high = memchr(digits, text[3], 16), *low = memchr(digits, text[4], 16);
    return high && low ? (int)(16 * (high - digits) + (low - digits)) : -1;
}

enum qb_status qb_tokenizer_index(struct qb_tokenizer *tokenizer, struct qb_error *err)
{
    struct qb_vocab *vocab = &tokenizer->vocab;
    if (vocab->count == 0)
        return qb_fail(err, QB_ERR_INPUT, "the vocabulary is empty");
    memset(tokenizer->byte_token, 0xff, sizeof tokenizer->byte_token);
    for (size_t i = vocab->count; i-- > 0;) {
        struct qb_token *token = &vocab->tokens[i];
        const char *bytes = qb_vocab_bytes(vocab, i);
        int byte = token->kind == QB_TOKEN_BYTE ? byte_spelled(bytes, token->size) : -1;
        if (token->kind == QB_TOKEN_BYTE && byte < 0)
            return qb_fail(err, QB_ERR_INPUT, "token %zu '%.*s', expected a byte as <0xNN>", i,
                           (int)(token->size < 64 ? token->size : 64), bytes);
        if (tokenizer->byte_level && token->kind == QB_TOKEN_TEXT && token->size == 1)
            byte = (unsigned char)bytes[0];
        if (byte >= 0)
            tokenizer->byte_token[byte] = (int32_t)i;
    }
    if (qb_vocab_index(vocab, err))
        return err->status;
    return tokenizer->model == QB_MODEL_SCORES    ? rank_scores(tokenizer, err)
           : tokenizer->model == QB_MODEL_UNIGRAM ? sort_pieces(tokenizer, err)
                                                  : QB_OK;
}

void qb_tokenizer_end(struct qb_tokenizer *tokenizer, int32_t id)
{
    if (id >= 0 && !qb_tokenizer_ends(tokenizer, id) && tokenizer->ends_count < QB_ENDS_MAX)
        tokenizer->ends[tokenizer->ends_count++] = id;
}

enum qb_status qb_tokenizer_finish(struct qb_tokenizer *tokenizer, struct qb_error *err)
{
    /* As the models' cards name what ends a turn. */
    static const char *const ends[] = {"<|im_end|>",    "<|eot_id|>", "<|eom_id|>",      "<|end|>",
                                       "<end_of_turn>", "<|eot|>",    "<|end_of_text|>", "<|endoftext|>"};
    if (sort_added(tokenizer, false, &tokenizer->raw, err) || sort_added(tokenizer, true, &tokenizer->normalized, err))
        return err->status;
    qb_tokenizer_end(tokenizer, tokenizer->eos);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        qb_tokenizer_end(tokenizer, qb_tokenizer_added(tokenizer, ends[i]));
    return QB_OK;
}
