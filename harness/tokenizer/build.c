/* Putting a tokenizer together, from whatever file. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "tokenizer/tokenizer_parts.h"

enum qb_status qb_tokenizer_new(struct qb_tokenizer **tokenizer, struct qb_error *err)
{
    struct qb_tokenizer *new = qb_alloc(1, sizeof *new, "tokenizer", err);
    if (!new)
        return err->status;
    new->unknown = new->bos = new->eos = -1;
    *tokenizer = new;
    return QB_OK;
}

void qb_tokenizer_free(struct qb_tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    qb_vocab_free(&tokenizer->vocab);
    qb_free(tokenizer->merges);
    qb_free(tokenizer->scores);
    qb_free(tokenizer->ranks);
    qb_free(tokenizer->pieces.words);
    qb_free(tokenizer->raw.words);
    qb_free(tokenizer->normalized.words);
    for (size_t i = 0; i < tokenizer->normal_count; i++)
        qb_normal_free(&tokenizer->normal[i]);
    for (size_t i = 0; i < tokenizer->split_count; i++)
        qb_pattern_free(tokenizer->split[i].pattern);
    for (size_t i = 0; i < tokenizer->added_count; i++)
        qb_free(tokenizer->added[i].text);
    qb_free(tokenizer->added);
    qb_free(tokenizer->chat_template);
    qb_free(tokenizer);
}

/* ---- byte-level spelling ---- */

static bool printable(unsigned byte)
{
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

/* The byte that a character stands for, or -1. The 68 bytes that are not printable are 0 to 32, 127 to 160, and 173. */
static int byte_of(uint32_t point)
{
    if (point < 256)
        return printable(point) ? (int)point : -1;
    if (point >= 324)
        return -1;
    unsigned nth = point - 256;
    return (int)(nth < 33 ? nth : nth < 67 ? nth - 33 + 127 : 173);
}

/* The bytes that a byte-level token's text stands for, into out (at least size bytes); -1 when it has another
 * character.
 */
static long bytes_of(const char *text, size_t size, char *out)
{
    long count = 0;
    for (size_t at = 0, length; at < size; at += length) {
        uint32_t point;
        length = qb_utf8_sequence(text + at, size - at, &point);
        int byte = length ? byte_of(point) : -1;
        if (byte < 0)
            return -1;
        out[count++] = (char)byte;
    }
    return count;
}

void qb_byte_level_spell(const char *bytes, size_t size, struct qb_text *out)
{
    for (size_t i = 0; i < size; i++) {
        unsigned byte = (unsigned char)bytes[i];
        unsigned point = printable(byte) ? byte : byte < 33 ? 256 + byte : byte < 161 ? 256 + byte - 127 + 33 : 323;
        char character[2] = {(char)(point < 0x80 ? point : 0xc0 | point >> 6), (char)(0x80 | (point & 63))};
        qb_text_bytes(out, character, point < 0x80 ? 1 : 2);
    }
}

/* ---- tokens and merges ---- */

enum qb_status qb_tokenizer_put(struct qb_tokenizer *tokenizer, size_t id, const char *text, size_t size,
                                enum qb_token_kind kind, struct qb_error *err)
{
    char bytes[QB_TOKEN_BYTES_MAX];
    bool in_model = kind == QB_TOKEN_TEXT || kind == QB_TOKEN_ADDED;
    if (tokenizer->byte_level && kind == QB_TOKEN_TEXT) {
        long length = size > sizeof bytes ? -1 : bytes_of(text, size, bytes);
        if (length >= 0)
            return qb_vocab_put(&tokenizer->vocab, id, bytes, (size_t)length, kind, true, err);
        kind = QB_TOKEN_ADDED; /* no byte-level text: no piece of a text is it */
        in_model = false;
    }
    return qb_vocab_put(&tokenizer->vocab, id, text, size, kind, in_model, err);
}

enum qb_status qb_tokenizer_merges(struct qb_tokenizer *tokenizer, size_t count, struct qb_error *err)
{
    if (count > UINT32_MAX / 4)
        return qb_fail(err, QB_ERR_INPUT, "%zu merges, expected fewer", count);
    for (tokenizer->slots = 16; tokenizer->slots < 2 * count;)
        tokenizer->slots *= 2;
    tokenizer->merges = qb_alloc(tokenizer->slots, sizeof *tokenizer->merges, "merges", err);
    for (size_t i = 0; tokenizer->merges && i < tokenizer->slots; i++)
        tokenizer->merges[i].left = -1;
    return err->status;
}

enum qb_status qb_tokenizer_merge(struct qb_tokenizer *tokenizer, size_t rank, const char *left, size_t left_size,
                                  const char *right, size_t right_size, struct qb_error *err)
{
    char both[2 * QB_TOKEN_BYTES_MAX];
    long a = -1, b = -1;
    if (left_size <= QB_TOKEN_BYTES_MAX && right_size <= QB_TOKEN_BYTES_MAX) {
        if (tokenizer->byte_level) {
            a = bytes_of(left, left_size, both);
            b = a < 0 ? -1 : bytes_of(right, right_size, both + a);
        } else {
            memcpy(both, left, left_size);
            memcpy(both + left_size, right, right_size);
            a = (long)left_size;
            b = (long)right_size;
        }
    }
    struct merge merge = {.id = -1, .rank = (uint32_t)rank};
    merge.left = a < 0 ? -1 : qb_vocab_find(&tokenizer->vocab, both, (size_t)a);
    merge.right = b < 0 ? -1 : qb_vocab_find(&tokenizer->vocab, both + a, (size_t)b);
    if (merge.left >= 0 && merge.right >= 0)
        merge.id = qb_vocab_find(&tokenizer->vocab, both, (size_t)(a + b));
    if (merge.id < 0) {
        bool second = merge.left >= 0 && merge.right < 0;
        return qb_fail(err, QB_ERR_INPUT, "merges: entry %zu: '%.*s'%s is not in the vocabulary", rank,
                       (int)(second ? right_size : left_size), second ? right : left,
                       merge.right >= 0 && merge.left >= 0 ? " with what it is merged with" : "");
    }
    struct merge *slot = merge_slot(tokenizer, merge.left, merge.right);
    if (slot->left >= 0)
        return qb_fail(err, QB_ERR_INPUT, "merges: entry %zu repeats entry %u", rank, slot->rank);
    *slot = merge;
    return QB_OK;
}
