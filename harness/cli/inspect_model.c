#include "inspect_model.h"

#include <string.h>
#include "base/layout.h"
#include "base/mem.h"
#include "model/convert.h"
#include "tokenizer/tokenizer.h"
#include "weights_table.h"

/* A text of the file as one clean line. */
static void add_clean(struct qb_text *out, const char *text)
{
    qb_clean_bytes(out, text, strlen(text), QB_CLEAN_LINE);
}

static void add_tensors(const struct qb_weights *weights, struct qb_text *out)
{
    size_t values = 0;
    for (size_t i = 0; i < qb_weights_count(weights); i++) {
        const struct qb_source_tensor *t = qb_weights_at(weights, i);
        const size_t from = out->size;
        add_clean(out, t->name);
        for (size_t n = out->data ? qb_width(out->data + from) : 36; n < 36; n++)
            qb_text_add(out, " ");
        qb_text_add(out, " %-5s ", t->type);
        for (size_t d = 0; d < t->rank; d++)
            qb_text_add(out, "%s%zu", d ? " x " : "", t->dims[d]);
        qb_text_add(out, "\n");
        values += t->rows * t->cols;
    }
    qb_text_add(out, "%zu tensors, %zu weights: ", qb_weights_count(weights), values);
    qb_weights_print_types(weights, out);
    qb_text_add(out, " (the reference is the dequantised file: FP32 arithmetic on exactly these values)\n");
}

/* A tokenizer that cannot be read is no fault of the weights: why is said. */
static void add_tokenizer(const char *path, struct qb_text *out)
{
    struct qb_tokenizer *tokenizer = NULL;
    struct qb_error err = {0};
    qb_text_add(out, "\n%-14s ", "");
    if (qb_tokenizer_open(path, &tokenizer, &err))
        add_clean(out, err.message);
    else
        qb_tokenizer_print(tokenizer, out);
    qb_tokenizer_free(tokenizer);
}

static void add_options(const struct qb_model *model, struct qb_text *out)
{
    const char *option;
    qb_text_add(out, "%-14s %s\n", "architecture", model->arch.name);
    qb_text_add(out, "%-14s %zu\n%-14s %zu\n%-14s %zu\n", "vocab", model->arch.vocab, "hidden", model->arch.hidden,
                "layers", model->arch.layers);
    for (size_t i = 0; (option = qb_arch_option(i)); i++) {
        struct qb_text text = {0};
        if (qb_arch_option_applies(&model->arch, i) && qb_arch_option_print(&model->arch, i, &text) && text.data) {
            const size_t most = qb_utf8_upto(text.data, 80);
            qb_text_add(out, "%-14s %.*s%s\n", option, (int)most, text.data, text.data[most] ? " ..." : "");
        }
        qb_text_free(&text);
    }
    qb_text_add(out, "%-14s ", "tokenizer");
    add_clean(out, model->tokenizer ? model->tokenizer : "none");
    if (model->tokenizer)
        add_tokenizer(model->tokenizer, out);
    qb_text_add(out, "\n%-14s %s\n", "sha256", model->sha256);
}

/* Exact zeros of the matrices by role, in the order of the file. A logarithmic code has none (docs/zoo.md, "Zeros"). */
static void add_zeros(const struct qb_model *model, struct qb_text *out)
{
    const struct qb_tensor *tensors = model->tensors;
    const uint32_t vector = QB_ROLE_NORM | QB_ROLE_BIAS;
    bool any = false;
    for (size_t i = 0; i < model->tensor_count; i++) {
        size_t values = 0, zeros = 0, rows = 0, first = 0;
        while (tensors[first].roles != tensors[i].roles)
            first++;
        for (size_t k = first; first == i && !(tensors[i].roles & vector) && k < model->tensor_count; k++)
            if (tensors[k].roles == tensors[i].roles) {
                values += tensors[k].rows * tensors[k].cols;
                zeros += tensors[k].zeros;
                rows += tensors[k].zero_rows;
            }
        if (zeros == 0)
            continue;
        qb_text_add(out, "%-14s ", any ? "" : "zeros");
        qb_role_print(tensors[i].roles, out);
        qb_text_add(out, ": %zu of %zu weights are exactly 0 (%.3g%%)", zeros, values,
                    100 * (double)zeros / (double)values);
        if (rows > 0)
            qb_text_add(out, ", %zu row%s hold%s nothing else", rows, rows == 1 ? "" : "s", rows == 1 ? "s" : "");
        qb_text_add(out, "\n");
        any = true;
    }
    if (!any)
        qb_text_add(out, "%-14s no weight of a matrix is exactly 0\n", "zeros");
}

static enum qb_status add_model(const struct qb_model *model, struct qb_text *out, struct qb_error *err)
{
    struct qb_converted *rows = NULL;
    size_t count = 0;
    add_options(model, out);
    if (model->copy_count)
        qb_text_add(out, "%-14s %zu matrices, which lie transposed in the file\n", "copied", model->copy_count);
    for (size_t i = 0; i < model->tensor_count; i++)
        if (model->tensors[i].beyond_f16)
            qb_text_add(out, "%s: %zu of %zu values are beyond F16's largest, 65504\n", model->tensors[i].name,
                        model->tensors[i].beyond_f16, model->tensors[i].rows * model->tensors[i].cols);
    add_zeros(model, out);
    if (!qb_model_stored(model, &rows, &count, err))
        qb_weights_table(rows, count, QB_OUTPUT_CONSOLE, out);
    qb_free(rows);
    return err->status;
}

/* What a model may be, from the tables that refuse another. */
static void add_supported(struct qb_text *out)
{
    qb_text_add(out, "supported      families: ");
    qb_family_names(false, out);
    qb_text_add(out, " (qinsbench list families)\n%-14s types of tensors: ", "");
    qb_weights_print_known(out);
    qb_text_add(out,
                "\n%-14s tokenizer.json: " QB_TOKENIZER_JSON_KINDS
                "; GGUF's tokenizer.ggml.model: " QB_TOKENIZER_GGUF_KINDS "\n",
                "");
}

enum qb_status qb_inspect_model(const char *path, const struct qb_registry *registry, enum qb_isa isa,
                                struct qb_text *out, struct qb_error *err)
{
    static const char *const sources[] = {[QB_SOURCE_GENERATOR] = "generator",
                                          [QB_SOURCE_OWN] = "safetensors",
                                          [QB_SOURCE_HUGGINGFACE] = "Hugging Face folder",
                                          [QB_SOURCE_GGUF] = "GGUF"};
    struct qb_weights *weights = NULL;
    struct qb_model *model = NULL;
    if (qb_weights_open(path, &weights, err))
        return err->status;
    add_tensors(weights, out);
    qb_text_add(out, "%-14s %s, %zu bytes\n", "source", sources[qb_weights_source(weights)], qb_weights_bytes(weights));
    qb_weights_free(weights);
    if (qb_model_open(path, registry, isa, &model, err))
        add_supported(out);
    else
        add_model(model, out, err);
    qb_model_free(model);
    return err->status;
}
