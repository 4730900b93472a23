/* The evaluated ledger as JSON and CSV: one row a claim, in order. */
#include "claims_print.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/text_format.h"
#include "base/utf8.h"

static const char *const reproduces_names[] = {"yes", "no", "not-measurable"};

/* As qb_json_number has it: what is infinite or NaN is a text. */
static json_t *number_json(double x)
{
    struct qb_text name = {0};
    if (isfinite(x))
        return json_real(x);
    qb_csv_number(&name, x, true);
    json_t *text = json_string(name.data ? name.data : "");
    qb_text_free(&name);
    return text;
}

/* The clean text (base/utf8.h): jansson refuses what is no UTF-8, and the key would be missing. */
static json_t *text_json(const char *text)
{
    struct qb_text clean = {0};
    qb_clean_bytes(&clean, text, strlen(text), QB_CLEAN_LINES);
    json_t *string = json_string(clean.data ? clean.data : "");
    qb_text_free(&clean);
    return string;
}

static json_t *control_json(const struct qb_control *k)
{
    static const char *const relations[] = {"shown", "<", "<=", ">", ">=", "==", "!="};
    json_t *o = json_object();
    bool found = k->measured.found == QB_FOUND;
    json_object_set_new(o, "id", text_json(k->id));
    json_object_set_new(o, "cell", text_json(k->number.cell.text));
    json_object_set_new(o, "measured", found ? number_json(k->measured.value) : json_null());
    json_object_set_new(o, "op", text_json(relations[k->relation]));
    if (k->has_than) {
        json_object_set_new(o, "than", text_json(k->than.cell.text));
        json_object_set_new(o, "threshold", number_json(k->measured_than.value));
    } else if (k->relation != QB_SHOWN) {
        json_object_set_new(o, "threshold", number_json(k->threshold));
    }
    json_object_set_new(o, "holds", k->holds < 0 ? json_null() : json_boolean(k->holds));
    return o;
}

static json_t *conclusion_json(const struct qb_conclusion *c)
{
    json_t *o = json_object(), *controls = json_array();
    json_object_set_new(o, "id", text_json(c->id));
    json_object_set_new(o, "says", text_json(c->says));
    json_object_set_new(o, "sentence", text_json(c->sentence.data ? c->sentence.data : ""));
    for (size_t i = 0; i < c->control_count; i++)
        json_array_append_new(controls, control_json(&c->controls[i]));
    json_object_set_new(o, "controls", controls);
    return o;
}

static json_t *claim_json(const struct qb_claims_document *d, const struct qb_claim *c)
{
    json_t *o = json_object();
    struct qb_text why = {0};
    bool found = c->has_number && c->measured.found == QB_FOUND;
    qb_claim_why(c, &why);
    const char *const texts[][2] = {{"id", c->id},       {"document", d->document}, {"place", c->place},
                                    {"lines", c->lines}, {"what", c->what},         {"quote", c->quote},
                                    {"says", c->says},   {"protocol", c->protocol}, {"published", c->published}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        json_object_set_new(o, texts[i][0], text_json(texts[i][1]));
    json_object_set_new(o, "cell", c->has_number ? text_json(c->number.cell.text) : json_null());
    json_object_set_new(o, "expect", c->expect ? text_json(c->expect) : json_null());
    json_object_set_new(o, "ours", found ? text_json(c->measured.text) : json_null());
    json_object_set_new(o, "value", found ? number_json(c->measured.value) : json_null());
    json_object_set_new(o, "n", found ? json_integer((json_int_t)c->measured.n) : json_null());
    json_object_set_new(o, "reproduces", text_json(reproduces_names[c->reproduces]));
    json_object_set_new(o, "verdict", text_json(qb_verdict_name(c->verdict)));
    json_object_set_new(o, "why", text_json(why.size ? why.data : ""));
    json_object_set_new(o, "carries",
                        text_json(qb_carries_name(c->conclusion ? c->conclusion->carries : QB_CARRIES_NONE)));
    json_object_set_new(o, "conclusion", c->conclusion ? conclusion_json(c->conclusion) : json_null());
    json_object_set_new(o, "recovered", json_boolean(d->recovered));
    qb_text_free(&why);
    return o;
}

static void print_json(const struct qb_ledger *ledger, struct qb_text *out)
{
    json_t *all = json_array();
    for (size_t d = 0; d < ledger->document_count; d++)
        for (size_t i = 0; i < ledger->documents[d].count; i++)
            json_array_append_new(all, claim_json(&ledger->documents[d], &ledger->documents[d].claims[i]));
    char *text = json_dumps(all, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
    if (text)
        qb_text_add(out, "%s\n", text);
    else
        out->failed = true;
    qb_json_free(text);
    json_decref(all);
}

static void csv_claim(const struct qb_claims_document *d, const struct qb_claim *c, struct qb_text *out)
{
    struct qb_text why = {0}, value = {0};
    bool found = c->has_number && c->measured.found == QB_FOUND;
    qb_claim_why(c, &why);
    if (found)
        qb_text_add(&value, "%.17g", c->measured.value);
    const char *const cells[] = {c->id,
                                 d->document,
                                 c->place,
                                 c->lines,
                                 c->what,
                                 c->quote,
                                 c->has_number ? c->number.cell.text : "",
                                 c->published,
                                 found ? c->measured.text : "",
                                 value.size ? value.data : "",
                                 qb_verdict_name(c->verdict),
                                 c->conclusion ? c->conclusion->id : "",
                                 qb_carries_name(c->conclusion ? c->conclusion->carries : QB_CARRIES_NONE),
                                 c->conclusion && c->conclusion->sentence.size ? c->conclusion->sentence.data : "",
                                 why.size ? why.data : "",
                                 d->recovered ? "yes" : "no"};
    size_t count = sizeof cells / sizeof *cells;
    for (size_t i = 0; i < count; i++) {
        qb_csv_field(out, cells[i]);
        qb_text_add(out, i + 1 < count ? "," : "\n");
    }
    qb_text_free(&why);
    qb_text_free(&value);
}

static void print_csv(const struct qb_ledger *ledger, struct qb_text *out)
{
    qb_text_add(out, "id,document,place,lines,what,quote,cell,published,ours,value,verdict,conclusion,carries,sentence,"
                     "why,recovered\n");
    for (size_t d = 0; d < ledger->document_count; d++)
        for (size_t i = 0; i < ledger->documents[d].count; i++)
            csv_claim(&ledger->documents[d], &ledger->documents[d].claims[i], out);
}

void qb_ledger_print(const struct qb_ledger *ledger, enum qb_ledger_style style, struct qb_text *out)
{
    switch (style) {
    case QB_LEDGER_CONSOLE:
        qb_ledger_console(ledger, out);
        break;
    case QB_LEDGER_JSON:
        print_json(ledger, out);
        break;
    case QB_LEDGER_CSV:
        print_csv(ledger, out);
        break;
    case QB_LEDGER_MARKDOWN:
        qb_ledger_markdown(ledger, out);
        break;
    }
}
