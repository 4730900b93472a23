/* Measuring a ledger in a result: verdicts from the claims' cells, conclusions from their controls. */
#include "claims.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "base/utf8.h"
#include "base/data_path.h"

/* A run that verdicts look at. */
struct run {
    const struct qb_result *result;
    struct qb_yaml *suite; /* as stored in the provenance; NULL when it is missing or unreadable */
};

struct runs {
    struct run *runs;
    size_t count; /* at least 1 */
};

static size_t cell_at(const struct run *run, const struct qb_cell_path *path)
{
    return qb_result_find(run->result, path->model, path->variant, path->experiment);
}

/* The first run that has the cell, done or not; NULL: none has. */
static const struct run *run_of(const struct runs *runs, const struct qb_cell_path *path)
{
    for (size_t i = 0; i < runs->count; i++)
        if (cell_at(&runs->runs[i], path) != SIZE_MAX)
            return &runs->runs[i];
    return NULL;
}

/* The value of one cell path, or why there is none. */
static const struct qb_value *look_up(const struct runs *runs, const struct qb_cell_path *path, struct qb_measured *m)
{
    const struct run *run = run_of(runs, path);
    m->found = QB_FOUND_NOT_RUN;
    if (!run) {
        snprintf(m->why, sizeof m->why, "%s was not run", path->text);
        return NULL;
    }
    const struct qb_result *result = run->result;
    const struct qb_cell *cell = qb_result_cell(result, cell_at(run, path));
    if (cell->state != QB_CELL_DONE) {
        m->found = QB_FOUND_FAILED;
        qb_utf8_print(m->why, sizeof m->why, "%s %s: %.*s", path->text,
                      cell->state == QB_CELL_FAILED ? "failed" : "was skipped",
                      QB_UPTO(120, cell->message ? cell->message : ""));
        return NULL;
    }
    const struct qb_value *v = qb_result_value(result, path->model, path->variant, path->experiment, path->metric);
    if (!v)
        snprintf(m->why, sizeof m->why, "%s: the cell has no such metric", path->text);
    else if (!qb_value_there(v->flags))
        snprintf(m->why, sizeof m->why, "%.*s has no value: %.*s", QB_UPTO(100, path->text), QB_UPTO(120, v->note));
    else
        m->found = QB_FOUND;
    return m->found == QB_FOUND ? v : NULL;
}

/* A fact of the run's model; NULL: not recorded. */
static const char *fact_of(const struct qb_result *result, const char *model, const char *part)
{
    char name[160];
    snprintf(name, sizeof name, "model.%s.%s", model, part);
    return qb_provenance_get(qb_result_provenance(result), name);
}

/* Do two runs that serve cells of this model have two models of that name? */
static bool models_differ(const struct run *a, const struct run *b, const char *model)
{
    const char *ours = fact_of(a->result, model, "sha256"), *theirs = fact_of(b->result, model, "sha256");
    return ours && theirs && strcmp(ours, theirs) != 0;
}

/* The value of a further cell of a number, which must be of the model that the others of that name are of. */
static const struct qb_value *look_up_term(const struct runs *runs, const struct qb_claim_number *number,
                                           const struct qb_cell_path *path, struct qb_measured *m)
{
    const struct qb_value *v = look_up(runs, path, m);
    const struct run *run = v ? run_of(runs, path) : NULL;
    for (size_t i = 0; run && i <= number->term_count; i++) {
        const struct qb_cell_path *other = i == 0 ? &number->cell : &number->terms[i - 1].cell;
        const struct run *its = run_of(runs, other);
        if (!its || strcmp(other->model, path->model) != 0 || !models_differ(its, run, path->model))
            continue;
        m->found = QB_FOUND_NOT_RUN;
        snprintf(m->why, sizeof m->why, "%s and %s are of two models", other->text, path->text);
        return NULL;
    }
    return v;
}

/* Not measured becomes NaN, which no comparison lets pass. */
static void measure(const struct runs *runs, const struct qb_claim_number *number, struct qb_measured *m)
{
    m->value = NAN;
    const struct qb_value *v = look_up(runs, &number->cell, m);
    if (!v)
        return;
    double x = number->bound == QB_BOUND_LO      ? v->lo
               : number->bound == QB_BOUND_HI    ? v->hi
               : number->bound == QB_BOUND_COUNT ? (double)v->n
                                                 : v->value;
    m->n = v->n;
    m->flags = v->flags;
    double below = 0;
    bool divided = false;
    for (size_t i = 0; i < number->term_count; i++) {
        const struct qb_claim_term *term = &number->terms[i];
        const struct qb_value *other = look_up_term(runs, number, &term->cell, m);
        if (!other)
            return;
        *(term->below ? &below : &x) += term->factor * other->value;
        divided = divided || term->below;
    }
    m->value = number->scale * (divided ? x / below : x) + number->offset;
    struct qb_text text = {0};
    qb_number_print(&number->format, m->value, m->n, &text);
    snprintf(m->text, sizeof m->text, "%s", text.data ? text.data : "");
    qb_text_free(&text);
}

/* What the run's suite gives a model as prompt: its own entry before the greedy experiment's. NULL: not stated. */
static const struct qb_yaml *prompt_of(const struct qb_yaml *suite, const char *model)
{
    const struct qb_yaml *own = qb_yaml_get(qb_yaml_get(qb_yaml_get(suite, "models"), model), "prompt");
    return own ? own : qb_yaml_get(qb_yaml_get(qb_yaml_get(suite, "experiments"), "greedy"), "prompt");
}

/* Does the suite's prompt say something else than the protocol's? */
static bool other_prompt(const struct qb_yaml *protocol, const struct qb_yaml *suite, const char *model)
{
    const struct qb_yaml *prompt = prompt_of(suite, model);
    for (size_t i = 0; prompt && i < protocol->count; i++) {
        const struct qb_yaml *due = protocol->children[i], *is = qb_yaml_get(prompt, due->key);
        if (!is || !is->scalar || !due->scalar || strcmp(is->scalar, due->scalar) != 0)
            return true;
    }
    return false;
}

/* Is the run's model another than the protocol's, the first difference put into note? A run whose provenance does not
 * state the model's generator gives no reason to set a number aside. */
static bool other_model(const struct qb_claims_document *d, const struct qb_claim *c, const struct qb_cell_path *path,
                        const struct runs *runs, char *note, size_t room)
{
    const char *model = path->model;
    const struct qb_yaml *facts = qb_yaml_get(d->protocol, model);
    const struct run *run = run_of(runs, path);
    const bool stated = run && fact_of(run->result, model, "generator");
    for (size_t i = 0; run && facts && i < facts->count; i++) {
        const struct qb_yaml *fact = facts->children[i];
        bool seed = strcmp(fact->key, "seed") == 0, prompt = fact->kind == QB_YAML_MAP;
        if (c->any_seed && (seed || prompt))
            continue;
        if (prompt && other_prompt(fact, run->suite, model)) {
            snprintf(note, room, "another prompt than the protocol's for %s", model);
            return true;
        }
        const char *is = fact_of(run->result, model, fact->key), *origin = fact_of(run->result, model, "origin");
        if (prompt || !stated || (is && strcmp(is, fact->scalar) == 0))
            continue;
        qb_utf8_print(note, room, "%s (%s has not %s=%s: %.*s)", seed ? "another seed" : "another model", model,
                      fact->key, fact->scalar, QB_UPTO(100, origin ? origin : ""));
        return true;
    }
    return false;
}

/* Was the number taken under another protocol than the document's? */
static bool other_protocol(const struct qb_claims_document *d, struct qb_claim *c, const struct runs *runs)
{
    const struct qb_claim_number *x = &c->number;
    if (other_model(d, c, &x->cell, runs, c->note, sizeof c->note))
        return true;
    for (size_t i = 0; i < x->term_count; i++)
        if (other_model(d, c, &x->terms[i].cell, runs, c->note, sizeof c->note))
            return true;
    if (c->n && c->measured.n != c->n) {
        snprintf(c->note, sizeof c->note, "another length (n = %llu, the protocol has %llu)",
                 (unsigned long long)c->measured.n, (unsigned long long)c->n);
        return true;
    }
    return false;
}

static bool in_range(const struct qb_claim *c, double x)
{
    bool above = c->low_open ? x > c->low : x >= c->low;
    bool below = c->high_open ? x < c->high : x <= c->high;
    return above && below; /* NaN fails both */
}

/* The first cell that no run given here has, of a number that is measured elsewhere; NULL: none. */
static const struct qb_cell_path *elsewhere(const struct qb_claim *c, const struct runs *runs)
{
    const struct qb_claim_number *x = &c->number;
    if (!*c->elsewhere)
        return NULL;
    const struct qb_cell_path *missing = run_of(runs, &x->cell) ? NULL : &x->cell;
    for (size_t i = 0; i < x->term_count && !missing; i++)
        missing = run_of(runs, &x->terms[i].cell) ? NULL : &x->terms[i].cell;
    return missing;
}

static void judge(const struct qb_claims_document *d, struct qb_claim *c, const struct runs *runs)
{
    c->note[0] = '\0';
    if (c->has_number)
        measure(runs, &c->number, &c->measured);
    const struct qb_cell_path *missing = elsewhere(c, runs);
    c->out_of_reach = c->reproduces == QB_NOT_MEASURABLE || missing;
    if (missing)
        snprintf(c->note, sizeof c->note, "%s/%s/%s is no part of this run: %s", missing->model, missing->variant,
                 missing->experiment, c->elsewhere);
    if (c->out_of_reach) {
        c->verdict = QB_VERDICT_NOT_MEASURABLE;
        return;
    }
    if (c->measured.found != QB_FOUND) {
        c->verdict = QB_NOT_RUN;
        return;
    }
    bool same = c->has_range ? in_range(c, c->measured.value) : strcmp(c->measured.text, c->expect) == 0;
    if (other_protocol(d, c, runs))
        c->verdict = QB_VERDICT_NOT_MEASURABLE;
    else
        c->verdict = same ? QB_REPRODUCED : QB_DIFFERS;
}

static bool related(double x, enum qb_relation relation, double y)
{
    switch (relation) {
    case QB_SHOWN:
        return true;
    case QB_LESS:
        return x < y;
    case QB_AT_MOST:
        return x <= y;
    case QB_MORE:
        return x > y;
    case QB_AT_LEAST:
        return x >= y;
    case QB_EQUAL:
        return x >= y && x <= y;
    case QB_UNEQUAL:
        return x < y || x > y;
    }
    return false;
}

static void test_control(struct qb_control *k, const struct runs *runs)
{
    double threshold = k->threshold;
    measure(runs, &k->number, &k->measured);
    bool known = k->measured.found == QB_FOUND && !isnan(k->measured.value);
    if (k->has_than) {
        measure(runs, &k->than, &k->measured_than);
        known = known && k->measured_than.found == QB_FOUND && !isnan(k->measured_than.value);
        threshold = k->measured_than.value;
    }
    k->holds = k->relation == QB_SHOWN ? 1 : known ? related(k->measured.value, k->relation, threshold) : -1;
}

/* The sentence with {id} and {id.than} replaced by what the controls measured. */
static void fill(const struct qb_conclusion *c, const char *sentence, struct qb_text *out)
{
    for (const char *p = sentence; *p; p++) {
        const char *end = *p == '{' ? strchr(p, '}') : NULL;
        size_t length = end ? (size_t)(end - p) - 1 : 0;
        bool done = false;
        for (size_t i = 0; end && i < c->control_count && !done; i++) {
            const struct qb_control *k = &c->controls[i];
            size_t n = strlen(k->id);
            const struct qb_measured *m = NULL;
            if (length == n && memcmp(p + 1, k->id, n) == 0)
                m = &k->measured;
            else if (length == n + 5 && memcmp(p + 1, k->id, n) == 0 && memcmp(p + 1 + n, ".than", 5) == 0)
                m = &k->measured_than;
            if (m) {
                qb_text_add(out, "%s", m->found == QB_FOUND ? m->text : "(not run)");
                done = true;
            }
        }
        if (done)
            p = end;
        else
            qb_text_bytes(out, p, 1);
    }
}

/* Are all claims that the conclusion is drawn from out of this run's reach (and is there one at all)? */
static bool is_open(const struct qb_ledger *ledger, const struct qb_conclusion *c)
{
    size_t drawn = 0, out_of_reach = 0;
    for (size_t d = 0; d < ledger->document_count; d++)
        for (size_t i = 0; i < ledger->documents[d].count; i++) {
            const struct qb_claim *claim = &ledger->documents[d].claims[i];
            drawn += claim->conclusion == c;
            out_of_reach += claim->conclusion == c && claim->out_of_reach;
        }
    return drawn > 0 && drawn == out_of_reach;
}

static enum qb_status conclude(const struct qb_ledger *ledger, struct qb_conclusion *c, const struct runs *runs,
                               struct qb_error *err)
{
    const bool open = is_open(ledger, c);
    const struct qb_control *missing = NULL;
    size_t held = 0, failed = 0; /* of those that decide */
    qb_text_free(&c->sentence);
    c->sentence = (struct qb_text){0};
    for (size_t i = 0; i < c->control_count; i++) {
        struct qb_control *k = &c->controls[i];
        test_control(k, runs);
        held += k->relation != QB_SHOWN && k->holds == 1;
        failed += k->holds == 0;
        if (k->holds < 0 && !missing)
            missing = k;
    }
    if (failed == 0)
        c->carries = missing ? QB_CARRIES_NOT_TESTED : QB_CARRIES_YES;
    else if (!*c->part)
        c->carries = QB_CARRIES_NO;
    else
        c->carries = missing ? QB_CARRIES_NOT_TESTED : held > 0 ? QB_CARRIES_PART : QB_CARRIES_NO;
    if (open && *c->open) {
        fill(c, c->open, &c->sentence);
    } else if (c->carries == QB_CARRIES_NOT_TESTED) {
        const struct qb_measured *m =
            missing->measured.found != QB_FOUND ? &missing->measured : &missing->measured_than;
        qb_text_add(&c->sentence, "The control is missing: %s.",
                    m->found == QB_FOUND || !*m->why ? "its value is NaN" : m->why);
    } else {
        const char *sentence = c->carries == QB_CARRIES_YES ? c->yes : c->carries == QB_CARRIES_NO ? c->no : c->part;
        fill(c, sentence, &c->sentence);
    }
    if (open && (*c->open || c->carries != QB_CARRIES_NOT_TESTED))
        c->carries = QB_CARRIES_OPEN;
    return c->sentence.failed ? qb_fail(err, QB_ERR_MEMORY, "no memory for the sentence of '%s'", c->id) : QB_OK;
}

enum qb_status qb_ledger_evaluate(struct qb_ledger *ledger, const struct qb_result *const *results, size_t count,
                                  struct qb_error *err)
{
    struct runs runs = {qb_alloc(count, sizeof *runs.runs, "runs", err), count};
    if (!runs.runs)
        return err->status;
    for (size_t i = 0; i < count; i++) {
        struct qb_error ignored = {0};
        const char *suite = qb_provenance_get(qb_result_provenance(results[i]), "suite");
        runs.runs[i].result = results[i];
        if (suite && qb_yaml_parse(suite, strlen(suite), "the result's suite", &runs.runs[i].suite, &ignored))
            runs.runs[i].suite = NULL; /* then prompts cannot be compared */
    }
    for (size_t d = 0; d < ledger->document_count; d++)
        for (size_t i = 0; i < ledger->documents[d].count; i++)
            judge(&ledger->documents[d], &ledger->documents[d].claims[i], &runs);
    for (size_t i = 0; i < ledger->conclusion_count && !err->status; i++)
        conclude(ledger, &ledger->conclusions[i], &runs, err);
    for (size_t i = 0; i < count; i++)
        qb_yaml_free(runs.runs[i].suite);
    qb_free(runs.runs);
    return err->status;
}

enum qb_status qb_ledger_of_run(const struct qb_result *result, const char *folder, struct qb_ledger **ledger,
                                struct qb_error *err)
{
    char shipped[4096];
    struct qb_error missing = {0};
    *ledger = NULL;
    if (!folder && qb_data_path("claims", shipped, &missing))
        return QB_OK;
    struct qb_ledger_count n = {0};
    if (!qb_ledger_load(folder ? folder : shipped, ledger, err) && !qb_ledger_evaluate(*ledger, &result, 1, err))
        n = qb_ledger_count(*ledger, true);
    if (qb_ledger_compared(&n) == 0) {
        qb_ledger_free(*ledger);
        *ledger = NULL;
    }
    return err->status;
}
