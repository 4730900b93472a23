#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "base/mem.h"
#include "base/text_format.h"
#include "model/half.h"
#include "model/model_parts.h"

static void add_options(const struct qb_model *model, struct qb_text *out)
{
    const char *option, *license = qb_weights_license(model->weights);
    qb_text_add(out, "\"format\":\"qinsbench\",\"architecture\":\"%s\"", model->arch.name);
    for (size_t i = 0; (option = qb_arch_option(i)); i++) {
        struct qb_text text = {0};
        if (qb_arch_option_print(&model->arch, i, &text))
            qb_text_add(out, ",\"%s\":\"%s\"", option, text.data ? text.data : "");
        out->failed = out->failed || text.failed;
        qb_text_free(&text);
    }
    if (model->tokenizer) {
        const char *slash = strrchr(model->tokenizer, '/');
        qb_text_add(out, ",\"tokenizer\":");
        qb_json_string(out, slash ? slash + 1 : model->tokenizer);
    }
    qb_text_add(out, ",\"origin\":");
    qb_json_string(out, model->origin);
    if (license) {
        qb_text_add(out, ",\"license\":");
        qb_json_string(out, license);
    }
}

/* Values of four bytes come first, then of two, then encoded bytes: each lies at a multiple of its size. */
static size_t unit_of(const struct stored_tensor *stored)
{
    return stored->encoding ? 1 : strcmp(stored->dtype, "F32") == 0 ? 4 : 2;
}

static void add_shape(const struct qb_tensor *tensor, const struct stored_tensor *stored, struct qb_text *out)
{
    if (stored->encoding)
        qb_text_add(out, "%zu", stored->size);
    else if (tensor->roles & (QB_ROLE_BIAS | QB_ROLE_NORM))
        qb_text_add(out, "%zu", tensor->cols);
    else
        qb_text_add(out, "%zu,%zu", tensor->rows, tensor->cols);
}

static void add_encodings(const struct qb_model *model, const struct stored_tensor *stored, struct qb_text *out)
{
    for (size_t i = 0; i < model->tensor_count; i++) {
        const struct qb_tensor *tensor = &model->tensors[i];
        struct qb_text text = {0};
        if (!stored[i].encoding)
            continue;
        qb_encoding_print(stored[i].encoding, tensor->rows, tensor->cols, &text);
        qb_text_add(out, ",\"encoded.%s\":", tensor->name);
        qb_json_string(out, text.data);
        out->failed = out->failed || text.failed;
        qb_text_free(&text);
    }
}

void model_begin_header(struct qb_text *out)
{
    qb_text_bytes(out, "\0\0\0\0\0\0\0\0", 8);
    qb_text_add(out, "{\"__metadata__\":{");
}

void model_end_header(struct qb_text *out)
{
    qb_text_add(out, "}");
    while (out->size % 8 && !out->failed)
        qb_text_add(out, " ");
    for (size_t i = 0; i < 8 && !out->failed; i++)
        out->data[i] = (char)(unsigned char)((out->size - 8) >> (8 * i));
}

static void make_header(const struct qb_model *model, const struct stored_tensor *stored, struct qb_text *out)
{
    size_t at = 0;
    model_begin_header(out);
    add_options(model, out);
    add_encodings(model, stored, out);
    qb_text_add(out, "}");
    for (size_t unit = 4; unit; unit /= 2)
        for (size_t i = 0; i < model->tensor_count; i++) {
            if (unit_of(&stored[i]) != unit)
                continue;
            qb_text_add(out, ",");
            qb_json_string(out, model->tensors[i].name);
            qb_text_add(out, ":{\"dtype\":\"%s\",\"shape\":[", stored[i].dtype);
            add_shape(&model->tensors[i], &stored[i], out);
            qb_text_add(out, "],\"data_offsets\":[%zu,%zu]}", at, at + stored[i].size);
            at += stored[i].size;
        }
    model_end_header(out);
}

struct writing {
    const struct qb_model *model;
    const struct stored_tensor *stored;
    write_tensor_fn *write;
    void *context;
};

static enum qb_status write_all(void *context, FILE *file, struct qb_error *err)
{
    const struct writing *w = context;
    struct qb_text header = {0};
    make_header(w->model, w->stored, &header);
    if (header.failed)
        qb_fail(err, QB_ERR_MEMORY, "no memory for the header");
    else
        qb_file_put(file, header.data, header.size, err);
    qb_text_free(&header);
    for (size_t unit = 4; unit; unit /= 2)
        for (size_t i = 0; i < w->model->tensor_count && !err->status; i++)
            if (unit_of(&w->stored[i]) == unit && w->write(w->context, i, file, err))
                qb_wrap(err, "tensor %s", w->model->tensors[i].name);
    return err->status;
}

enum qb_status model_write(const struct qb_model *model, const struct stored_tensor *stored, write_tensor_fn *write,
                           void *context, const char *path, struct qb_error *err)
{
    return qb_file_write(path, write_all, &(struct writing){model, stored, write, context}, err);
}

/* The bytes of n values, into bytes[4 * n]; their size, or 0 with err set where one is beyond F16. */
static size_t values_to_bytes(const float *x, size_t n, bool f16, uint8_t *bytes, struct qb_error *err)
{
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        if (f16 && ((bits = float_to_half(x[i])) & 0x7fff) == 0x7c00) {
            qb_fail(err, QB_ERR_INPUT, "%g is too large for F16", (double)x[i]);
            return 0;
        }
        for (size_t b = 0; b < (f16 ? 2u : 4u); b++)
            bytes[used++] = (uint8_t)(bits >> (8 * b));
    }
    return used;
}

struct saving {
    const struct qb_model *model;
    bool f16;
};

static enum qb_status write_values(void *context, size_t index, FILE *file, struct qb_error *err)
{
    const struct saving *saving = context;
    const struct qb_tensor *tensor = &saving->model->tensors[index];
    size_t panel = qb_panel_rows(tensor->rows, tensor->cols), size = panel * tensor->cols;
    float *x = qb_alloc(size, sizeof *x, "a panel of weights", err);
    uint8_t *bytes = qb_alloc(size, 4, "a panel's bytes", err);
    for (size_t row = 0; !err->status && row < tensor->rows; row += panel) {
        size_t count = panel < tensor->rows - row ? panel : tensor->rows - row, used = 0;
        if (!qb_tensor_rows(tensor, row, count, x, err) &&
            (used = values_to_bytes(x, count * tensor->cols, saving->f16, bytes, err)))
            qb_file_put(file, bytes, used, err);
    }
    qb_free(x);
    qb_free(bytes);
    return err->status;
}

enum qb_status qb_model_save(const struct qb_model *model, bool f16, const char *path, struct qb_error *err)
{
    struct saving saving = {model, f16};
    struct stored_tensor *stored = qb_alloc(model->tensor_count, sizeof *stored, "list of tensors", err);
    for (size_t i = 0; stored && i < model->tensor_count; i++)
        stored[i] = (struct stored_tensor){f16 ? "F16" : "F32", NULL,
                                           model->tensors[i].rows * model->tensors[i].cols * (f16 ? 2 : 4)};
    if (stored)
        model_write(model, stored, write_values, &saving, path, err);
    qb_free(stored);
    return err->status;
}
