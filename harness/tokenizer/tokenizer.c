/* Using a tokenizer: added tokens are found, what lies between is normalised, split, and given to the model. */
#include "tokenizer/tokenizer.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>
#include "base/mem.h"
#include "tokenizer/tokenizer_parts.h"

/* ---- added tokens ---- */

struct found {
    const struct qb_added *added;
    size_t from, to; /* with the white space that belongs to it */
};

/* Does a word's character stand at the start, or the end, of text[size]? */
static bool word_beside(const char *text, size_t size, bool at_end)
{
    size_t start = 0;
    uint32_t point;
    for (start = at_end && size ? size - 1 : 0; start > 0 && ((unsigned char)text[start] & 0xc0) == 0x80;)
        start--;
    if (!qb_utf8_sequence(text + start, size - start, &point))
        return false;
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)point);
    return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NL) || category == UTF8PROC_CATEGORY_PC;
}

/* The first added token, and of those that begin there the longest, in text[*at .. size); *at is then behind it. */
static bool find_added(const struct qb_tokenizer *tokenizer, const struct qb_words_sorted *words, unsigned flags,
                       const char *text, size_t size, size_t *at, struct found *found)
{
    size_t floor = *at, i = *at;
    while (words->count && i < size) {
        const struct qb_word *word, *longest = NULL;
        struct qb_walk walk = {0};
        if (words->first[(unsigned char)text[i]])
            while ((word = qb_words_next(words, &walk, text + i, size - i)))
                longest = word;
        if (!longest) {
            i++;
            continue;
        }
        const struct qb_added *added = &tokenizer->added[longest->id];
        size_t end = i + longest->size;
        if ((added->control && !(flags & QB_ENCODE_SPECIAL)) ||
            (added->single_word && (word_beside(text, i, true) || word_beside(text + end, size - end, false)))) {
            i = end;
            continue;
        }
        found->added = added;
        found->from = i - (added->left ? qb_white_at_end(text + floor, i - floor) : 0);
        found->to = end + (added->right ? qb_white_at_start(text + end, size - end) : 0);
        *at = found->to;
        return true;
    }
    return false;
}

/* ---- encoding ---- */

struct run {
    const struct qb_tokenizer *tokenizer;
    unsigned flags;
    struct qb_matcher *matcher;
    struct qb_pieces pieces;
};

static enum qb_status piece(void *context, const char *text, size_t size, struct qb_error *err)
{
    struct run *run = context;
    return (run->tokenizer->model == QB_MODEL_UNIGRAM ? qb_unigram_piece : qb_bpe_piece)(run->tokenizer, &run->pieces,
                                                                                         text, size, err);
}

/* What a text without added tokens is, part by part: each goes to `text_part`, the added tokens between to the ids. */
typedef enum qb_status (*text_part)(struct run *run, const char *text, size_t size, bool first, struct qb_error *err);

static enum qb_status by_added(struct run *run, const struct qb_words_sorted *words, const char *text, size_t size,
                               bool first, text_part part, struct qb_error *err)
{
    struct found found;
    size_t at = 0, done = 0;
    while (find_added(run->tokenizer, words, run->flags, text, size, &at, &found)) {
        if (part(run, text + done, found.from - done, first && done == 0, err) ||
            qb_pieces_add(&run->pieces, found.added->id, err))
            return err->status;
        done = found.to;
    }
    return part(run, text + done, size - done, first && done == 0, err);
}

static enum qb_status split(struct run *run, const char *text, size_t size, bool first, struct qb_error *err)
{
    const struct qb_tokenizer *t = run->tokenizer;
    return qb_split(t->split, t->split_count, run->matcher, text, size, first, piece, run, err);
}

static enum qb_status normalize(struct run *run, const char *text, size_t size, bool first, struct qb_error *err)
{
    const struct qb_tokenizer *t = run->tokenizer;
    const size_t most = qb_normal_most(size);
    struct qb_text made = {0};
    if (size == 0)
        return QB_OK;
    for (size_t i = 0; i < t->normal_count && !err->status; i++) {
        struct qb_text next = {0};
        qb_normalize(&t->normal[i], run->matcher, text, size, most, &next, err);
        if (t->normal[i].kind == QB_NORMAL_STRIP && t->normal[i].left && qb_white_at_start(text, size) > 0)
            first = false; /* what is left does not stand at the start of the whole text */
        qb_text_free(&made);
        made = next;
        text = made.data ? made.data : "";
        size = made.size;
    }
    if (!err->status)
        by_added(run, &t->normalized, text, size, first, split, err);
    qb_text_free(&made);
    return err->status;
}

static enum qb_status affix(struct qb_pieces *pieces, const int32_t *ids, size_t count, struct qb_error *err)
{
    for (size_t i = 0; i < count && !err->status; i++)
        qb_pieces_add(pieces, ids[i], err);
    return err->status;
}

enum qb_status qb_tokenizer_encode(const struct qb_tokenizer *tokenizer, const char *text, size_t size, unsigned flags,
                                   int32_t **tokens, size_t *count, struct qb_error *err)
{
    const struct qb_tokenizer *t = tokenizer;
    struct run run = {.tokenizer = t, .flags = flags, .matcher = qb_matcher_new(err)};
    struct qb_pieces *made = &run.pieces;
    size_t before = flags & QB_ENCODE_AFFIXES ? t->before_count : 0;
    size_t behind = flags & QB_ENCODE_AFFIXES ? t->behind_count : 0;
    if (!run.matcher || affix(made, t->before, before, err) ||
        by_added(&run, &t->raw, text, size, true, normalize, err) || affix(made, t->behind, behind, err))
        goto out;
    if (before > 0 && made->count > before && t->before[before - 1] == t->bos && made->ids[before] == t->bos) {
        made->count--; /* the text spells it out: once is enough */
        memmove(made->ids + before, made->ids + before + 1, (made->count - before) * sizeof *made->ids);
    }
    *tokens = made->ids ? made->ids : qb_alloc(0, sizeof **tokens, "tokens", err);
    *count = made->count;
    made->ids = NULL;
out:
    qb_pieces_free(made);
    qb_matcher_free(run.matcher);
    return err->status;
}

/* ---- decoding ---- */

static bool has_token(const struct qb_tokenizer *tokenizer, int32_t id)
{
    return id >= 0 && (size_t)id < tokenizer->vocab.count && tokenizer->vocab.tokens[id].kind != QB_TOKEN_NONE;
}

void qb_tokenizer_bytes(const struct qb_tokenizer *tokenizer, int32_t id, struct qb_text *out)
{
    static const char blank[] = "\xe2\x96\x81";
    if (!has_token(tokenizer, id))
        return;
    const struct qb_token *token = &tokenizer->vocab.tokens[id];
    const char *bytes = qb_vocab_bytes(&tokenizer->vocab, (size_t)id);
    if (token->kind == QB_TOKEN_BYTE) {
        char byte = (char)strtoul(bytes + 3, NULL, 16); /* <0xNN> */
        qb_text_bytes(out, &byte, 1);
        return;
    }
    for (size_t at = 0; at < token->size;) {
        const char *found = tokenizer->blanks ? memmem(bytes + at, token->size - at, blank, 3) : NULL;
        size_t upto = found ? (size_t)(found - bytes) : token->size;
        qb_text_bytes(out, bytes + at, upto - at);
        if (found)
            qb_text_bytes(out, " ", 1);
        at = upto + (found ? 3 : 0);
    }
}

void qb_tokenizer_spell(const struct qb_tokenizer *tokenizer, int32_t id, struct qb_text *out)
{
    if (!has_token(tokenizer, id))
        return;
    const struct qb_token *token = &tokenizer->vocab.tokens[id];
    const char *bytes = qb_vocab_bytes(&tokenizer->vocab, (size_t)id);
    if (tokenizer->byte_level && token->kind == QB_TOKEN_TEXT)
        qb_byte_level_spell(bytes, token->size, out);
    else
        qb_text_bytes(out, bytes, token->size);
}

enum qb_status qb_tokenizer_decode(const struct qb_tokenizer *tokenizer, const int32_t *tokens, size_t count,
                                   char **text, size_t *size, struct qb_error *err)
{
    struct qb_text out = {0};
    bool begun = false;
    qb_text_bytes(&out, "", 0);
    for (size_t i = 0; i < count; i++) {
        if (tokens[i] < 0 || (size_t)tokens[i] >= tokenizer->vocab.count) {
            qb_text_free(&out);
            return qb_fail(err, QB_ERR_INPUT, "token id %d at place %zu, expected 0 to %zu", (int)tokens[i], i,
                           tokenizer->vocab.count - 1);
        }
        size_t at = out.size;
        qb_tokenizer_bytes(tokenizer, tokens[i], &out);
        if (begun || qb_tokenizer_is_control(tokenizer, tokens[i]) || out.failed)
            continue;
        begun = true;
        if (tokenizer->strip && out.size > at && out.data[at] == ' ') {
            memmove(out.data + at, out.data + at + 1, out.size - at);
            out.size--;
        }
    }
    if (out.failed) {
        qb_text_free(&out);
        return qb_fail(err, QB_ERR_MEMORY, "no memory for a decoded text");
    }
    *text = out.data;
    *size = out.size;
    return QB_OK;
}

/* ---- what is known of it ---- */

size_t qb_tokenizer_vocab(const struct qb_tokenizer *tokenizer)
{
    return tokenizer->vocab.count;
}

int32_t qb_tokenizer_bos(const struct qb_tokenizer *tokenizer)
{
    return tokenizer->bos;
}

int32_t qb_tokenizer_eos(const struct qb_tokenizer *tokenizer)
{
    return tokenizer->eos;
}

bool qb_tokenizer_ends(const struct qb_tokenizer *tokenizer, int32_t id)
{
    for (size_t i = 0; i < tokenizer->ends_count; i++)
        if (tokenizer->ends[i] == id)
            return true;
    return false;
}

bool qb_tokenizer_is_control(const struct qb_tokenizer *tokenizer, int32_t id)
{
    return has_token(tokenizer, id) && tokenizer->vocab.tokens[id].kind == QB_TOKEN_CONTROL;
}

int32_t qb_tokenizer_added(const struct qb_tokenizer *tokenizer, const char *text)
{
    for (size_t i = 0; i < tokenizer->added_count; i++) {
        int32_t id = tokenizer->added[i].id;
        if (tokenizer->vocab.tokens[id].size == strlen(text) &&
            memcmp(qb_vocab_bytes(&tokenizer->vocab, (size_t)id), text, strlen(text)) == 0)
            return id;
    }
    return -1;
}

const char *qb_tokenizer_chat_template(const struct qb_tokenizer *tokenizer)
{
    return tokenizer->chat_template;
}
