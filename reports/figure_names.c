/* How variants are called and drawn, the same in every figure, and how a long name is shortened. */
#include <stdio.h>
#include <string.h>

#include "figure.h"
#include "base/utf8.h"

/* Line types 1, 2, 3 ... of style.gp, in this order. */
static const struct {
    const char *variant, *label;
} builtins[] = {{"fp32", "FP32"},
                {"fp16", "FP16"},
                {"bf16", "BF16"},
                {"int8-tensor", "INT8 per tensor"},
                {"int8-channel", "INT8 per channel"},
                {"pattern-a", "Pattern A"},
                {"pattern-a-cached", "Pattern A, cached"},
                {"pattern-a-packed", "Pattern A, packed"},
                {"legacy", "legacy, documented"},
                {"legacy-weights", "legacy, weights"},
                {"legacy-both", "legacy, both"},
                {"legacy-asrun", "\"standard\" as run"},
                {"calibrated", "calibrated, documented"},
                {"calibrated-asrun", "calibrated as run"},
                {"calibrated-range-kept", "calibrated, range kept"},
                {"calibrated-scale", "legacy + S"},
                {"calibrated-alpha", "legacy + alpha"},
                {"calibrated-qk16", "legacy + Q/K in FP16"},
                {"calibrated-alpha-model", "legacy + model's alpha"},
                {"fp32-reordered", "FP32 reordered"},
                {"calibrated-stored", "calibrated, stored"}};
enum { BUILTINS = sizeof builtins / sizeof *builtins, OTHERS = 24, OTHER_TYPES = 24 };

static size_t builtin(const char *variant)
{
    size_t i = 0;
    while (i < BUILTINS && strcmp(builtins[i].variant, variant) != 0)
        i++;
    return i;
}

const char *const qb_figure_caches[] = {"kv-fp16", "kv-documented", "kv-qins8", "kv-int8", "kv-q8_0", "kv-q4_0", NULL};

bool qb_figure_builtin(const char *variant)
{
    return builtin(variant) < BUILTINS;
}

void qb_figure_linetypes(const char *const *variants, size_t count, unsigned *types)
{
    bool taken[OTHER_TYPES] = {0};
    for (size_t v = 0; v < count; v++) {
        size_t i = builtin(variants[v]);
        unsigned sum = 0, tries = 0;
        types[v] = (unsigned)i + 1;
        if (i < BUILTINS)
            continue;
        for (const char *p = variants[v]; *p; p++)
            sum = sum * 31 + (unsigned char)*p;
        for (sum %= OTHER_TYPES; taken[sum] && tries < OTHER_TYPES; tries++)
            sum = (sum + 1) % OTHER_TYPES;
        taken[sum] = true;
        types[v] = OTHERS + sum;
    }
}

const char *qb_figure_label(const char *variant)
{
    size_t i = builtin(variant);
    return i < BUILTINS ? builtins[i].label : variant;
}

/* The number of a name that was shortened before, or a new one. */
static size_t number_of(struct qb_figure *figure, const char *name)
{
    char entry[512];
    const char *at;
    qb_utf8_print(entry, sizeof entry - 1, "] %s", name);
    strcat(entry, ";");
    if (figure->shortened.data && (at = strstr(figure->shortened.data, entry)) != NULL) {
        size_t n = 0, ten = 1;
        for (; at > figure->shortened.data && at[-1] != '['; at--, ten *= 10)
            n += (size_t)(at[-1] - '0') * ten;
        return n;
    }
    figure->shortened_count++;
    qb_text_add(&figure->shortened, " [%zu%s", figure->shortened_count, entry);
    return figure->shortened_count;
}

/* Width of a name's first n bytes in average letters of a sans-serif font. */
static double width_of(const char *name, size_t n)
{
    double width = 0;
    for (size_t i = 0; i < n; i++)
        width += ((unsigned char)name[i] & 0xC0) == 0x80 ? 0 : strchr("MWmw@%", name[i]) ? 1.6 : 1;
    return width;
}

void qb_figure_short(struct qb_figure *figure, const char *name, size_t most, char out[QB_FIGURE_NAME])
{
    char number[32];
    size_t n = strlen(name);
    if (n < QB_FIGURE_NAME && width_of(name, n) <= (double)most) {
        snprintf(out, QB_FIGURE_NAME, "%s", name);
        return;
    }
    int tail =
        snprintf(number, sizeof number, "\xe2\x80\xa6 [%zu]", number_of(figure, name)) - 2; /* 1 letter, 3 bytes */
    while (n > 1 && (n + strlen(number) >= QB_FIGURE_NAME || width_of(name, n) + tail > (double)most))
        n = qb_utf8_upto(name, n - 1);
    snprintf(out, QB_FIGURE_NAME, "%.*s%s", (int)n, name, number);
}
