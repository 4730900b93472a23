#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/mem.h"
#include "base/text_format.h"
#include "model/half.h"
#include "model/model.h"

static void add_options(const struct qb_model *model, struct qb_text *out)
{
    const char *option;
    qb_text_add(out, "\"__metadata__\":{\"format\":\"qinsbench\",\"architecture\":\"%s\"", model->arch.name);
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
    qb_text_add(out, "}");
}

/* The 8 length bytes and the header, padded so that the data begin at a multiple of 8. */
static void make_header(const struct qb_model *model, bool f16, struct qb_text *out)
{
    size_t at = 0;
    qb_text_bytes(out, "\0\0\0\0\0\0\0\0", 8);
    qb_text_add(out, "{");
    add_options(model, out);
    for (size_t i = 0; i < model->tensor_count; i++) {
        const struct qb_tensor *tensor = &model->tensors[i];
        size_t size = tensor->rows * tensor->cols * (f16 ? 2 : 4);
        bool vector = tensor->roles & (QB_ROLE_BIAS | QB_ROLE_NORM);
        qb_text_add(out, ",");
        qb_json_string(out, tensor->name);
        qb_text_add(out, ":{\"dtype\":\"%s\",\"shape\":[", f16 ? "F16" : "F32");
        if (!vector)
            qb_text_add(out, "%zu,", tensor->rows);
        qb_text_add(out, "%zu],\"data_offsets\":[%zu,%zu]}", tensor->cols, at, at + size);
        at += size;
    }
    qb_text_add(out, "}");
    while (out->size % 8 && !out->failed)
        qb_text_add(out, " ");
    for (size_t i = 0; i < 8 && !out->failed; i++)
        out->data[i] = (char)(unsigned char)((out->size - 8) >> (8 * i));
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

static enum qb_status write_tensor(FILE *file, const struct qb_tensor *tensor, bool f16, struct qb_error *err)
{
    size_t panel = qb_panel_rows(tensor->rows, tensor->cols), size = panel * tensor->cols;
    float *x = qb_alloc(size, sizeof *x, "a panel of weights", err);
    uint8_t *bytes = qb_alloc(size, 4, "a panel's bytes", err);
    for (size_t row = 0; !err->status && row < tensor->rows; row += panel) {
        size_t count = panel < tensor->rows - row ? panel : tensor->rows - row, used = 0;
        if (qb_tensor_rows(tensor, row, count, x, err) ||
            !(used = values_to_bytes(x, count * tensor->cols, f16, bytes, err)))
            qb_wrap(err, "tensor %s", tensor->name);
        else if (fwrite(bytes, 1, used, file) != used)
            qb_fail(err, QB_ERR_IO, "%s", strerror(errno));
    }
    qb_free(x);
    qb_free(bytes);
    return err->status;
}

static enum qb_status write_all(const struct qb_model *model, bool f16, FILE *file, struct qb_error *err)
{
    struct qb_text header = {0};
    make_header(model, f16, &header);
    if (header.failed)
        qb_fail(err, QB_ERR_MEMORY, "no memory for the header");
    else if (fwrite(header.data, 1, header.size, file) != header.size)
        qb_fail(err, QB_ERR_IO, "%s", strerror(errno));
    qb_text_free(&header);
    for (size_t i = 0; i < model->tensor_count && !err->status; i++)
        write_tensor(file, &model->tensors[i], f16, err);
    if (!err->status && fflush(file) != 0)
        qb_fail(err, QB_ERR_IO, "%s", strerror(errno));
    return err->status;
}

enum qb_status qb_model_save(const struct qb_model *model, bool f16, const char *path, struct qb_error *err)
{
    char temp[4096];
    int size = snprintf(temp, sizeof temp, "%s.%ld.tmp", path, (long)getpid());
    if (size < 0 || (size_t)size >= sizeof temp)
        return qb_fail(err, QB_ERR_INPUT, "%s: the path is too long", path);
    FILE *file = fopen(temp, "wb");
    if (!file)
        return qb_fail(err, QB_ERR_IO, "%s: %s", temp, strerror(errno));
    write_all(model, f16, file, err);
    if (fclose(file) != 0 && !err->status)
        qb_fail(err, QB_ERR_IO, "%s", strerror(errno));
    if (!err->status && !qb_file_commit(temp, path, err))
        return QB_OK;
    unlink(temp);
    return qb_wrap(err, "%s", path);
}
