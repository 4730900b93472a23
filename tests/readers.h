/* Each reader of strangers' files, taken to its end: what tests that mutate files and fuzzing (tests/fuzz) both call.
 */
#ifndef QB_TEST_READERS_H
#define QB_TEST_READERS_H

#include <jansson.h>
#include "base/mem.h"
#include "base/record.h"
#include "base/text.h"
#include "model/model.h"
#include "store/store.h"
#include "tokenizer/tokenizer.h"
#include "weights/weights.h"

static inline enum qb_status read_value(void *context, size_t index, const char *text, size_t size, double number,
                                        struct qb_error *e)
{
    uint32_t *sum = context;
    (void)e;
    for (size_t i = 0; i < size; i++)
        *sum += (uint8_t)text[i];
    *sum += (uint32_t)index + (number > 0);
    return QB_OK;
}

/* Some bytes of each plain tensor, the last row of each encoded one. */
static inline void read_tensors(struct qb_weights *weights, const struct qb_registry *plugins, struct qb_error *e)
{
    enum { WIDE = 1 << 16 };
    float *row = qb_alloc(WIDE, sizeof *row, "row", e);
    if (!row || qb_weights_formats(weights, plugins, QB_ISA_PORTABLE, e)) {
        qb_free(row);
        return;
    }
    for (size_t i = 0; i < qb_weights_count(weights); i++) {
        const struct qb_source_tensor *t = qb_weights_at(weights, i);
        struct qb_error each = {0}; /* whatever it decodes to */
        if (t->format && t->cols <= WIDE)
            qb_decode(t->format, t->rows, t->cols, t->bytes, t->size, t->rows - 1, 1, row, &each);
        for (size_t k = 0; !t->format && k < t->size; k += 64)
            (void)((const volatile uint8_t *)t->bytes)[k];
    }
    qb_free(row);
}

/* A file or folder of weights: all that it offers. */
static inline void read_weights(const char *path, const struct qb_registry *plugins, struct qb_error *e)
{
    struct qb_weights *weights = NULL;
    const char *key;
    json_t *value;
    uint32_t sum = 0;
    if (qb_weights_open(path, &weights, e))
        return;
    json_object_foreach((json_t *)(uintptr_t)qb_weights_config(weights), key, value)
    {
        size_t count;
        if (!e->status && qb_weights_array(weights, key, &count))
            qb_weights_array_each(weights, key, read_value, &sum, e);
    }
    if (!e->status)
        read_tensors(weights, plugins, e);
    qb_weights_free(weights);
}

/* That, then the same as a model. e: of the model, or of memory. */
static inline void read_model(const char *path, const struct qb_registry *plugins, struct qb_error *e)
{
    struct qb_model *model = NULL;
    read_weights(path, plugins, e);
    if (e->status == QB_ERR_MEMORY || e->status == QB_ERR_INTERNAL)
        return;
    *e = (struct qb_error){0};
    if (!qb_model_open(path, plugins, QB_ISA_PORTABLE, &model, e))
        qb_model_free(model);
}

/* There and back; flags: enum qb_encode_flags. */
static inline void read_text(const struct qb_tokenizer *tokenizer, const char *text, size_t size, unsigned flags,
                             struct qb_error *e)
{
    int32_t *tokens = NULL;
    char *back = NULL;
    size_t count = 0, back_size = 0;
    struct qb_text line = {0};
    if (!qb_tokenizer_encode(tokenizer, text, size, flags, &tokens, &count, e) &&
        !qb_tokenizer_decode(tokenizer, tokens, count, &back, &back_size, e))
        for (size_t i = 0; i < count; i++) {
            if (tokens[i] < 0 || (size_t)tokens[i] >= qb_tokenizer_vocab(tokenizer))
                qb_fail(e, QB_ERR_INTERNAL, "token %d of %zu", (int)tokens[i], qb_tokenizer_vocab(tokenizer));
            if (i < 1000)
                qb_tokenizer_spell(tokenizer, tokens[i], &line);
        }
    qb_text_free(&line);
    qb_free(tokens);
    qb_free(back);
}

/* A file with a tokenizer. e: why it is refused; a text that it does not take is no fault of the file. */
static inline void read_tokenizer(const char *path, struct qb_error *e)
{
    static const char text[] =
        "In the beginning <s> [x] <|begin|>1234 caf\xc3\xa9 e\xcc\x81 \xe2\x91\xa0 \xff\xe2\x96\x81 x ab\tcd\0\n";
    struct qb_tokenizer *tokenizer = NULL;
    struct qb_text line = {0};
    struct qb_error used = {0};
    if (qb_tokenizer_open(path, &tokenizer, e))
        return;
    read_text(tokenizer, text, sizeof text - 1, QB_ENCODE_SPECIAL | QB_ENCODE_AFFIXES, &used);
    qb_tokenizer_print(tokenizer, &line);
    qb_text_free(&line);
    qb_tokenizer_free(tokenizer);
    if (used.status == QB_ERR_MEMORY || used.status == QB_ERR_INTERNAL)
        *e = used;
}

/* A result file as commands read it: its cells, then all arrays. true: it was opened, and e is of what then was read.
 */
static inline bool read_result(const char *path, struct qb_error *e)
{
    struct qb_result *result = NULL;
    if (qb_result_open(path, &result, e))
        return false;
    for (size_t i = 0; i < qb_result_count(result) && !e->status; i++) {
        struct qb_record record = {0};
        qb_result_record(result, i, &record, e);
        qb_record_free(&record);
    }
    qb_result_close(result);
    return true;
}

#endif
