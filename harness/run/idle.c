#include "run/idle.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

struct idle {
    const struct qb_suite *suite;
    const struct qb_plan *plan;
    void (*say)(void *, const char *);
    void *context;
};

static void say(struct idle *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct idle *w, const char *format, ...)
{
    char line[1024]; /* names have 63 letters at most; a list of keys is short */
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    w->say(w->context, line);
}

/* Has (m, e) a cell? QB_PLAN_NONE stands for any model or experiment. `selected`: one that --only leaves;
 * `variants`: one of a variant, not the reference's. */
static bool planned(const struct idle *w, size_t m, size_t e, bool selected, bool variants)
{
    for (size_t i = 0; i < w->plan->count; i++) {
        const struct qb_plan_cell *cell = &w->plan->cells[i];
        if ((m == QB_PLAN_NONE || cell->model == m) && (e == QB_PLAN_NONE || cell->experiment == e) &&
            (!selected || cell->selected) && (!variants || cell->variant != QB_PLAN_NONE))
            return true;
    }
    return false;
}

/* ---- how a corpus is cut ---- */

/* "context, chunks and offset": those that the map has; returns how many. set: only those given by --set. */
static size_t cut_keys(const struct qb_yaml *map, bool set, char out[64])
{
    static const char *const keys[] = {"context", "chunks", "offset", "spread"};
    enum { KEYS = sizeof keys / sizeof *keys };
    const char *found[KEYS];
    size_t count = 0, used = 0;
    for (size_t i = 0; map && i < KEYS; i++) {
        const struct qb_yaml *node = qb_yaml_get(map, keys[i]);
        if (node && (!set || node->line == 0))
            found[count++] = keys[i];
    }
    out[0] = '\0';
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(out + used, 64 - used, "%s%s",
                                 i == 0           ? ""
                                 : i + 1 == count ? " and "
                                                  : ", ",
                                 found[i]);
    return count;
}

static const char *have(size_t count)
{
    return count > 1 ? "have" : "has";
}

/* The text of experiment e on model m: as qb_inputs_make finds it. */
static const struct qb_words *text_of(const struct qb_suite *suite, size_t m, size_t e)
{
    const struct qb_words *own = &suite->models[m].corpus;
    return own->kind ? own : &qb_suite_texts(suite, &suite->experiments[e])->corpus;
}

/* Is it chunks of a text that is there, and not what FP32 writes? */
static bool has_chunks(const struct qb_words *text)
{
    return text->kind == QB_WORDS_CORPUS || text->kind == QB_WORDS_BASE;
}

static bool reads_text(const struct qb_suite_experiment *entry)
{
    return entry->experiment->reads & QB_READS_TEXT;
}

/* Does (m, e) read prompts: always, or where there is no text, or to have FP32 write one? */
static bool reads_prompts(const struct idle *w, size_t m, size_t e)
{
    const struct qb_suite_experiment *entry = &w->suite->experiments[e];
    return entry->experiment->reads & QB_READS_PROMPT && (!reads_text(entry) || !has_chunks(text_of(w->suite, m, e)));
}

/* ---- experiments, whatever the model ---- */

static void check_experiment(struct idle *w, size_t e)
{
    const struct qb_suite_experiment *entry = &w->suite->experiments[e];
    const char *name = entry->experiment->name;
    char keys[64];
    size_t count = cut_keys(entry->node, false, keys);
    if (count && !reads_text(entry))
        say(w, "%s: %s %s no effect: it reads no text", name, keys, have(count));
    else if (count && qb_suite_texts(w->suite, entry) != entry)
        say(w, "%s: %s %s no effect: its text is teacher-forced's, cut as there", name, keys, have(count));
    if (entry->corpus.kind && !reads_text(entry))
        say(w, "%s: corpus has no effect: it reads no text", name);
    if (entry->task_count && !(entry->experiment->reads & QB_READS_TASKS))
        say(w, "%s: tasks have no effect: it reads none", name);
    if (entry->prompt.kind && !(entry->experiment->reads & QB_READS_PROMPT))
        say(w, "%s: prompt has no effect: it reads no prompt", name);
}

/* ---- an experiment on a model ---- */

static void check_cut(struct idle *w, size_t m, size_t e)
{
    const struct qb_suite_experiment *entry = &w->suite->experiments[e];
    const struct qb_words *text = text_of(w->suite, m, e);
    const char *model = w->suite->models[m].name, *name = entry->experiment->name;
    char keys[64], own[64];
    size_t count = cut_keys(entry->node, false, keys);
    if (count == 0 || !reads_text(entry) || qb_suite_texts(w->suite, entry) != entry)
        return;
    if (!text->kind) {
        say(w, "model '%s', %s: %s %s no effect: there is no corpus", model, name, keys, have(count));
    } else if (text->kind == QB_WORDS_GREEDY) {
        bool writes = entry->experiment->reads & QB_READS_OWN_TEXT;
        say(w, "model '%s', %s: %s %s no effect: %s (corpus: {greedy: %zu})%s", model, name, keys, have(count),
            writes ? "its text is FP32's own" : "it reads the prompts, the model's text being FP32's own", text->length,
            writes ? ", one chunk" : "");
    } else if (text->kind == QB_WORDS_BASE) {
        say(w, "model '%s', %s: %s %s no effect: the base file has its own", model, name, keys, have(count));
    } else if (text->node->kind == QB_YAML_MAP && cut_keys(text->node, false, own)) {
        for (size_t i = 0; i < entry->node->count; i++) {
            const struct qb_yaml *node = entry->node->children[i], *wins = qb_yaml_get(text->node, node->key);
            if (wins && (node->line == 0 || text == &entry->corpus))
                say(w, "model '%s', %s: %s%s has no effect: the corpus has its own, %.20s", model, name, node->key,
                    node->line == 0 ? " by --set" : "", wins->scalar);
        }
    }
}

/* Keys by --set in whose place the model's own options stand. */
static void check_overridden(struct idle *w, size_t m, size_t e)
{
    const struct qb_suite_experiment *own = qb_suite_experiment_of(w->suite, m, e);
    for (size_t i = 0; own->over && i < own->over->count; i++) {
        const struct qb_yaml *wins = own->over->children[i], *node = qb_yaml_get(own->node, wins->key);
        if (node && node->line == 0 && wins->line != 0)
            say(w, "model '%s', %s: %s by --set has no effect: the model's own options say %.40s",
                w->suite->models[m].name, own->experiment->name, wins->key, wins->scalar);
    }
}

/* ---- models ---- */

/* Is the calibration text of model m read: by a variant that is calibrated, or by an experiment? */
static bool calibrates(const struct idle *w, size_t m)
{
    for (size_t i = 0; i < w->plan->count; i++) {
        const struct qb_plan_cell *cell = &w->plan->cells[i];
        if (cell->model == m && cell->variant != QB_PLAN_NONE &&
            (w->suite->variants[cell->variant]->takes_contexts ||
             w->suite->experiments[cell->experiment].experiment->reads & QB_READS_CALIBRATION))
            return true;
    }
    return false;
}

/* Is a text cut into tokens on the model? (Reading as llama.cpp does asks the tokenizer for BOS, too.) */
static bool reads_words(const struct idle *w, size_t m)
{
    const struct qb_suite_model *model = &w->suite->models[m];
    const struct qb_words *cut = model->calibration.kind ? &model->calibration : &w->suite->calibration;
    bool reads = calibrates(w, m) && cut->kind == QB_WORDS_CORPUS && !cut->ids;
    for (size_t e = 0; e < w->suite->experiment_count; e++) {
        const struct qb_suite_experiment *entry = &w->suite->experiments[e];
        const struct qb_words *text = text_of(w->suite, m, e), *prompt = qb_suite_prompts(w->suite, model, entry);
        if (!planned(w, m, e, false, false))
            continue;
        reads =
            reads || (reads_text(entry) && has_chunks(text) &&
                      (entry->experiment->reads & QB_READS_AS_LLAMA || (text->kind == QB_WORDS_CORPUS && !text->ids)));
        reads = reads || entry->experiment->reads & QB_READS_TASKS;
        reads = reads || (reads_prompts(w, m, e) && prompt->kind == QB_WORDS_CORPUS && !prompt->ids);
    }
    return reads;
}

static void check_words(struct idle *w, size_t m)
{
    const struct qb_suite_model *model = &w->suite->models[m];
    bool prompts = false, texts = false;
    for (size_t e = 0; e < w->suite->experiment_count; e++)
        if (planned(w, m, e, false, true)) {
            prompts = prompts || reads_prompts(w, m, e);
            texts = texts || reads_text(&w->suite->experiments[e]);
        }
    if (model->prompt.kind && !prompts)
        say(w, "model '%s': prompt has no effect: no experiment on it reads one", model->name);
    if (model->corpus.kind && !texts)
        say(w, "model '%s': corpus has no effect: no experiment on it reads a text", model->name);
    if (model->tokenizer && !reads_words(w, m))
        say(w, "model '%s': tokenizer has no effect: no experiment on it reads a text that is not in token ids",
            model->name);
    if (model->calibration.kind && !calibrates(w, m))
        say(w, "model '%s': calibration has no effect: no variant on it is calibrated", model->name);
}

static void check_model(struct idle *w, size_t m)
{
    const struct qb_suite_model *model = &w->suite->models[m];
    if (!planned(w, m, QB_PLAN_NONE, true, false))
        return;
    check_words(w, m);
    for (size_t e = 0; e < w->suite->experiment_count; e++) {
        const struct qb_suite_experiment *entry = &w->suite->experiments[e];
        bool runs = planned(w, m, e, false, true);
        if (!runs && qb_suite_allows(model, NULL, entry))
            say(w, "model '%s', %s: no cell: the variants of the one and of the other have none in common", model->name,
                entry->experiment->name);
        if (!runs && qb_suite_experiment_of(w->suite, m, e)->over)
            say(w, "model '%s': options of %s have no effect: it has no cell on the model", model->name,
                entry->experiment->name);
        if (!planned(w, m, e, true, true))
            continue;
        check_cut(w, m, e);
        check_overridden(w, m, e);
    }
}

void qb_idle_requests(const struct qb_suite *suite, const struct qb_plan *plan,
                      void (*visit)(void *context, const char *text), void *context)
{
    struct idle w = {suite, plan, visit, context};
    bool calibrated = false;
    for (size_t i = 0; i < suite->absent_count; i++) {
        const struct qb_suite_absent *of = &suite->absent[i];
        say(&w, "model '%s' is left out: it is %s, and there is no file '%.*s'", of->node->key,
            of->optional ? "optional" : "not asked for", QB_UPTO(400, qb_yaml_get(of->node, "file")->scalar));
    }
    for (size_t m = 0; m < suite->model_count; m++)
        calibrated = calibrated || (!suite->models[m].calibration.kind && calibrates(&w, m));
    if (suite->calibration.kind && !calibrated)
        say(&w, "calibration has no effect: no model without its own has a calibrated variant");
    for (size_t e = 0; e < suite->experiment_count; e++)
        if (planned(&w, QB_PLAN_NONE, e, true, false))
            check_experiment(&w, e);
    for (size_t m = 0; m < suite->model_count; m++)
        check_model(&w, m);
}
