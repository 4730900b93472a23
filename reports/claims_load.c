/* Reading data/claims/<name>.yaml: strict, every error with file, line and key. */
#include "claims.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"

static const char *const number_keys[] = {"cell", "minus", "over", "bound", "scale", "offset", "format"};

/* A text under key, or `otherwise`; otherwise NULL: the key is required. */
static enum qb_status text_of(const struct qb_yaml *map, const char *key, const char *otherwise, const char **value,
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
    enum qb_status s = qb_yaml_text(node, &text, err);
    if (s)
        return s;
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
    enum qb_status s = text_of(map, "bound", "value", &text, err);
    if (s)
        return s;
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

/* A second cell beside `cell`, which it must not be: their ratio or difference would be the same in every run. */
static enum qb_status read_other(const struct qb_yaml *node, const struct qb_claim_number *number,
                                 struct qb_cell_path *path, bool *has, struct qb_error *err)
{
    if (!node)
        return QB_OK;
    *has = true;
    enum qb_status s = read_path(node, path, err);
    if (!s && strcmp(path->text, number->cell.text) == 0)
        return qb_yaml_fail(node, err, "this is the cell itself: no run could change the number");
    return s;
}

/* The keys cell, minus, over, bound, scale, offset, format of map; `format` may be NULL in the file when one is given.
 */
static enum qb_status read_number(const struct qb_yaml *map, struct qb_claim_number *number,
                                  const struct qb_number_format *format, struct qb_error *err)
{
    const struct qb_yaml *cell = qb_yaml_get(map, "cell"), *pattern = qb_yaml_get(map, "format");
    if (!cell)
        return qb_yaml_fail(map, err, "'cell' is missing");
    enum qb_status s = read_path(cell, &number->cell, err);
    if (!s)
        s = read_other(qb_yaml_get(map, "minus"), number, &number->minus, &number->has_minus, err);
    if (!s)
        s = read_other(qb_yaml_get(map, "over"), number, &number->over, &number->has_over, err);
    if (s || (s = read_bound(map, &number->bound, err)) || (s = double_of(map, "scale", 1, &number->scale, err)) ||
        (s = double_of(map, "offset", 0, &number->offset, err)))
        return s;
    if (number->scale == 0)
        return qb_yaml_fail(qb_yaml_get(map, "scale"), err,
                            "expected another number than 0: a constant is no measurement");
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
    static const char *const known[] = {"says",   "cell",   "minus", "over",  "bound", "scale",
                                        "offset", "format", "op",    "value", "than",  NULL};
    const char *op;
    const struct qb_yaml *than = qb_yaml_get(map, "than"), *value = qb_yaml_get(map, "value");
    enum qb_status s = qb_yaml_expect(map, QB_YAML_MAP, err);
    if (s || (s = qb_yaml_known(map, known, err)) || (s = text_of(map, "says", "", &control->says, err)) ||
        (s = read_number(map, &control->number, NULL, err)) || (s = text_of(map, "op", "", &op, err)))
        return s;
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
    if ((s = qb_yaml_expect(than, QB_YAML_MAP, err)))
        return s;
    static const char *const than_known[] = {"cell", "minus", "over", "bound", "scale", "offset", "format", NULL};
    if ((s = qb_yaml_known(than, than_known, err)))
        return s;
    return read_number(than, &control->than, &control->number.format, err);
}

static enum qb_status read_conclusion(const struct qb_yaml *map, struct qb_conclusion *c, struct qb_error *err)
{
    static const char *const known[] = {"says", "yes", "no", "part", "controls", NULL};
    const struct qb_yaml *controls = qb_yaml_get(map, "controls");
    enum qb_status s = qb_yaml_expect(map, QB_YAML_MAP, err);
    if (s || (s = qb_yaml_known(map, known, err)) || (s = text_of(map, "says", NULL, &c->says, err)) ||
        (s = text_of(map, "yes", NULL, &c->yes, err)) || (s = text_of(map, "no", NULL, &c->no, err)) ||
        (s = text_of(map, "part", "", &c->part, err)))
        return s;
    c->id = map->key;
    if (!controls || controls->kind != QB_YAML_MAP || controls->count == 0)
        return qb_yaml_fail(controls ? controls : map, err, "expected 'controls', a map of at least one control");
    if (!(c->controls = qb_alloc(controls->count, sizeof *c->controls, "controls", err)))
        return err->status;
    c->control_count = controls->count;
    for (size_t i = 0; i < controls->count && !s; i++)
        s = read_control(controls->children[i], &c->controls[i], err);
    size_t tested = 0;
    for (size_t i = 0; i < c->control_count; i++)
        tested += c->controls[i].relation != QB_SHOWN;
    if (!s && tested == 0)
        return qb_yaml_fail(controls, err, "expected at least one control with 'op': nothing could decide");
    return s;
}

static enum qb_status read_range(const struct qb_yaml *map, struct qb_claim *claim, struct qb_error *err)
{
    static const char *const known[] = {"at_least", "above", "at_most", "below", NULL};
    enum qb_status s = qb_yaml_known(map, known, err);
    bool least = qb_yaml_get(map, "at_least"), above = qb_yaml_get(map, "above");
    bool most = qb_yaml_get(map, "at_most"), below = qb_yaml_get(map, "below");
    if (s)
        return s;
    if ((least && above) || (most && below) || !(least || above || most || below))
        return qb_yaml_fail(map, err, "expected at_least or above, at_most or below, or one of each end");
    claim->has_range = true;
    claim->low_open = above;
    claim->high_open = below;
    if ((s = double_of(map, above ? "above" : "at_least", -INFINITY, &claim->low, err)))
        return s;
    return double_of(map, below ? "below" : "at_most", INFINITY, &claim->high, err);
}

static enum qb_status read_reproduces(const struct qb_yaml *map, struct qb_claim *claim, struct qb_error *err)
{
    const char *text;
    enum qb_status s = text_of(map, "reproduces", NULL, &text, err);
    if (s || (s = text_of(map, "reason", "", &claim->reason, err)))
        return s;
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
    enum qb_status s = QB_OK;
    claim->has_number = qb_yaml_get(map, "cell") != NULL;
    for (size_t i = 0; !claim->has_number && i < sizeof number_keys / sizeof *number_keys; i++)
        if (qb_yaml_get(map, number_keys[i]))
            return qb_yaml_fail(map, err, "'%s' needs a 'cell'", number_keys[i]);
    if (claim->has_number && (s = read_number(map, &claim->number, NULL, err)))
        return s;
    if (expect && expect->kind == QB_YAML_MAP)
        s = read_range(expect, claim, err);
    else if (expect)
        s = qb_yaml_text(expect, &claim->expect, err);
    if (s)
        return s;
    if (claim->reproduces != QB_NOT_MEASURABLE && (!expect || !claim->has_number))
        return qb_yaml_fail(map, err, "a number that can be compared needs a 'cell' and 'expect'");
    int64_t count = 0;
    if (n && (s = qb_yaml_int(n, 1, INT64_MAX, &count, err)))
        return s;
    claim->n = (uint64_t)count;
    return any ? qb_yaml_bool(any, &claim->any_seed, err) : QB_OK;
}

/* lines: one number or a list, each a line of the document, as "8, 36". */
static enum qb_status read_lines(const struct qb_yaml *map, struct qb_claim *claim, struct qb_error *err)
{
    const struct qb_yaml *node = qb_yaml_get(map, "lines");
    struct qb_text text = {0};
    enum qb_status s = QB_OK;
    if (!node)
        return qb_yaml_fail(map, err, "'lines' is missing");
    if (node->kind == QB_YAML_LIST && node->count == 0)
        return qb_yaml_fail(node, err, "expected at least one line number");
    size_t count = node->kind == QB_YAML_LIST ? node->count : 1;
    for (size_t i = 0; i < count && !s; i++) {
        int64_t line;
        if (!(s = qb_yaml_int(node->kind == QB_YAML_LIST ? node->children[i] : node, 1, 1000000, &line, err)))
            qb_text_add(&text, "%s%lld", i ? ", " : "", (long long)line);
    }
    if (!s && (text.failed || !(claim->lines = qb_strdup(text.data, err))))
        s = qb_fail(err, QB_ERR_MEMORY, "no memory for line numbers");
    qb_text_free(&text);
    return s;
}

static enum qb_status read_claim(const struct qb_yaml *map, struct qb_claim *c, struct qb_error *err)
{
    static const char *const known[] = {"id",        "place",    "lines",      "what",       "quote",      "says",
                                        "cell",      "minus",    "over",       "bound",      "scale",      "offset",
                                        "format",    "expect",   "n",          "reason",     "reproduces", "any_seed",
                                        "published", "protocol", "conclusion", "reading_of", NULL};
    enum qb_status s = qb_yaml_expect(map, QB_YAML_MAP, err);
    if (s || (s = qb_yaml_known(map, known, err)) || (s = text_of(map, "id", NULL, &c->id, err)) ||
        (s = text_of(map, "place", NULL, &c->place, err)) || (s = read_lines(map, c, err)) ||
        (s = text_of(map, "what", NULL, &c->what, err)) || (s = text_of(map, "quote", NULL, &c->quote, err)) ||
        (s = text_of(map, "says", NULL, &c->says, err)) || (s = text_of(map, "published", NULL, &c->published, err)) ||
        (s = text_of(map, "protocol", "", &c->protocol, err)) ||
        (s = text_of(map, "conclusion", "", &c->conclusion_id, err)) ||
        (s = text_of(map, "reading_of", "", &c->reading_of, err)) || (s = read_reproduces(map, c, err)))
        return s;
    char *end;
    c->published_number = strtod(c->published, &end);
    if (end == c->published || (*end && !strchr("% x", *end)))
        c->published_number = NAN;
    return read_measure(map, c, err);
}

static enum qb_status read_protocol(const struct qb_yaml *node, struct qb_error *err)
{
    enum qb_status s = qb_yaml_expect(node, QB_YAML_MAP, err);
    for (size_t m = 0; m < node->count && !s; m++) {
        const char *text;
        s = qb_yaml_expect(node->children[m], QB_YAML_MAP, err);
        for (size_t f = 0; !s && f < node->children[m]->count; f++) {
            const struct qb_yaml *fact = node->children[m]->children[f];
            s = strcmp(fact->key, "prompt") == 0 ? qb_yaml_expect(fact, QB_YAML_MAP, err)
                                                 : qb_yaml_text(fact, &text, err);
        }
    }
    return s;
}

static enum qb_status read_document(const struct qb_yaml *root, struct qb_claims_document *d, struct qb_error *err)
{
    const struct qb_yaml *claims = qb_yaml_get(root, "claims"), *recovered = qb_yaml_get(root, "recovered");
    enum qb_status s = qb_yaml_expect(claims, QB_YAML_LIST, err);
    d->file = root->file;
    d->protocol = qb_yaml_get(root, "protocol");
    if (s || (s = text_of(root, "document", NULL, &d->document, err)) ||
        (s = text_of(root, "title", NULL, &d->title, err)) || (d->protocol && (s = read_protocol(d->protocol, err))) ||
        (recovered && (s = qb_yaml_bool(recovered, &d->recovered, err))))
        return s;
    if (!(d->claims = qb_alloc(claims->count, sizeof *d->claims, "claims", err)))
        return err->status;
    d->count = claims->count;
    for (size_t i = 0; i < d->count && !s; i++)
        s = read_claim(claims->children[i], &d->claims[i], err);
    return s;
}

/* Adds the conclusions of one file to the ledger's. */
static enum qb_status read_conclusions(const struct qb_yaml *map, struct qb_ledger *ledger, struct qb_error *err)
{
    enum qb_status s = qb_yaml_expect(map, QB_YAML_MAP, err);
    if (s)
        return s;
    size_t most = ledger->conclusion_count + map->count;
    struct qb_conclusion *all = qb_grow(ledger->conclusions, most, sizeof *all, "conclusions", err);
    if (!all)
        return err->status;
    ledger->conclusions = all;
    for (size_t i = 0; i < map->count && !s; i++) {
        const struct qb_yaml *node = map->children[i];
        for (size_t k = 0; k < ledger->conclusion_count; k++)
            if (strcmp(all[k].id, node->key) == 0)
                return qb_yaml_fail(node, err, "this conclusion is declared twice");
        s = read_conclusion(node, &all[ledger->conclusion_count++], err);
    }
    return s;
}

static enum qb_status read_file(const char *path, struct qb_ledger *ledger, struct qb_error *err)
{
    static const char *const known[] = {"document", "title", "recovered", "protocol", "conclusions", "claims", NULL};
    struct qb_yaml *root;
    enum qb_status s = qb_yaml_load(path, &root, err);
    if (s)
        return s;
    ledger->files[ledger->file_count++] = root;
    if ((s = qb_yaml_expect(root, QB_YAML_MAP, err)) || (s = qb_yaml_known(root, known, err)))
        return s;
    if (qb_yaml_get(root, "conclusions") && (s = read_conclusions(qb_yaml_get(root, "conclusions"), ledger, err)))
        return s;
    if (qb_yaml_get(root, "claims"))
        return read_document(root, &ledger->documents[ledger->document_count++], err);
    return qb_yaml_get(root, "conclusions") ? QB_OK : qb_yaml_fail(root, err, "expected 'claims' or 'conclusions'");
}

/* Another reading is one of a number that there is. */
static enum qb_status check_reading(const struct qb_ledger *ledger, const struct qb_claims_document *doc,
                                    const struct qb_claim *c, struct qb_error *err)
{
    bool there = !*c->reading_of;
    for (size_t d = 0; d < ledger->document_count; d++)
        for (size_t i = 0; i < ledger->documents[d].count; i++) {
            const struct qb_claim *other = &ledger->documents[d].claims[i];
            there = there || (strcmp(other->id, c->reading_of) == 0 && !*other->reading_of && other != c);
        }
    return there ? QB_OK
                 : qb_fail(err, QB_ERR_INPUT, "%s: claim '%s': 'reading_of' names no number of its own: '%s'",
                           doc->file, c->id, c->reading_of);
}

/* Ties each claim to its conclusion; ids are unique over all files. */
static enum qb_status link_claims(struct qb_ledger *ledger, struct qb_error *err)
{
    for (size_t d = 0; d < ledger->document_count; d++)
        for (size_t i = 0; i < ledger->documents[d].count; i++) {
            struct qb_claims_document *doc = &ledger->documents[d];
            struct qb_claim *c = &doc->claims[i];
            for (size_t k = 0; k < ledger->conclusion_count; k++)
                if (strcmp(c->conclusion_id, ledger->conclusions[k].id) == 0)
                    c->conclusion = &ledger->conclusions[k];
            if (*c->conclusion_id && !c->conclusion)
                return qb_fail(err, QB_ERR_INPUT, "%s: claim '%s': no file declares the conclusion '%s'", doc->file,
                               c->id, c->conclusion_id);
            if (check_reading(ledger, doc, c, err))
                return err->status;
            for (size_t e = 0; e <= d; e++)
                for (size_t j = 0; j < (e == d ? i : ledger->documents[e].count); j++)
                    if (strcmp(ledger->documents[e].claims[j].id, c->id) == 0)
                        return qb_fail(err, QB_ERR_INPUT, "%s: claim '%s' is declared twice (also in %s)", doc->file,
                                       c->id, ledger->documents[e].file);
        }
    return QB_OK;
}

static int is_yaml(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return entry->d_name[0] != '.' && n > 5 && strcmp(entry->d_name + n - 5, ".yaml") == 0;
}

enum qb_status qb_ledger_load(const char *folder, struct qb_ledger **out, struct qb_error *err)
{
    struct dirent **entries = NULL;
    struct qb_ledger *ledger = NULL;
    *out = NULL;
    int found = scandir(folder, &entries, is_yaml, alphasort);
    if (found < 0)
        return qb_fail(err, QB_ERR_INPUT, "claims folder %s: %s", folder, strerror(errno));
    enum qb_status s = found ? QB_OK : qb_fail(err, QB_ERR_INPUT, "claims folder %s holds no .yaml file", folder);
    if (!s && (ledger = qb_alloc(1, sizeof *ledger, "ledger", err))) {
        ledger->files = qb_alloc((size_t)found, sizeof(struct qb_yaml *), "ledger", err);
        ledger->documents = ledger->files ? qb_alloc((size_t)found, sizeof *ledger->documents, "ledger", err) : NULL;
    }
    if (!s && (!ledger || !ledger->documents))
        s = err->status;
    for (int i = 0; i < found; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (!s)
            s = read_file(path, ledger, err);
        free(entries[i]);
    }
    free(entries);
    if (!s)
        s = link_claims(ledger, err);
    if (s) {
        qb_ledger_free(ledger);
        return s;
    }
    *out = ledger;
    return QB_OK;
}

void qb_ledger_free(struct qb_ledger *ledger)
{
    if (!ledger)
        return;
    for (size_t d = 0; d < ledger->document_count; d++) {
        for (size_t i = 0; i < ledger->documents[d].count; i++)
            qb_free(ledger->documents[d].claims[i].lines);
        qb_free(ledger->documents[d].claims);
    }
    for (size_t i = 0; i < ledger->conclusion_count; i++) {
        qb_free(ledger->conclusions[i].controls);
        qb_text_free(&ledger->conclusions[i].sentence);
    }
    for (size_t i = 0; i < ledger->file_count; i++)
        qb_yaml_free(ledger->files[i]);
    qb_free(ledger->conclusions);
    qb_free(ledger->documents);
    qb_free(ledger->files);
    qb_free(ledger);
}
