/* The types that tensors have in files. */
#include <string.h>
#include "base/text.h"
#include "weights/weights_parts.h"

#define NONE UINT32_MAX /* GGUF has no such type */

/* safetensors' dtypes of plain numbers and ggml's types (ggml/include/ggml.h, enum ggml_type; block sizes as in
 * ggml-common.h). Those without a codec are known by name alone. */
static const struct qb_tensor_type types[] = {
    {"F32", 0, 1, 4, "fp32"},        {"F16", 1, 1, 2, "fp16"},         {"BF16", 30, 1, 2, "bf16"},
    {"Q4_0", 2, 32, 18, "q4_0"},     {"Q4_1", 3, 32, 20, "q4_1"},      {"Q5_0", 6, 32, 22, "q5_0"},
    {"Q5_1", 7, 32, 24, "q5_1"},     {"Q8_0", 8, 32, 34, "q8_0"},      {"Q2_K", 10, 256, 84, "q2_k"},
    {"Q3_K", 11, 256, 110, "q3_k"},  {"Q4_K", 12, 256, 144, "q4_k"},   {"Q5_K", 13, 256, 176, "q5_k"},
    {"Q6_K", 14, 256, 210, "q6_k"},  {"IQ4_NL", 20, 32, 18, "iq4_nl"}, {"IQ4_XS", 23, 256, 136, "iq4_xs"},
    {"TQ1_0", 34, 256, 54, "tq1_0"}, {"TQ2_0", 35, 256, 66, "tq2_0"},  {"MXFP4", 39, 32, 17, "mxfp4"},
    {"NVFP4", 40, 64, 36, "nvfp4"},  {"Q8_1", 9, 0, 0, NULL},          {"Q8_K", 15, 0, 0, NULL},
    {"IQ2_XXS", 16, 0, 0, NULL},     {"IQ2_XS", 17, 0, 0, NULL},       {"IQ3_XXS", 18, 0, 0, NULL},
    {"IQ1_S", 19, 0, 0, NULL},       {"IQ3_S", 21, 0, 0, NULL},        {"IQ2_S", 22, 0, 0, NULL},
    {"I8", 24, 1, 1, NULL},          {"I16", 25, 1, 2, NULL},          {"I32", 26, 1, 4, NULL},
    {"I64", 27, 1, 8, NULL},         {"F64", 28, 1, 8, NULL},          {"IQ1_M", 29, 0, 0, NULL},
    {"Q1_0", 41, 0, 0, NULL},        {"BOOL", NONE, 1, 1, NULL},       {"U8", NONE, 1, 1, NULL},
    {"U16", NONE, 1, 2, NULL},       {"U32", NONE, 1, 4, NULL},        {"U64", NONE, 1, 8, NULL},
    {"F8_E4M3", NONE, 1, 1, NULL},   {"F8_E5M2", NONE, 1, 1, NULL}};
#define TYPES (sizeof types / sizeof *types)

const struct qb_tensor_type *qb_tensor_type(const char *name)
{
    for (size_t i = 0; i < TYPES; i++)
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}

const struct qb_tensor_type *qb_tensor_type_numbered(uint32_t number)
{
    for (size_t i = 0; i < TYPES; i++)
        if (types[i].number == number && number != NONE)
            return &types[i];
    return NULL;
}

const struct qb_tensor_type *qb_tensor_type_at(size_t index)
{
    return index < TYPES ? &types[index] : NULL;
}

void qb_weights_print_known(struct qb_text *out)
{
    for (size_t i = 0; i < TYPES; i++)
        if (types[i].codec)
            qb_text_add(out, "%s%s", i ? ", " : "", types[i].name);
}
