#include "chunk_text.h"

#include <string.h>

#include "base/mem.h"

enum qb_status qb_chunk_text_open(const struct qb_cell_env *env, const char *experiment, struct qb_chunk_text *text,
                                  struct qb_error *err)
{
    const struct qb_inputs *in = env->inputs;
    *text = (struct qb_chunk_text){in->text, NULL, in->chunks, in->context};
    if (!in->text)
        return qb_fail(err, QB_ERR_INPUT, "model '%s' has no text; give `corpus` to the model or to %s",
                       env->model->name, experiment);
    if (in->context < 4)
        return qb_fail(err, QB_ERR_INPUT, "a context of %zu tokens; %s needs 4 or more", in->context, experiment);
    if (in->bos < 0)
        return QB_OK;
    text->own = qb_alloc(in->chunks * in->context, sizeof *text->own, "text with BOS", err);
    if (!text->own)
        return err->status;
    memcpy(text->own, in->text, in->chunks * in->context * sizeof *text->own);
    for (size_t c = 0; c < in->chunks; c++)
        text->own[c * in->context] = in->bos;
    text->tokens = text->own;
    return QB_OK;
}

void qb_chunk_text_close(struct qb_chunk_text *text)
{
    qb_free(text->own);
    text->own = NULL;
}
