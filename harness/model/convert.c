#include "model/convert.h"

#include <string.h>
#include "base/file.h"
#include "base/mem.h"
#include "compute/linear.h"
#include "model/effect.h"
#include "model/model_parts.h"

/* How one tensor is converted. */
struct treatment {
    const struct qb_format *target; /* NULL: copied as it is */
    bool repeats;                   /* its bytes are of this format already and must come out again */
    size_t row;                     /* of the report */
};

struct work {
    const struct qb_model *model;
    const struct qb_conversion *conversion;
    struct treatment *each;
    struct stored_tensor *stored;
    struct qb_converted *rows;
    size_t row_count;
};

static enum qb_status refuse_variant(const struct qb_model *model, const struct qb_variant *variant,
                                     struct qb_error *err)
{
    struct qb_effect effect = {0};
    const char *why = variant->reversed                 ? "sums its products in another order"
                      : variant->split                  ? "multiplies BF16 terms"
                      : variant->path != QB_PATH_DECODE ? "computes on code values"
                      : variant->calibrated             ? "is calibrated on contexts"
                      : qb_variant_conditions(variant)
                          ? "changes weights before it encodes them, and the inputs of products"
                      : variant->kv_block   ? "encodes keys and values"
                      : variant->act.plugin ? "encodes what goes from a layer to the next"
                                            : NULL;
    if (why)
        return qb_fail(err, QB_ERR_INPUT, "variant %s %s, which no file of weights can hold", variant->name, why);
    if (!qb_effect_of(model, variant, false, &effect, err) && effect.refusal)
        qb_fail(err, QB_ERR_INPUT, "variant %s: %s", variant->name, effect.refusal);
    qb_effect_free(&effect);
    return err->status;
}

static const char *id_of(const struct qb_format *format)
{
    return format ? format->plugin->codec->id : "fp32";
}

/* The dtype of bytes that need no codec of ours to be read; NULL: they do. */
static const char *plain_dtype(const struct qb_format *format)
{
    static const char *const names[][2] = {{"fp32", "F32"}, {"fp16", "F16"}, {"bf16", "BF16"}};
    for (size_t i = 0; i < 3; i++)
        if (strcmp(names[i][0], id_of(format)) == 0)
            return names[i][1];
    return NULL;
}

static bool same_format(const struct qb_format *a, const struct qb_format *b)
{
    struct qb_text first = {0}, second = {0};
    qb_format_print(a, &first);
    qb_format_print(b, &second);
    const bool same = a->plugin == b->plugin && !first.failed && !second.failed &&
                      strcmp(first.data ? first.data : "", second.data ? second.data : "") == 0;
    qb_text_free(&first);
    qb_text_free(&second);
    return same;
}

/* A second loss on top of a first would pass for the loss of one. */
static enum qb_status check_repeat(const struct qb_tensor *tensor, bool force, struct treatment *how,
                                   struct qb_error *err)
{
    const struct qb_format *source = tensor->format;
    if (!source || plain_dtype(source) || force || source->plugin->codec->flags & QB_CODEC_LOSSLESS ||
        how->target->plugin->codec->flags & QB_CODEC_LOSSLESS)
        return QB_OK;
    how->repeats = same_format(source, how->target);
    return how->repeats
               ? QB_OK
               : qb_fail(err, QB_ERR_INPUT,
                         "encoded by %s already: %s would lose a second time (convert --force encodes it all the same)",
                         id_of(source), id_of(how->target));
}

/* The row of the report that the tensor belongs to. */
static size_t row_of(struct work *w, const struct qb_tensor *tensor, const char *store)
{
    const uint32_t vector = QB_ROLE_NORM | QB_ROLE_BIAS, roles = tensor->roles & vector ? vector : tensor->roles;
    size_t i = 0;
    while (i < w->row_count && (w->rows[i].roles != roles || strcmp(w->rows[i].store, store) != 0))
        i++;
    if (i == w->row_count)
        w->rows[w->row_count++] = (struct qb_converted){.roles = roles, .store = store};
    return i;
}

static enum qb_status plan(struct work *w, size_t index, struct qb_error *err)
{
    const struct qb_tensor *tensor = &w->model->tensors[index];
    const struct qb_matrix matrix = qb_tensor_matrix(tensor);
    struct treatment *how = &w->each[index];
    struct qb_cut cuts[QB_CUT_MAX] = {{0}};
    size_t size = tensor->size;
    if (!(tensor->roles & (QB_ROLE_NORM | QB_ROLE_BIAS))) {
        const size_t count = qb_linear_cut(w->conversion->variant, &matrix, cuts);
        if (count > 1)
            return qb_fail(err, QB_ERR_INPUT, "variant %s treats its row blocks differently, a file holds it as one",
                           w->conversion->variant->name);
        how->target = cuts[0].stored;
    }
    if (how->target && (check_repeat(tensor, w->conversion->force, how, err) ||
                        qb_encoded_size(how->target, tensor->rows, tensor->cols, &size, err)))
        return err->status;
    const struct qb_format *format = how->target ? how->target : tensor->format;
    const char *dtype = plain_dtype(format);
    w->stored[index] = (struct stored_tensor){dtype ? dtype : "U8", dtype ? NULL : format, size};
    how->row = row_of(w, tensor, id_of(format));
    w->rows[how->row].tensors++;
    w->rows[how->row].weights += tensor->rows * tensor->cols;
    w->rows[how->row].bytes += size;
    return QB_OK;
}

static enum qb_status plan_all(struct work *w, struct qb_error *err)
{
    const size_t count = w->model->tensor_count;
    w->each = qb_alloc(count, sizeof *w->each, "treatments", err);
    w->stored = qb_alloc(count, sizeof *w->stored, "list of tensors", err);
    w->rows = qb_alloc(count, sizeof *w->rows, "report", err);
    for (size_t i = 0; i < count && !err->status; i++)
        if (plan(w, i, err))
            qb_wrap(err, "tensor %s", w->model->tensors[i].name);
    return err->status;
}

/* What encoding changed; the first reading of the encoded bytes. */
static enum qb_status compare(const struct qb_tensor *tensor, const struct qb_matrix *encoded, struct qb_converted *row,
                              struct qb_error *err)
{
    const size_t cols = tensor->cols, panel = qb_panel_rows(tensor->rows, cols);
    float *before = qb_alloc(panel * cols, sizeof *before, "a panel of weights", err);
    float *after = qb_alloc(panel * cols, sizeof *after, "a panel of decoded weights", err);
    for (size_t at = 0; !err->status && at < tensor->rows; at += panel) {
        const size_t count = panel < tensor->rows - at ? panel : tensor->rows - at;
        if (qb_tensor_rows(tensor, at, count, before, err) ||
            qb_decode(encoded->format, encoded->rows, cols, encoded->bytes, encoded->size, at, count, after, err))
            break;
        for (size_t i = 0; i < count * cols; i++) {
            const double change = (double)after[i] - (double)before[i];
            row->signal += (double)before[i] * (double)before[i];
            row->noise += change * change;
        }
    }
    qb_free(before);
    qb_free(after);
    return err->status;
}

static enum qb_status write_one(void *context, size_t index, FILE *file, struct qb_error *err)
{
    struct work *w = context;
    const struct qb_tensor *tensor = &w->model->tensors[index];
    const struct treatment *how = &w->each[index];
    struct qb_converted *row = &w->rows[how->row];
    struct qb_matrix source = qb_tensor_matrix(tensor), encoded = {0};
    if (!how->target)
        qb_file_put(file, tensor->bytes, tensor->size, err);
    else if (!qb_matrix_encode(&source, 0, tensor->rows, how->target, &encoded, err)) {
        if (how->repeats && (encoded.size != tensor->size || memcmp(encoded.bytes, tensor->bytes, tensor->size) != 0))
            qb_fail(err, QB_ERR_INPUT, "encoded by %s already, and encoding it again gives other bytes",
                    id_of(how->target));
        else if (!compare(tensor, &encoded, row, err))
            qb_file_put(file, encoded.bytes, encoded.size, err);
    }
    qb_free((void *)(uintptr_t)encoded.bytes);
    if (tensor->mapped)
        qb_map_drop(tensor->bytes, tensor->size);
    return err->status;
}

/* Ends the work: the report is the caller's, or gone. */
static enum qb_status finish(struct work *w, struct qb_converted **rows, size_t *count, const struct qb_error *err)
{
    qb_free(w->each);
    qb_free(w->stored);
    *rows = err->status ? NULL : w->rows;
    *count = err->status ? 0 : w->row_count;
    if (err->status)
        qb_free(w->rows);
    return err->status;
}

enum qb_status qb_model_stored(const struct qb_model *model, struct qb_converted **rows, size_t *count,
                               struct qb_error *err)
{
    const struct qb_conversion as_it_is = {0};
    struct work w = {.model = model, .conversion = &as_it_is};
    plan_all(&w, err);
    return finish(&w, rows, count, err);
}

enum qb_status qb_model_convert(const struct qb_model *model, const struct qb_conversion *conversion, const char *path,
                                struct qb_converted **rows, size_t *count, struct qb_error *err)
{
    struct work w = {.model = model, .conversion = conversion};
    struct qb_model named = *model; /* for the metadata */
    named.origin = (char *)(uintptr_t)conversion->origin;
    named.tokenizer = (char *)(uintptr_t)conversion->tokenizer;
    if (!refuse_variant(model, conversion->variant, err) && !plan_all(&w, err))
        model_write(&named, w.stored, write_one, &w, path, err);
    return finish(&w, rows, count, err);
}
