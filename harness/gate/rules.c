/* Reading rules. */
#include "gate/rules.h"

#include <stdio.h>
#include <string.h>
#include "base/utf8.h"
#include "base/choice.h"
#include "base/mem.h"
#include "base/text.h"

static enum qb_status text_or(const struct qb_yaml *map, const char *key, const char *otherwise, const char **text,
                              struct qb_error *err)
{
    const struct qb_yaml *node = qb_yaml_get(map, key);
    *text = otherwise;
    return node ? qb_yaml_text(node, text, err) : QB_OK;
}

/* One glob or a list of them; without `otherwise` the key is required. */
static enum qb_status read_globs(const struct qb_yaml *map, const char *key, const char *otherwise,
                                 const char *globs[QB_RULE_GLOBS], struct qb_error *err)
{
    const struct qb_yaml *node = qb_yaml_get(map, key);
    globs[0] = otherwise;
    if (!node)
        return otherwise ? QB_OK : qb_yaml_fail(map, err, "expected the key '%s': a glob or a list of globs", key);
    if (node->kind != QB_YAML_LIST)
        return qb_yaml_text(node, &globs[0], err);
    if (node->count == 0 || node->count >= QB_RULE_GLOBS)
        return qb_yaml_fail(node, err, "expected 1 to %d globs, found %zu", QB_RULE_GLOBS - 1, node->count);
    for (size_t i = 0; i < node->count; i++)
        if (qb_yaml_text(node->children[i], &globs[i], err))
            return err->status;
    return QB_OK;
}

static enum qb_status read_test(const struct qb_yaml *map, struct qb_gate_rule *rule, struct qb_error *err)
{
    static const char *const names[] = {"non-inferiority", "exact", "identical", "ratio", "ceiling", "ignore"};
    const struct qb_yaml *node = qb_yaml_get(map, "test");
    const char *text;
    if (!node)
        return qb_yaml_fail(map, err, "expected the key 'test'");
    if (qb_yaml_text(node, &text, err))
        return err->status;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(text, names[i]) == 0) {
            rule->test = (enum qb_gate_test)i;
            return QB_OK;
        }
    return qb_yaml_fail(node, err, "expected non-inferiority, exact, identical, ratio, ceiling or ignore, found '%s'",
                        text);
}

static enum qb_status read_margin(const struct qb_yaml *map, struct qb_gate_rule *rule, struct qb_error *err)
{
    static const char *const keys[] = {"relative", "absolute", NULL};
    const struct qb_yaml *node = qb_yaml_get(map, "margin");
    bool none = rule->test == QB_TEST_IDENTICAL || rule->test == QB_TEST_IGNORE;
    bool ratio = rule->test == QB_TEST_RATIO || rule->test == QB_TEST_CEILING;
    bool needed = rule->test == QB_TEST_NON_INFERIORITY || ratio;
    if (!node)
        return needed ? qb_yaml_fail(map, err, "expected the key 'margin' with this test") : QB_OK;
    if (none)
        return qb_yaml_fail(node, err, "this test takes no margin");
    if (qb_yaml_expect(node, QB_YAML_MAP, err) || qb_yaml_known(node, keys, err))
        return err->status;
    const struct qb_yaml *relative = qb_yaml_get(node, "relative"), *absolute = qb_yaml_get(node, "absolute");
    if (!relative && !absolute)
        return qb_yaml_fail(node, err, "expected {relative: x}, {absolute: x} or both");
    if (ratio && (absolute || !relative))
        return qb_yaml_fail(node, err, "expected {relative: x}: a ratio has no other margin");
    if ((relative && qb_yaml_double(relative, 1e-12, 10, &rule->relative, err)) ||
        (absolute && qb_yaml_double(absolute, 1e-300, 1e300, &rule->absolute, err)))
        return err->status;
    return QB_OK;
}

static enum qb_status read_direction(const struct qb_yaml *map, struct qb_gate_rule *rule, struct qb_error *err)
{
    const struct qb_yaml *node = qb_yaml_get(map, "better");
    const char *text;
    if (!node)
        return QB_OK;
    if (qb_yaml_text(node, &text, err))
        return err->status;
    rule->has_direction = true;
    rule->direction = strcmp(text, "higher") == 0 ? QB_HIGHER_IS_BETTER : QB_LOWER_IS_BETTER;
    if (strcmp(text, "higher") != 0 && strcmp(text, "lower") != 0)
        return qb_yaml_fail(node, err, "expected higher or lower, found '%s'", text);
    return QB_OK;
}

/* A glob that no name matches is a slip of the pen, and a rule that tests nothing looks like one that passes. */
static enum qb_status check_glob(const struct qb_yaml *map, const char *key, const struct qb_choice *choice,
                                 const char *what, const char *glob, struct qb_error *err)
{
    struct qb_text said = {0};
    if (qb_choice_has(choice, glob))
        return QB_OK;
    qb_choice_miss(choice, what, glob, &said);
    qb_yaml_fail(qb_yaml_get(map, key), err, "%s", said.data ? said.data : "nothing matches");
    qb_text_free(&said);
    return err->status;
}

static enum qb_status check_names(const struct qb_yaml *map, const struct qb_gate_rule *rule, struct qb_error *err)
{
    struct qb_choice experiments = {0}, metrics = {0};
    char what[160];
    for (const struct qb_metric *const *m = qb_metrics(); *m; m++) {
        qb_choice_add(&experiments, (*m)->experiment);
        if (qb_glob(rule->experiment, (*m)->experiment))
            qb_choice_add(&metrics, (*m)->name);
    }
    if (qb_glob(rule->experiment, QB_GATE_ENCODED_EXPERIMENT))
        qb_choice_add(&metrics, QB_GATE_ENCODED);
    snprintf(what, sizeof what, "metric of %.*s",
             QB_UPTO(100, strcmp(rule->experiment, "*") ? rule->experiment : "any experiment"));
    check_glob(map, "experiment", &experiments, "experiment", rule->experiment, err);
    for (const char *const *glob = rule->metrics; *glob && !err->status; glob++)
        check_glob(map, "metric", &metrics, what, *glob, err);
    qb_choice_free(&experiments);
    qb_choice_free(&metrics);
    return err->status;
}

static enum qb_status read_rule(const struct qb_yaml *map, struct qb_gate_rule *rule, struct qb_error *err)
{
    static const char *const keys[] = {"variant", "experiment", "metric", "test", "margin", "better", "spread", NULL};
    if (qb_yaml_expect(map, QB_YAML_MAP, err) || qb_yaml_known(map, keys, err) ||
        read_globs(map, "variant", "*", rule->variants, err) ||
        text_or(map, "experiment", "*", &rule->experiment, err) ||
        read_globs(map, "metric", NULL, rule->metrics, err) || read_test(map, rule, err) ||
        read_margin(map, rule, err) || read_direction(map, rule, err))
        return err->status;
    const struct qb_yaml *spread = qb_yaml_get(map, "spread");
    rule->spread = QB_GATE_SPREAD;
    rule->line = map->line;
    if (spread && rule->test != QB_TEST_RATIO)
        return qb_yaml_fail(spread, err, "only the test 'ratio' takes a spread");
    if (spread && qb_yaml_double(spread, 1e-6, 1, &rule->spread, err))
        return err->status;
    return check_names(map, rule, err);
}

static enum qb_status read_all(struct qb_gate_rules *rules, struct qb_error *err)
{
    static const char *const keys[] = {"name", "rules", NULL};
    if (qb_yaml_expect(rules->root, QB_YAML_MAP, err) || qb_yaml_known(rules->root, keys, err) ||
        text_or(rules->root, "name", "", &rules->name, err))
        return err->status;
    const struct qb_yaml *list = qb_yaml_get(rules->root, "rules");
    if (!list)
        return qb_yaml_fail(rules->root, err, "expected the key 'rules'");
    if (qb_yaml_expect(list, QB_YAML_LIST, err))
        return err->status;
    if (!(rules->rules = qb_alloc(list->count, sizeof *rules->rules, "rules", err)))
        return err->status;
    for (rules->count = 0; rules->count < list->count; rules->count++)
        if (read_rule(list->children[rules->count], &rules->rules[rules->count], err))
            return err->status;
    return QB_OK;
}

/* Takes the tree over. */
static enum qb_status from_tree(struct qb_yaml *root, struct qb_gate_rules **rules, struct qb_error *err)
{
    struct qb_gate_rules *made = qb_alloc(1, sizeof *made, "rules", err);
    *rules = NULL;
    if (!made) {
        qb_yaml_free(root);
        return err->status;
    }
    made->root = root;
    made->file = root->file;
    if (read_all(made, err)) {
        qb_gate_rules_free(made);
        return err->status;
    }
    *rules = made;
    return QB_OK;
}

enum qb_status qb_gate_rules_load(const char *path, struct qb_gate_rules **rules, struct qb_error *err)
{
    struct qb_yaml *root = NULL;
    *rules = NULL;
    return qb_yaml_load(path, &root, err) ? err->status : from_tree(root, rules, err);
}

enum qb_status qb_gate_rules_parse(const char *text, size_t size, const char *name, struct qb_gate_rules **rules,
                                   struct qb_error *err)
{
    struct qb_yaml *root = NULL;
    *rules = NULL;
    return qb_yaml_parse(text, size, name, &root, err) ? err->status : from_tree(root, rules, err);
}

void qb_gate_rules_free(struct qb_gate_rules *rules)
{
    if (!rules)
        return;
    qb_yaml_free(rules->root);
    qb_free(rules->rules);
    qb_free(rules);
}

static bool fits(const char *const globs[QB_RULE_GLOBS], const char *text)
{
    for (; *globs; globs++)
        if (qb_glob(*globs, text))
            return true;
    return false;
}

const struct qb_gate_rule *qb_gate_rule_for(const struct qb_gate_rules *rules, const char *variant,
                                            const char *experiment, const char *metric)
{
    for (size_t i = 0; i < rules->count; i++) {
        const struct qb_gate_rule *rule = &rules->rules[i];
        if (fits(rule->variants, variant) && qb_glob(rule->experiment, experiment) && fits(rule->metrics, metric))
            return rule;
    }
    return NULL;
}
