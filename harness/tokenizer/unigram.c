/* SentencePiece's unigram model: the cut of a piece into tokens with the greatest sum of scores (Viterbi; Kudo 2018),
 * in double precision, the first found of equal sums. */
#include "base/mem.h"
#include "tokenizer/tokenizer_parts.h"

struct node { /* the best way to a place */
    double score;
    uint32_t from;
    int32_t id; /* -1: a character without a token; -2: not reached */
};

static void offer(struct node *nodes, uint32_t from, size_t to, int32_t id, double score)
{
    if (nodes[to].id == -2 || score > nodes[to].score)
        nodes[to] = (struct node){score, from, id};
}

static void search(const struct qb_tokenizer *tokenizer, struct node *nodes, const char *text, size_t size)
{
    for (size_t i = 1; i <= size; i++)
        nodes[i].id = -2;
    nodes[0] = (struct node){0, 0, -1};
    for (size_t at = 0, length; at < size; at += length) {
        struct qb_walk walk = {0};
        const struct qb_word *word;
        uint32_t point;
        bool single = false;
        length = qb_utf8_sequence(text + at, size - at, &point);
        length = length ? length : 1;
        while ((word = qb_words_next(&tokenizer->pieces, &walk, text + at, size - at))) {
            offer(nodes, (uint32_t)at, at + word->size, word->id, nodes[at].score + tokenizer->scores[word->id]);
            single = single || word->size == length;
        }
        if (!single)
            offer(nodes, (uint32_t)at, at + length, -1, nodes[at].score + tokenizer->unknown_score);
    }
}

/* Turns the way back from the end round: from holds, at each place on it, where the next token ends. */
static void turn(struct node *nodes, size_t size)
{
    uint32_t to = (uint32_t)size;
    int32_t id = nodes[size].id;
    for (uint32_t at = nodes[size].from;;) {
        struct node here = nodes[at];
        nodes[at].from = to;
        nodes[at].id = id;
        if (at == 0)
            return;
        to = at;
        id = here.id;
        at = here.from;
    }
}

enum qb_status qb_unigram_piece(const struct qb_tokenizer *tokenizer, struct qb_pieces *pieces, const char *text,
                                size_t size, struct qb_error *err)
{
    bool unknown = false;
    if (size >= UINT32_MAX)
        return qb_fail(err, QB_ERR_INPUT, "a piece of %zu bytes of text is too long for the tokenizer", size);
    struct node *nodes = qb_grow(pieces->nodes, size + 1, sizeof *nodes, "tokenizer paths", err);
    if (!nodes)
        return err->status;
    pieces->nodes = nodes;
    search(tokenizer, nodes, text, size);
    turn(nodes, size);
    for (uint32_t at = 0, to; at < size && !err->status; at = to) {
        to = nodes[at].from;
        if (nodes[at].id >= 0) {
            unknown = false;
            qb_pieces_add(pieces, nodes[at].id, err);
        } else {
            qb_pieces_fall_back(tokenizer, pieces, text + at, to - at, &unknown, err);
        }
    }
    return err->status;
}
