#include <string.h>
#include "base/mem.h"
#include "tokenizer/tokenizer_parts.h"

enum qb_status qb_pieces_add(struct qb_pieces *pieces, int32_t id, struct qb_error *err)
{
    int32_t *ids = qb_grow(pieces->ids, pieces->count + 1, sizeof *ids, "tokens", err);
    if (!ids)
        return err->status;
    pieces->ids = ids;
    ids[pieces->count++] = id;
    return QB_OK;
}

void qb_pieces_free(struct qb_pieces *pieces)
{
    qb_free(pieces->ids);
    qb_free(pieces->symbols);
    qb_free(pieces->pairs);
    qb_free(pieces->nodes);
    *pieces = (struct qb_pieces){0};
}

enum qb_status qb_pieces_fall_back(const struct qb_tokenizer *tokenizer, struct qb_pieces *pieces, const char *text,
                                   size_t size, bool *unknown, struct qb_error *err)
{
    bool bytes = tokenizer->byte_fallback;
    for (size_t i = 0; i < size; i++)
        bytes = bytes && tokenizer->byte_token[(unsigned char)text[i]] >= 0;
    for (size_t i = 0; bytes && i < size && !err->status; i++)
        qb_pieces_add(pieces, tokenizer->byte_token[(unsigned char)text[i]], err);
    if (!bytes && tokenizer->unknown >= 0 && !(*unknown && tokenizer->fuse_unknown))
        qb_pieces_add(pieces, tokenizer->unknown, err);
    *unknown = !bytes;
    return err->status;
}
