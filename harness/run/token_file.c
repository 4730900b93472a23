#include "run/token_file.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "tokenizer/tokenizer.h"

static enum qb_status encode(const struct qb_model *model, const char *data, size_t size, unsigned flags,
                             int32_t **tokens, size_t *count, struct qb_error *err)
{
    struct qb_tokenizer *tokenizer = NULL;
    if (!model->tokenizer)
        return qb_fail(err, QB_ERR_INPUT, "model '%s' has no tokenizer to read text with", model->name);
    if (!qb_tokenizer_open(model->tokenizer, &tokenizer, err))
        qb_tokenizer_encode(tokenizer, data, size, flags, tokens, count, err);
    qb_tokenizer_free(tokenizer);
    for (size_t i = 0; !err->status && i < *count; i++)
        if ((*tokens)[i] < 0 || (size_t)(*tokens)[i] >= model->arch.vocab)
            qb_fail(err, QB_ERR_INPUT, "%s: the tokenizer gives token %d, model '%s' has a vocabulary of %zu",
                    model->tokenizer, (*tokens)[i], model->name, model->arch.vocab);
    return err->status;
}

static enum qb_status read_ids(const char *path, const char *data, size_t vocab, int32_t **tokens, size_t *count,
                               struct qb_error *err)
{
    static const char blank[] = " \t\r\n";
    size_t room = 0;
    for (const char *at = data + strspn(data, blank); *at; at += strspn(at, blank)) {
        const size_t digits = strspn(at, "0123456789"), length = strcspn(at, blank);
        const unsigned long id = digits == length && length < 10 ? strtoul(at, NULL, 10) : ULONG_MAX;
        if (id >= vocab)
            return qb_fail(err, QB_ERR_INPUT, "%s: number %zu: expected a token id from 0 to %zu, found '%.*s'", path,
                           *count + 1, vocab - 1, (int)(length < 20 ? length : 20), at);
        if (*count == room) {
            int32_t *grown = qb_grow(*tokens, room = 2 * room + 1024, sizeof *grown, "token ids", err);
            if (!grown)
                return err->status;
            *tokens = grown;
        }
        (*tokens)[(*count)++] = (int32_t)id;
        at += length;
    }
    return QB_OK;
}

enum qb_status qb_token_file_read(const struct qb_model *model, const char *path, struct qb_token_form form,
                                  int32_t **tokens, size_t *count, struct qb_error *err)
{
    const unsigned flags = (form.special ? QB_ENCODE_SPECIAL : 0u) | (form.affixes ? QB_ENCODE_AFFIXES : 0u);
    char *data = NULL;
    size_t size = 0;
    *tokens = NULL;
    *count = 0;
    if (qb_file_read(path, QB_TOKEN_FILE_MAX, &data, &size, err))
        return err->status;
    if (form.ids && strlen(data) < size)
        qb_fail(err, QB_ERR_INPUT, "%s: expected decimal token ids, found a NUL byte", path);
    else if (form.ids)
        read_ids(path, data, model->arch.vocab, tokens, count, err);
    else
        encode(model, data, size, flags, tokens, count, err);
    qb_free(data);
    if (err->status) {
        qb_free(*tokens);
        *tokens = NULL;
    }
    return err->status;
}

enum qb_status qb_token_bos(const struct qb_model *model, int32_t *bos, struct qb_error *err)
{
    struct qb_tokenizer *tokenizer = NULL;
    int32_t *tokens = NULL;
    size_t count = 0;
    *bos = -1;
    if (!model->tokenizer)
        return QB_OK;
    if (!qb_tokenizer_open(model->tokenizer, &tokenizer, err) &&
        !qb_tokenizer_encode(tokenizer, "", 0, QB_ENCODE_AFFIXES, &tokens, &count, err) && count > 0 &&
        tokens[0] == qb_tokenizer_bos(tokenizer) && (size_t)tokens[0] < model->arch.vocab)
        *bos = tokens[0];
    qb_free(tokens);
    qb_tokenizer_free(tokenizer);
    return err->status;
}
