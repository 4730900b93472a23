/* What a suite says of its search, and whether its texts are fit for one. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/token_runs.h"
#include "run/search.h"
#include "run/suite_parts.h"
#include "run/token_file.h"

/* The words of the text that the model reads in `kl`. */
static const struct qb_words *words_of(const struct qb_suite *suite, const struct qb_suite_model *model)
{
    return model->corpus.kind ? &model->corpus : &suite->experiments[0].corpus;
}

/* ---- the key `search` ---- */

static enum qb_status read_bits(const struct qb_yaml *node, struct qb_search_plan *plan, struct qb_error *err)
{
    plan->races = 1;
    plan->bits[0] = INFINITY;
    if (!node)
        return QB_OK;
    if (qb_yaml_expect(node, QB_YAML_LIST, err))
        return err->status;
    if (node->count == 0 || node->count > QB_SEARCH_RACES)
        return qb_yaml_fail(node, err, "expected 1 to %d bounds, found %zu", QB_SEARCH_RACES, node->count);
    for (plan->races = 0; plan->races < node->count; plan->races++) {
        const struct qb_yaml *bound = node->children[plan->races];
        if (qb_yaml_double(bound, 0.1, 64, &plan->bits[plan->races], err))
            return err->status;
        if (plan->races > 0 && !(plan->bits[plan->races] > plan->bits[plan->races - 1]))
            return qb_yaml_fail(bound, err, "expected more than the %g before it", plan->bits[plan->races - 1]);
    }
    return QB_OK;
}

static enum qb_status read_apart(const struct qb_suite *suite, const struct qb_yaml *search,
                                 const struct qb_yaml **list, struct qb_error *err)
{
    const struct qb_yaml *node = *list = qb_yaml_get(search, "apart");
    char path[4096];
    if (!node)
        return qb_yaml_fail(search, err,
                            "expected the key 'apart': the texts that the choice is evaluated on, such as "
                            "[data/corpus/tiny.heldout]");
    if (qb_yaml_expect(node, QB_YAML_LIST, err))
        return err->status;
    if (node->count == 0)
        return qb_yaml_fail(node, err, "expected at least one text");
    for (size_t i = 0; i < node->count; i++)
        if (qb_suite_file(suite, node->children[i], path, err))
            return err->status;
    return QB_OK;
}

/* ---- the experiment and its text ---- */

static enum qb_status check_words(const struct qb_words *words, const struct qb_yaml *node, bool chunks,
                                  struct qb_error *err)
{
    if (words->kind != QB_WORDS_CORPUS)
        return qb_yaml_fail(node, err, "a search needs a corpus: a text or {tokens: FILE}");
    if (words->offset != QB_WORDS_OPEN || words->spread != QB_SPREAD_OPEN || (chunks && words->count))
        return qb_yaml_fail(words->node, err,
                            "a search lays the chunks itself, from the suite's seed: expected no offset, no spread, "
                            "and chunks in experiments.kl alone");
    return QB_OK;
}

static enum qb_status check_experiment(const struct qb_suite *suite, struct qb_search_plan *plan, struct qb_error *err)
{
    const struct qb_suite_experiment *kl = &suite->experiments[0];
    const struct qb_yaml *all = qb_yaml_get(suite->root, "experiments");
    const size_t least = (size_t)2 << (plan->rungs - 1);
    static const char *const own[] = {"offset", "spread", "variants"};
    if (suite->experiment_count != 1 || strcmp(kl->experiment->name, "kl") != 0)
        return qb_yaml_fail(all, err, "a search has one experiment: kl");
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (kl->node->kind == QB_YAML_MAP && qb_yaml_get(kl->node, own[i]))
            return qb_yaml_fail(qb_yaml_get(kl->node, own[i]), err, "a search sets this itself at each rung");
    plan->chunks = kl->chunks;
    if (plan->chunks < least)
        return qb_yaml_fail(kl->node, err,
                            "expected at least %zu chunks: %zu rungs double them, and the first needs 2, found %zu",
                            least, plan->rungs, plan->chunks);
    for (size_t m = 0; m < suite->model_count; m++)
        if (check_words(words_of(suite, &suite->models[m]),
                        suite->models[m].corpus.kind ? suite->models[m].node : kl->node, true, err))
            return err->status;
    return QB_OK;
}

enum qb_status qb_search_plan_read(const struct qb_suite *suite, struct qb_search_plan *plan, struct qb_error *err)
{
    static const char *const known[] = {"apart", "bits", "rungs", "alpha", NULL};
    const struct qb_yaml *search = qb_yaml_get(suite->root, "search"), *alpha;
    *plan = (struct qb_search_plan){.rungs = 3, .alpha = 0.05};
    if (!search)
        return qb_yaml_fail(suite->root, err,
                            "expected the key 'search', such as {apart: [data/corpus/tiny.heldout], bits: [8.5]}");
    if (qb_yaml_expect(search, QB_YAML_MAP, err) || qb_yaml_known(search, known, err) ||
        read_apart(suite, search, &plan->apart, err) || read_bits(qb_yaml_get(search, "bits"), plan, err) ||
        qb_suite_count(search, "rungs", 1, QB_SEARCH_RUNGS, false, &plan->rungs, err))
        return err->status;
    alpha = qb_yaml_get(search, "alpha");
    return alpha && qb_yaml_double(alpha, 1e-6, 0.5, &plan->alpha, err) ? err->status
                                                                        : check_experiment(suite, plan, err);
}

size_t qb_search_chunks(const struct qb_search_plan *plan, size_t rung)
{
    const size_t half = (size_t)1 << (plan->rungs - rung);
    return (plan->chunks + half - 1) / half;
}

/* ---- texts ---- */

/* The whole corpus as one context: any 32 of its tokens in a row count, wherever chunks begin. */
static enum qb_status check_apart(const struct qb_suite *suite, const struct qb_yaml *node,
                                  const struct qb_model *model, const struct qb_words *words, const int32_t *tokens,
                                  size_t count, struct qb_error *err)
{
    char path[4096];
    int32_t *text = NULL;
    size_t text_count = 0, shared = 0;
    if (qb_suite_file(suite, node, path, err) ||
        qb_token_file_read(model, path, (struct qb_token_form){words->ids, words->special, true}, &text, &text_count,
                           err))
        return err->status;
    if (!qb_contexts_in_text(tokens, 1, count, text, 1, text_count, &shared, err) && shared > 0)
        qb_yaml_fail(words->node, err,
                     "%s shares 32 tokens in a row or more with %s, as model '%s' reads them, and a search must not "
                     "see what its choice is evaluated on",
                     words->file, path, model->name);
    qb_free(text);
    return err->status;
}

enum qb_status qb_search_text(const struct qb_suite *suite, const struct qb_search_plan *plan,
                              const struct qb_suite_model *entry, size_t *count, struct qb_error *err)
{
    const struct qb_words *words = words_of(suite, entry);
    struct qb_model *model = NULL;
    int32_t *tokens = NULL;
    *count = 0;
    if (!qb_suite_open_model(suite, entry, &model, err) &&
        !qb_token_file_read(model, words->file, (struct qb_token_form){words->ids, words->special, true}, &tokens,
                            count, err))
        for (size_t i = 0; i < plan->apart->count && !err->status; i++)
            check_apart(suite, plan->apart->children[i], model, words, tokens, *count, err);
    qb_free(tokens);
    qb_model_free(model);
    return err->status;
}
