/* Are the arms of a comparison the same measurement but for the variant? What differs is a fact; of some facts no
 * comparison is left. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/utf8.h"
#include "base/mem.h"
#include "gate/compare_parts.h"
#include "run/experiment.h"

enum { BEFORE = 40 /* characters shown in front of the first difference */ };

static struct qb_compare_fact *new_fact(struct qb_compare *compare, struct qb_error *err)
{
    struct qb_compare_fact *grown =
        qb_grow(compare->facts, compare->fact_count + 1, sizeof *grown, "facts of a comparison", err);
    if (!grown)
        return NULL;
    compare->facts = grown;
    return &compare->facts[compare->fact_count++];
}

static void cut(char out[240], const char *text, size_t skip)
{
    snprintf(out, 240, "%s%s", skip ? "..." : "", *text ? text + skip : "not recorded");
}

/* Adds a fact, or counts a pair more of one that is there. */
static enum qb_status add(struct qb_compare *compare, const struct qb_compare_fact *which, const char *a, const char *b,
                          struct qb_error *err)
{
    struct qb_compare_fact made = *which;
    size_t same = 0;
    while (a[same] && a[same] == b[same])
        same++;
    size_t skip = same > BEFORE && *a && *b ? same - BEFORE : 0;
    cut(made.a, a, skip);
    cut(made.b, b, skip);
    for (size_t i = 0; i < compare->fact_count; i++) {
        struct qb_compare_fact *fact = &compare->facts[i];
        if (fact->kind == made.kind && strcmp(fact->subject, made.subject) == 0 && strcmp(fact->a, made.a) == 0 &&
            strcmp(fact->b, made.b) == 0) {
            fact->cells += made.cells;
            return QB_OK;
        }
    }
    struct qb_compare_fact *fact = new_fact(compare, err);
    if (fact)
        *fact = made;
    return err->status;
}

static enum qb_status codec_facts(struct qb_compare *compare, const struct qb_baseline_cell *a,
                                  const struct qb_baseline_cell *b, uint32_t *differs, struct qb_error *err)
{
    for (size_t i = 0; i < a->codec_count; i++)
        for (size_t k = 0; k < b->codec_count; k++) {
            const struct qb_baseline_codec *x = &a->codecs[i], *y = &b->codecs[k];
            struct qb_compare_fact fact = {.kind = QB_COMPARE_CODEC, .cells = 1};
            char now[160], then[160];
            if (strcmp(x->id, y->id) != 0 || (strcmp(x->version, y->version) == 0 && strcmp(x->sha256, y->sha256) == 0))
                continue;
            snprintf(fact.subject, sizeof fact.subject, "%.200s", x->id);
            snprintf(now, sizeof now, "version %.*s sha256 %.12s", QB_UPTO(60, x->version), x->sha256);
            snprintf(then, sizeof then, "version %.*s sha256 %.12s", QB_UPTO(60, y->version), y->sha256);
            *differs |= 1u << fact.kind;
            if (add(compare, &fact, now, then, err))
                return err->status;
        }
    return QB_OK;
}

/* "none" where an experiment has none; "" where an older program recorded neither these nor the inputs. */
static const char *options_of(const struct qb_baseline_cell *cell)
{
    return cell->options[0] ? cell->options : cell->inputs[0] ? "none" : "";
}

enum qb_status qb_compare_cell_facts(struct qb_compare *compare, bool same_file, const struct qb_baseline_cell *a,
                                     const struct qb_baseline_cell *b, uint32_t *differs, struct qb_error *err)
{
    bool same_name = strcmp(a->variant, b->variant) == 0;
    char place[216], tokens[2][QB_HASH_HEX], weights[2][40] = {"", ""};
    snprintf(place, sizeof place, "%.100s/%.100s", a->model, a->experiment);
    memcpy(tokens[0], a->tokenizer_sha256, sizeof tokens[0]);
    memcpy(tokens[1], b->tokenizer_sha256, sizeof tokens[1]);
    const uint64_t encoded[2] = {a->encoded_weights, b->encoded_weights};
    for (int i = 0; i < 2; i++)
        if (encoded[i])
            snprintf(weights[i], sizeof weights[i], "%" PRIu64 " weights encoded", encoded[i]);
    /* Variants of one run have one model and one input; a file that does not record them hides no difference. */
    const struct {
        enum qb_compare_kind kind;
        const char *subject, *a, *b;
        bool refused, asked, known; /* known: only where both say it */
    } facts[] = {
        {QB_COMPARE_MODEL, a->model, a->model_sha256, b->model_sha256, true, !same_file, false},
        {QB_COMPARE_TOKENIZER, a->model, tokens[0], tokens[1], true, !same_file, true},
        {QB_COMPARE_OPTIONS, place, options_of(a), options_of(b), true, true, false},
        {QB_COMPARE_INPUTS, place, a->inputs, b->inputs, false, true, false},
        {QB_COMPARE_PLACEMENT, place, weights[0], weights[1], false, true, true},
        {QB_COMPARE_DEFINITION, a->variant, a->definition, b->definition, false, !same_file && same_name, false},
    };
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        struct qb_compare_fact fact = {.kind = facts[i].kind, .cells = 1};
        const bool missing = !facts[i].a[0] || !facts[i].b[0];
        const bool equal = facts[i].kind == QB_COMPARE_OPTIONS
                               ? qb_experiment_same_options(a->experiment, a->options, b->options)
                               : strcmp(facts[i].a, facts[i].b) == 0;
        bool unknown = missing && !same_file && !facts[i].known;
        if (!facts[i].asked || (equal && !unknown) || (missing && facts[i].known))
            continue;
        fact.refused = facts[i].refused && !unknown;
        snprintf(fact.subject, sizeof fact.subject, "%.200s", facts[i].subject);
        *differs |= 1u << fact.kind;
        if (add(compare, &fact, facts[i].a, facts[i].b, err))
            return err->status;
    }
    return codec_facts(compare, a, b, differs, err);
}

enum qb_status qb_compare_file_facts(struct qb_compare *compare, const struct qb_baseline *a,
                                     const struct qb_baseline *b, struct qb_error *err)
{
    const struct {
        enum qb_compare_kind kind;
        const char *subject, *a, *b;
    } facts[] = {{QB_COMPARE_PROGRAM, "version", a->program, b->program},
                 {QB_COMPARE_MACHINE, "processor", a->cpu, b->cpu},
                 {QB_COMPARE_MACHINE, "instruction set", a->isa, b->isa},
                 {QB_COMPARE_MACHINE, "threads", a->threads, b->threads}};
    for (size_t i = 0; i < sizeof facts / sizeof *facts && !err->status; i++) {
        struct qb_compare_fact fact = {.kind = facts[i].kind};
        snprintf(fact.subject, sizeof fact.subject, "%s", facts[i].subject);
        if (strcmp(facts[i].a, facts[i].b) != 0)
            add(compare, &fact, facts[i].a, facts[i].b, err);
    }
    return err->status;
}

void qb_compare_kinds(uint32_t kinds, struct qb_text *out)
{
    static const char *const words[] = {"model",      "tokenizer", "options", "inputs", "placement",
                                        "definition", "codec",     "program", "machine"};
    for (size_t i = 0, said = 0; i < sizeof words / sizeof *words; i++)
        if (kinds >> i & 1)
            qb_text_add(out, "%s%s", said++ ? "," : "", words[i]);
}

void qb_compare_say(const struct qb_compare_fact *fact, struct qb_text *out)
{
    bool known = strcmp(fact->a, "not recorded") != 0 && strcmp(fact->b, "not recorded") != 0;
    qb_compare_kinds(1u << fact->kind, out);
    qb_text_add(out, "%s %s%s: %s in A, %s in B", fact->cells ? " of" : ",", fact->subject, known ? " differ" : "",
                fact->a, fact->b);
    if (fact->cells > 1)
        qb_text_add(out, " (%zu cells)", fact->cells);
}

enum qb_status qb_compare_refuse(const struct qb_compare *compare, struct qb_error *err)
{
    struct qb_text said = {0};
    for (size_t i = 0; i < compare->fact_count; i++)
        if (compare->facts[i].refused) {
            qb_text_add(&said, "%s", said.size ? "; " : "");
            qb_compare_say(&compare->facts[i], &said);
        }
    if (said.size)
        qb_fail(err, QB_ERR_INPUT, "no comparison without --force, the arms measure different things: %.*s",
                QB_UPTO(800, said.data));
    qb_text_free(&said);
    return err->status;
}
