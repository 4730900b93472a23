/* The options of a model by name, in one table: our own layout's metadata, what configs say, `inspect` and the hash go
 * through it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "arch/arch.h"
#include "base/text_format.h"

enum kind {
    SIZE,    /* size_t in [least, most] */
    REAL,    /* float in [least, most] */
    FLAG,    /* bool: "true" or "false" */
    WORD,    /* an enum, or a bool, with a word for each value */
    NORMS,   /* block_norm and final_norm, of the family's kind */
    LAYERS,  /* windowed: "0-4,6" */
    FACTORS, /* long_factor or short_factor: numbers with commas between */
};
enum told { ALWAYS, WITH_ATTENTION, OTHERWISE }; /* said in metadata always, or where it is something */

struct option {
    const char *name;
    enum kind kind;
    size_t offset;
    double least, most;
    const char *const *words;
    enum told told;
    bool hashed; /* as a name and a text; the first ones are hashed as numbers */
};

#define MOST ((double)(1u << 24)) /* of widths and heads: far over any model, and products of two fit */
#define LONG ((double)(1ull << 40))
#define LARGEST 1e30
#define AT(field) offsetof(struct qb_arch, field)
#define ROPE_OPTIONS(prefix, r)                                                                                        \
    {prefix "dims", SIZE, AT(r.dims), 0, QB_HEAD_DIM_MAX, NULL, OTHERWISE, true},                                      \
        {prefix "pairs", FLAG, AT(r.pairs), 0, 1, NULL, OTHERWISE, true},                                              \
        {prefix "theta", REAL, AT(r.theta), 1e-6, LARGEST, NULL, OTHERWISE, true},                                     \
        {prefix "scaling", WORD, AT(r.scaling), 0, 4, scalings, OTHERWISE, true},                                      \
        {prefix "factor", REAL, AT(r.factor), 1e-6, LARGEST, NULL, OTHERWISE, true},                                   \
        {prefix "low_freq_factor", REAL, AT(r.low_freq_factor), 0, LARGEST, NULL, OTHERWISE, true},                    \
        {prefix "high_freq_factor", REAL, AT(r.high_freq_factor), 0, LARGEST, NULL, OTHERWISE, true},                  \
        {prefix "original_context", SIZE, AT(r.original_context), 0, LONG, NULL, OTHERWISE, true},                     \
        {prefix "beta_fast", REAL, AT(r.beta_fast), 1e-6, LARGEST, NULL, OTHERWISE, true},                             \
        {prefix "beta_slow", REAL, AT(r.beta_slow), 1e-6, LARGEST, NULL, OTHERWISE, true},                             \
        {prefix "attention_factor", REAL, AT(r.attention_factor), 0, LARGEST, NULL, OTHERWISE, true},                  \
        {prefix "long_factor", FACTORS, AT(r.long_factor), 1e-6, LARGEST, NULL, OTHERWISE, true},                      \
    {                                                                                                                  \
        prefix "short_factor", FACTORS, AT(r.short_factor), 1e-6, LARGEST, NULL, OTHERWISE, true                       \
    }

static const char *const activations[] = {"relu", "gelu", "gelu_tanh", "silu", NULL};
static const char *const position_words[] = {"none", "learned", NULL};
static const char *const norm_words[] = {"none", "final", "pre", NULL};
static const char *const scalings[] = {"plain", "linear", "llama3", "yarn", "longrope", NULL};
static const struct option options[] = {
    {"activation", WORD, AT(activation), 0, 3, activations, ALWAYS, false},
    {"tied_head", FLAG, AT(tied_head), 0, 1, NULL, ALWAYS, false},
    {"context", SIZE, AT(context), 0, MOST, NULL, ALWAYS, false},
    {"norm", NORMS, AT(block_norm), 0, 2, norm_words, ALWAYS, false},
    {"norm_eps", REAL, AT(norm_eps), 1e-30, 1, NULL, ALWAYS, false},
    {"heads", SIZE, AT(heads), 1, MOST, NULL, WITH_ATTENTION, false},
    {"causal", FLAG, AT(causal), 0, 1, NULL, WITH_ATTENTION, false},
    {"positions", WORD, AT(learned_positions), 0, 1, position_words, WITH_ATTENTION, false},
    {"kv_heads", SIZE, AT(kv_heads), 0, MOST, NULL, OTHERWISE, true},
    {"head_dim", SIZE, AT(head_dim), 0, QB_HEAD_DIM_MAX, NULL, OTHERWISE, true},
    {"attention_scale", REAL, AT(attention_scale), 0, LARGEST, NULL, OTHERWISE, true},
    {"attention_softcap", REAL, AT(attention_softcap), 0, LARGEST, NULL, OTHERWISE, true},
    {"logit_softcap", REAL, AT(logit_softcap), 0, LARGEST, NULL, OTHERWISE, true},
    {"window", SIZE, AT(window), 0, LONG, NULL, OTHERWISE, true},
    {"windowed", LAYERS, AT(windowed), 0, 0, NULL, OTHERWISE, true},
    {"norm_plus_one", FLAG, AT(norm_plus_one), 0, 1, NULL, OTHERWISE, true},
    {"embed_scale", REAL, AT(embed_scale), 0, LARGEST, NULL, OTHERWISE, true},
    {"trained_context", SIZE, AT(trained_context), 0, LONG, NULL, OTHERWISE, false},
    ROPE_OPTIONS("rope.", rope[0]),
    ROPE_OPTIONS("windowed_rope.", rope[1])};
#define OPTION_COUNT (sizeof options / sizeof *options)

const char *qb_arch_option(size_t index)
{
    return index < OPTION_COUNT ? options[index].name : NULL;
}

static const struct option *option_of(const char *name)
{
    size_t i = 0;
    while (i + 1 < OPTION_COUNT && strcmp(options[i].name, name) != 0)
        i++;
    return &options[i];
}

static const void *field(const struct qb_arch *arch, const struct option *option)
{
    return (const char *)arch + option->offset;
}

/* The rope of which this is the factors' array: its dims say how many there are, its flags whether there are. */
static const struct qb_rope *rope_of(const struct qb_arch *arch, const struct option *option)
{
    return &arch->rope[option->offset >= AT(rope[1])];
}

static const bool *has_factors(const struct qb_arch *arch, const struct option *option)
{
    const struct qb_rope *rope = rope_of(arch, option);
    return field(arch, option) == rope->long_factor ? &rope->factors_long : &rope->factors_short;
}

/* The kind of the family's norms: they differ in where they stand alone. */
static enum qb_norm norm_kind(const struct qb_arch *arch)
{
    const struct qb_arch *own = &qb_family_find(arch->name)->options;
    return own->final_norm ? own->final_norm : own->block_norm ? own->block_norm : QB_NORM_LAYERNORM;
}

/* ---- writing ---- */

static size_t factor_count(const struct qb_arch *arch, const struct option *option)
{
    return *has_factors(arch, option) ? rope_of(arch, option)->dims / 2 : 0;
}

static int norms_of(const struct qb_arch *arch)
{
    return arch->block_norm ? 2 : arch->final_norm ? 1 : 0;
}

static void print_layers(const struct qb_arch *arch, struct qb_text *out)
{
    const char *between = "";
    for (size_t i = 0, end; i < QB_LAYERS_MAX; i = end + 1) {
        for (end = i; end < QB_LAYERS_MAX && arch->windowed[end / 64] >> end % 64 & 1; end++)
            ;
        if (end == i)
            continue;
        qb_text_add(out, end - i > 1 ? "%s%zu-%zu" : "%s%zu", between, i, end - 1);
        between = ",";
    }
}

static int word_of(const struct qb_arch *arch, const struct option *option)
{
    const void *at = field(arch, option);
    return option->words == position_words ? *(const bool *)at : *(const int *)at;
}

static void print_option(const struct qb_arch *arch, const struct option *option, struct qb_text *out)
{
    const void *at = field(arch, option);
    switch (option->kind) {
    case SIZE:
        qb_text_add(out, "%zu", *(const size_t *)at);
        break;
    case REAL:
        qb_text_add(out, "%.9g", (double)*(const float *)at);
        break;
    case FLAG:
        qb_text_add(out, "%s", *(const bool *)at ? "true" : "false");
        break;
    case WORD:
        qb_text_add(out, "%s", option->words[word_of(arch, option)]);
        break;
    case NORMS:
        qb_text_add(out, "%s", norm_words[norms_of(arch)]);
        break;
    case LAYERS:
        print_layers(arch, out);
        break;
    case FACTORS:
        for (size_t i = 0; i < factor_count(arch, option); i++)
            qb_text_add(out, "%s%.9g", i ? "," : "", (double)((const float *)at)[i]);
    }
}

/* Is the option the same in both, to the bit? Nothing here can fail: what a model's file and hash hold follows. */
static bool same(const struct qb_arch *a, const struct qb_arch *b, const struct option *option)
{
    const void *x = field(a, option), *y = field(b, option);
    switch (option->kind) {
    case SIZE:
        return *(const size_t *)x == *(const size_t *)y;
    case REAL:
        return memcmp(x, y, sizeof(float)) == 0;
    case FLAG:
        return *(const bool *)x == *(const bool *)y;
    case WORD:
        return word_of(a, option) == word_of(b, option);
    case NORMS:
        return norms_of(a) == norms_of(b);
    case LAYERS:
        return memcmp(a->windowed, b->windowed, sizeof a->windowed) == 0;
    case FACTORS:
        break;
    }
    const size_t n = factor_count(a, option);
    return n == factor_count(b, option) && memcmp(x, y, n * sizeof(float)) == 0;
}

static const struct qb_arch nothing;

bool qb_arch_option_print(const struct qb_arch *arch, size_t index, struct qb_text *out)
{
    const struct option *option = &options[index];
    if (option->told == OTHERWISE
            ? same(arch, &nothing, option) && same(arch, &qb_family_find(arch->name)->options, option)
            : option->told == WITH_ATTENTION && !arch->attention)
        return false;
    print_option(arch, option, out);
    return true;
}

/* What the first models had is hashed as it was; what came later where it is not as they had it: nothing, or 0. */
void qb_arch_hash(const struct qb_arch *arch, struct qb_hash *hash)
{
    const uint64_t numbers[] = {arch->vocab,
                                arch->hidden,
                                arch->layers,
                                arch->heads,
                                arch->context,
                                arch->attention,
                                arch->causal,
                                arch->learned_positions,
                                arch->residual,
                                arch->mlp_down,
                                (uint64_t)arch->block_norm,
                                (uint64_t)arch->final_norm,
                                (uint64_t)arch->activation,
                                arch->tied_head};
    qb_hash_text(hash, arch->name);
    qb_hash_bytes(hash, numbers, sizeof numbers);
    qb_hash_bytes(hash, &arch->norm_eps, sizeof arch->norm_eps);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        struct qb_text text = {0};
        if (!options[i].hashed || same(arch, &nothing, &options[i]))
            continue;
        print_option(arch, &options[i], &text);
        qb_hash_text(hash, options[i].name);
        qb_hash_text(hash, text.data);
        if (text.failed)
            qb_hash_fail(hash);
        qb_text_free(&text);
    }
}

/* ---- reading ---- */

static enum qb_status read_word(const struct option *option, const char *text, int *value, struct qb_error *err)
{
    struct qb_text list = {0};
    for (*value = 0; option->words[*value]; ++*value)
        if (strcmp(option->words[*value], text) == 0)
            return QB_OK;
    for (int i = 0; option->words[i]; i++)
        qb_text_add(&list, "%s%s", i ? ", " : "", option->words[i]);
    qb_fail(err, QB_ERR_INPUT, "%s is '%.*s', expected one of %s", option->name, QB_UPTO(64, text),
            list.data ? list.data : "the words");
    qb_text_free(&list);
    return err->status;
}

static enum qb_status read_layers(struct qb_arch *arch, const char *text, struct qb_error *err)
{
    memset(arch->windowed, 0, sizeof arch->windowed);
    for (const char *at = text; *text;) {
        char *end;
        unsigned long first = strtoul(at, &end, 10), last = first;
        bool digits = *at >= '0' && *at <= '9';
        if (digits && *end == '-')
            digits = end[1] >= '0' && end[1] <= '9', last = strtoul(end + 1, &end, 10);
        if (!digits || first > last || last >= QB_LAYERS_MAX || (*end && *end != ','))
            return qb_fail(err, QB_ERR_INPUT, "windowed is '%.*s', expected layers such as 0-4,6", QB_UPTO(64, text));
        for (size_t i = first; i <= last; i++)
            arch->windowed[i / 64] |= (uint64_t)1 << i % 64;
        if (!*end)
            return QB_OK;
        at = end + 1;
    }
    return QB_OK;
}

static enum qb_status read_factors(struct qb_arch *arch, const struct option *option, const char *text,
                                   struct qb_error *err)
{
    const size_t due = rope_of(arch, option)->dims / 2;
    float *factors = (float *)((char *)arch + option->offset);
    size_t count = 0;
    for (const char *at = text; count < QB_HEAD_DIM_MAX / 2; at++) {
        char *end;
        float factor = strtof(at, &end);
        if (end == at || !(factor >= (float)option->least && factor <= (float)option->most))
            break;
        factors[count++] = factor;
        at = end;
        if (*at != ',')
            break;
    }
    if (count != due)
        return qb_fail(err, QB_ERR_INPUT, "%s is '%.*s', expected %zu numbers over 0 with commas between", option->name,
                       QB_UPTO(64, text), due);
    *(bool *)has_factors(arch, option) = true;
    return QB_OK;
}

static void set_norms(struct qb_arch *arch, int word)
{
    const enum qb_norm kind = norm_kind(arch);
    arch->block_norm = word == 2 ? kind : QB_NORM_NONE;
    arch->final_norm = word ? kind : QB_NORM_NONE;
}

enum qb_status qb_arch_option_set(struct qb_arch *arch, const char *name, const char *key, double value,
                                  struct qb_error *err)
{
    const struct option *option = option_of(name);
    void *at = (char *)arch + option->offset;
    const bool whole = option->kind != REAL;
    if (!(value >= option->least && value <= option->most) || (whole && value != floor(value)))
        return qb_fail(err, QB_ERR_INPUT, "%s is '%.9g', expected a %snumber from %g to %.9g", key, value,
                       whole ? "whole " : "", option->least, option->most);
    if (option->kind == SIZE)
        *(size_t *)at = (size_t)value;
    else if (option->kind == REAL)
        *(float *)at = (float)value;
    else if (option->kind == FLAG || option->words == position_words)
        *(bool *)at = value != 0.0;
    else if (option->kind == WORD)
        *(int *)at = (int)value;
    else
        set_norms(arch, (int)value);
    return QB_OK;
}

enum qb_status qb_arch_option_read(struct qb_arch *arch, const char *name, const char *text, struct qb_error *err)
{
    static const char *const flags[] = {"false", "true", NULL};
    const struct option *option = option_of(name);
    struct option flag = {.name = name, .words = flags};
    int word;
    double value;
    switch (option->kind) {
    case LAYERS:
        return read_layers(arch, text, err);
    case FACTORS:
        return read_factors(arch, option, text, err);
    case FLAG:
    case WORD:
    case NORMS:
        if (read_word(option->kind == FLAG ? &flag : option, text, &word, err))
            return err->status;
        return qb_arch_option_set(arch, name, name, word, err);
    default:
        if (!qb_read_number(text, &value))
            return qb_fail(err, QB_ERR_INPUT, "%s is '%.*s', expected a number from %g to %.9g", name,
                           QB_UPTO(64, text), option->least, option->most);
        return qb_arch_option_set(arch, name, name, value, err);
    }
}
