/* One number, control, conclusion or claim of a claims file: strict, every error with file, line and key. */
#include "claims_read.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"

static const char *const number_keys[] = {"cell", "minus", "plus", "over", "bound", "scale", "offset", "format"};

enum qb_status qb_claims_text(const struct qb_yaml *map, const char *key, const char *otherwise, const char **value,
                              struct qb_error *err)
{
    const struct qb_yaml *node = qb_yaml_get(map, key);
    if (node)
        return qb_yaml_text(node, value, err);
    *value = otherwise;
    return otherwise ? QB_OK : qb_yaml_fail(map, err, "'%s' is missing", key);
}

static enum qb_status double_of(const struct qb_yaml *map, const char *key, double otherwise, double *value,
                                struct qb_error *err)
{
    const struct qb_yaml *node = qb_yaml_get(map, key);
    *value = otherwise;
    return node ? qb_yaml_double(node, -1e300, 1e300, value, err) : QB_OK;
}

static enum qb_status read_path(const struct qb_yaml *node, struct qb_cell_path *path, struct qb_error *err)
{
    const char *text;
    if (qb_yaml_text(node, &text, err))
        return err->status;
    const char **parts[] = {&path->model, &path->variant, &path->experiment, &path->metric};
    size_t found = 0;
    if (strlen(text) < sizeof path->text) {
        snprintf(path->text, sizeof path->text, "%s", text);
        snprintf(path->split, sizeof path->split, "%s", text);
        char *rest = path->split, *part;
        while ((part = strsep(&rest, "/")) && *part) {
            if (found < 4)
                *parts[found] = part;
            found++;
        }
        if (part)
            found = 0; /* an empty part */
    }
    if (found != 4)
        return qb_yaml_fail(node, err, "expected model/variant/experiment/metric, found '%s'", text);
    if (!qb_metric_find(path->experiment, path->metric))
        return qb_yaml_fail(node, err, "experiment '%s' has no metric '%s' (see: qinsbench list metrics)",
                            path->experiment, path->metric);
    return QB_OK;
}

static enum qb_status read_bound(const struct qb_yaml *map, enum qb_bound *bound, struct qb_error *err)
{
    const char *text;
    if (qb_claims_text(map, "bound", "value", &text, err))
        return err->status;
    if (strcmp(text, "value") == 0)
        *bound = QB_BOUND_VALUE;
    else if (strcmp(text, "lo") == 0)
        *bound = QB_BOUND_LO;
    else if (strcmp(text, "hi") == 0)
        *bound = QB_BOUND_HI;
    else if (strcmp(text, "count") == 0)
        *bound = QB_BOUND_COUNT;
    else
        return qb_yaml_fail(qb_yaml_get(map, "bound"), err, "expected value, lo, hi or count, found '%s'", text);
    return QB_OK;
}

/* A number of map that is not 0. */
static enum qb_status factor_of(const struct qb_yaml *map, const char *key, double *factor, struct qb_error *err)
{
    if (!double_of(map, key, 1, factor, err) && *factor == 0)
        return qb_yaml_fail(qb_yaml_get(map, key), err, "expected another number than 0: a constant is no measurement");
    return err->status;
}

/* Further cells under a key of a number: a cell, or {cell, scale, plus}, `plus` being the same again. `sign` is +1 or
 * -1. One alone must not be the number's cell: their ratio or difference would be the same in every run. */
static enum qb_status read_terms(const struct qb_yaml *node, double sign, bool below, struct qb_claim_number *number,
                                 struct qb_error *err)
{
    static const char *const known[] = {"cell", "scale", "plus", NULL};
    for (const struct qb_yaml *at = node, *path; at; at = at->kind == QB_YAML_MAP ? qb_yaml_get(at, "plus") : NULL) {
        if (number->term_count == QB_CLAIM_TERMS)
            return qb_yaml_fail(at, err, "expected at most %d cells beside the first", QB_CLAIM_TERMS);
        struct qb_claim_term *term = &number->terms[number->term_count++];
        const bool map = at->kind == QB_YAML_MAP, alone = at == node && !(map && qb_yaml_get(at, "plus"));
        *term = (struct qb_claim_term){.factor = 1, .below = below};
        if (map && qb_yaml_known(at, known, err))
            return err->status;
        if (map && !(path = qb_yaml_get(at, "cell")))
            return qb_yaml_fail(at, err, "'cell' is missing");
        if (read_path(map ? path : at, &term->cell, err) || (map && factor_of(at, "scale", &term->factor, err)))
            return err->status;
        if (alone && strcmp(term->cell.text, number->cell.text) == 0)
            return qb_yaml_fail(at, err, "this is the cell itself: no run could change the number");
        term->factor *= sign;
    }
    return QB_OK;
}

/* The keys cell, minus, plus, over, bound, scale, offset, format of map; `format` may be NULL in the file when one is
 * given. */
static enum qb_status read_number(const struct qb_yaml *map, struct qb_claim_number *number,
                                  const struct qb_number_format *format, struct qb_error *err)
{
    const struct qb_yaml *cell = qb_yaml_get(map, "cell"), *pattern = qb_yaml_get(map, "format");
    if (!cell)
        return qb_yaml_fail(map, err, "'cell' is missing");
    if (read_path(cell, &number->cell, err) || read_terms(qb_yaml_get(map, "minus"), -1, false, number, err) ||
        read_terms(qb_yaml_get(map, "plus"), 1, false, number, err) ||
        read_terms(qb_yaml_get(map, "over"), 1, true, number, err) || read_bound(map, &number->bound, err) ||
        factor_of(map, "scale", &number->scale, err) || double_of(map, "offset", 0, &number->offset, err))
        return err->status;
    if (pattern)
        return qb_number_format_read(pattern, &number->format, err);
    if (!format)
        return qb_yaml_fail(map, err, "'format' is missing");
    number->format = *format;
    return QB_OK;
}

static bool parse_relation(const char *text, enum qb_relation *relation)
{
    static const struct {
        const char *name;
        enum qb_relation relation;
    } all[] = {{"<", QB_LESS},      {"<=", QB_AT_MOST}, {">", QB_MORE},
               {">=", QB_AT_LEAST}, {"==", QB_EQUAL},   {"!=", QB_UNEQUAL}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(text, all[i].name) == 0) {
            *relation = all[i].relation;
            return true;
        }
    return false;
}

static enum qb_status read_control(const struct qb_yaml *map, struct qb_control *control, struct qb_error *err)
{
    static const char *const known[] = {"says",   "cell",   "minus", "plus",  "over", "bound", "scale",
                                        "offset", "format", "op",    "value", "than", NULL};
    const char *op;
    const struct qb_yaml *than = qb_yaml_get(map, "than"), *value = qb_yaml_get(map, "value");
    if (qb_yaml_expect(map, QB_YAML_MAP, err) || qb_yaml_known(map, known, err) ||
        qb_claims_text(map, "says", "", &control->says, err) || read_number(map, &control->number, NULL, err) ||
        qb_claims_text(map, "op", "", &op, err))
        return err->status;
    control->id = map->key;
    if (!*op && !than && !value)
        return QB_OK; /* QB_SHOWN */
    if (!*op)
        return qb_yaml_fail(map, err, "'op' is missing");
    if (!parse_relation(op, &control->relation))
        return qb_yaml_fail(qb_yaml_get(map, "op"), err, "expected <, <=, >, >=, == or !=, found '%s'", op);
    if (!than == !value)
        return qb_yaml_fail(map, err, "expected either 'value' or 'than'");
    if (value)
        return qb_yaml_double(value, -1e300, 1e300, &control->threshold, err);
    control->has_than = true;
    static const char *const than_known[] = {"cell",  "minus",  "plus",   "over", "bound",
                                             "scale", "offset", "format", NULL};
    if (qb_yaml_expect(than, QB_YAML_MAP, err) || qb_yaml_known(than, than_known, err))
        return err->status;
    return read_number(than, &control->than, &control->number.format, err);
}

enum qb_status qb_conclusion_read(const struct qb_yaml *map, struct qb_conclusion *c, struct qb_error *err)
{
    static const char *const known[] = {"says", "yes", "no", "part", "open", "controls", NULL};
    const struct qb_yaml *controls = qb_yaml_get(map, "controls");
    if (qb_yaml_expect(map, QB_YAML_MAP, err) || qb_yaml_known(map, known, err) ||
        qb_claims_text(map, "says", NULL, &c->says, err) || qb_claims_text(map, "yes", NULL, &c->yes, err) ||
        qb_claims_text(map, "no", NULL, &c->no, err) || qb_claims_text(map, "part", "", &c->part, err) ||
        qb_claims_text(map, "open", "", &c->open, err))
        return err->status;
    c->id = map->key;
    if (!controls || controls->kind != QB_YAML_MAP || controls->count == 0)
        return qb_yaml_fail(controls ? controls : map, err, "expected 'controls', a map of at least one control");
    if (!(c->controls = qb_alloc(controls->count, sizeof *c->controls, "controls", err)))
        return err->status;
    c->control_count = controls->count;
    for (size_t i = 0; i < controls->count && !err->status; i++)
        read_control(controls->children[i], &c->controls[i], err);
    size_t tested = 0;
    for (size_t i = 0; i < c->control_count; i++)
        tested += c->controls[i].relation != QB_SHOWN;
    if (!err->status && tested == 0)
        return qb_yaml_fail(controls, err, "expected at least one control with 'op': nothing could decide");
    return err->status;
}

static enum qb_status read_range(const struct qb_yaml *map, struct qb_claim *claim, struct qb_error *err)
{
    static const char *const known[] = {"at_least", "above", "at_most", "below", NULL};
    bool least = qb_yaml_get(map, "at_least"), above = qb_yaml_get(map, "above");
    bool most = qb_yaml_get(map, "at_most"), below = qb_yaml_get(map, "below");
    if (qb_yaml_known(map, known, err))
        return err->status;
    if ((least && above) || (most && below) || !(least || above || most || below))
        return qb_yaml_fail(map, err, "expected at_least or above, at_most or below, or one of each end");
    claim->has_range = true;
    claim->low_open = above;
    claim->high_open = below;
    if (double_of(map, above ? "above" : "at_least", -INFINITY, &claim->low, err))
        return err->status;
    return double_of(map, below ? "below" : "at_most", INFINITY, &claim->high, err);
}

static enum qb_status read_reproduces(const struct qb_yaml *map, struct qb_claim *claim, struct qb_error *err)
{
    const char *text;
    if (qb_claims_text(map, "reproduces", NULL, &text, err) || qb_claims_text(map, "reason", "", &claim->reason, err))
        return err->status;
    if (strcmp(text, "yes") == 0)
        claim->reproduces = QB_SHOULD_REPRODUCE;
    else if (strcmp(text, "no") == 0)
        claim->reproduces = QB_SHOULD_DIFFER;
    else if (strcmp(text, "not-measurable") == 0)
        claim->reproduces = QB_NOT_MEASURABLE;
    else
        return qb_yaml_fail(qb_yaml_get(map, "reproduces"), err, "expected yes, no or not-measurable, found '%s'",
                            text);
    if (claim->reproduces != QB_SHOULD_REPRODUCE && !*claim->reason)
        return qb_yaml_fail(map, err, "a number that does not reproduce needs a 'reason'");
    return QB_OK;
}

/* cell and its companions, expect, n, any_seed. */
static enum qb_status read_measure(const struct qb_yaml *map, struct qb_claim *claim, struct qb_error *err)
{
    const struct qb_yaml *expect = qb_yaml_get(map, "expect"), *n = qb_yaml_get(map, "n");
    const struct qb_yaml *any = qb_yaml_get(map, "any_seed");
    claim->has_number = qb_yaml_get(map, "cell") != NULL;
    for (size_t i = 0; !claim->has_number && i < sizeof number_keys / sizeof *number_keys; i++)
        if (qb_yaml_get(map, number_keys[i]))
            return qb_yaml_fail(map, err, "'%s' needs a 'cell'", number_keys[i]);
    if (claim->has_number && read_number(map, &claim->number, NULL, err))
        return err->status;
    if (expect && expect->kind == QB_YAML_MAP)
        read_range(expect, claim, err);
    else if (expect)
        qb_yaml_text(expect, &claim->expect, err);
    if (err->status)
        return err->status;
    if (*claim->elsewhere && (!claim->has_number || claim->reproduces == QB_NOT_MEASURABLE))
        return qb_yaml_fail(map, err, "'elsewhere' is for a number that a run can measure");
    if (claim->reproduces != QB_NOT_MEASURABLE && (!expect || !claim->has_number))
        return qb_yaml_fail(map, err, "a number that can be compared needs a 'cell' and 'expect'");
    int64_t count = 0;
    if (n && qb_yaml_int(n, 1, INT64_MAX, &count, err))
        return err->status;
    claim->n = (uint64_t)count;
    return any ? qb_yaml_bool(any, &claim->any_seed, err) : QB_OK;
}

/* lines: one number or a list, each a line of the document, as "8, 36". */
static enum qb_status read_lines(const struct qb_yaml *map, struct qb_claim *claim, struct qb_error *err)
{
    const struct qb_yaml *node = qb_yaml_get(map, "lines");
    struct qb_text text = {0};
    if (!node)
        return qb_yaml_fail(map, err, "'lines' is missing");
    if (node->kind == QB_YAML_LIST && node->count == 0)
        return qb_yaml_fail(node, err, "expected at least one line number");
    size_t count = node->kind == QB_YAML_LIST ? node->count : 1;
    for (size_t i = 0; i < count && !err->status; i++) {
        int64_t line;
        if (!qb_yaml_int(node->kind == QB_YAML_LIST ? node->children[i] : node, 1, 1000000, &line, err))
            qb_text_add(&text, "%s%lld", i ? ", " : "", (long long)line);
    }
    if (!err->status && (text.failed || !(claim->lines = qb_strdup(text.data, err))))
        qb_fail(err, QB_ERR_MEMORY, "no memory for line numbers");
    qb_text_free(&text);
    return err->status;
}

enum qb_status qb_claim_read(const struct qb_yaml *map, struct qb_claim *c, struct qb_error *err)
{
    static const char *const known[] = {
        "id",       "place",     "lines",    "what",       "quote",      "says",      "cell", "minus",  "plus",
        "over",     "bound",     "scale",    "offset",     "format",     "expect",    "n",    "reason", "reproduces",
        "any_seed", "published", "protocol", "conclusion", "reading_of", "elsewhere", NULL};
    if (qb_yaml_expect(map, QB_YAML_MAP, err) || qb_yaml_known(map, known, err) ||
        qb_claims_text(map, "id", NULL, &c->id, err) || qb_claims_text(map, "place", NULL, &c->place, err) ||
        read_lines(map, c, err) || qb_claims_text(map, "what", NULL, &c->what, err) ||
        qb_claims_text(map, "quote", NULL, &c->quote, err) || qb_claims_text(map, "says", NULL, &c->says, err) ||
        qb_claims_text(map, "published", NULL, &c->published, err) ||
        qb_claims_text(map, "protocol", "", &c->protocol, err) ||
        qb_claims_text(map, "conclusion", "", &c->conclusion_id, err) ||
        qb_claims_text(map, "reading_of", "", &c->reading_of, err) ||
        qb_claims_text(map, "elsewhere", "", &c->elsewhere, err) || read_reproduces(map, c, err))
        return err->status;
    char *end;
    c->published_number = strtod(c->published, &end);
    if (end == c->published || (*end && !strchr("% x", *end)))
        c->published_number = NAN;
    return read_measure(map, c, err);
}
