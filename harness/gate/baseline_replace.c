/* What must not replace a baseline unsaid: the same names, another measurement. It is what the gate turns red before it
 * looks at any metric, but for a codec's new version, which is how a format says that it changed. */
#include <string.h>
#include "base/text.h"
#include "gate/gate.h"
#include "run/experiment.h"

static size_t say(const struct qb_baseline_cell *cell, const char *what, struct qb_text *out)
{
    qb_text_add(out, "%s/%s/%s: %s\n", cell->model, cell->variant, cell->experiment, what);
    return 1;
}

static const struct qb_baseline_codec *codec_of(const struct qb_baseline_cell *cell, const char *id)
{
    for (size_t i = 0; i < cell->codec_count; i++)
        if (strcmp(cell->codecs[i].id, id) == 0)
            return &cell->codecs[i];
    return NULL;
}

static bool same_versions(const struct qb_baseline_cell *a, const struct qb_baseline_cell *b)
{
    if (a->codec_count != b->codec_count)
        return false;
    for (size_t i = 0; i < a->codec_count; i++) {
        const struct qb_baseline_codec *other = codec_of(b, a->codecs[i].id);
        if (!other || strcmp(a->codecs[i].version, other->version) != 0)
            return false;
    }
    return true;
}

/* The definition without its codecs' versions: "codec=qins8/1(...)" as "codec=qins8(...)". */
static void print_definition(const struct qb_baseline_cell *cell, struct qb_text *out)
{
    const char *at = cell->definition;
    while (*at) {
        size_t skip = 0;
        for (size_t i = 0; i < cell->codec_count && !skip; i++) {
            const struct qb_baseline_codec *codec = &cell->codecs[i];
            size_t id = strlen(codec->id), version = strlen(codec->version);
            if (*at == '=' && strncmp(at + 1, codec->id, id) == 0 && at[1 + id] == '/' &&
                strncmp(at + 2 + id, codec->version, version) == 0) {
                qb_text_bytes(out, at, 1 + id);
                skip = 2 + id + version;
            }
        }
        if (!skip)
            qb_text_bytes(out, at, 1);
        at += skip ? skip : 1;
    }
    qb_text_add(out, "%s", "");
}

static bool same_definition(const struct qb_baseline_cell *a, const struct qb_baseline_cell *b)
{
    struct qb_text x = {0}, y = {0};
    print_definition(a, &x);
    print_definition(b, &y);
    bool same = !x.failed && !y.failed && strcmp(x.data, y.data) == 0;
    qb_text_free(&x);
    qb_text_free(&y);
    return same;
}

static bool same_tensors(const struct qb_baseline_cell *a, const struct qb_baseline_cell *b)
{
    if (a->tensor_count == 0 || b->tensor_count == 0) /* not recorded on one side */
        return true;
    if (a->tensor_count != b->tensor_count)
        return false;
    for (size_t i = 0; i < a->tensor_count; i++)
        if (strcmp(a->tensors[i].name, b->tensors[i].name) != 0 ||
            strcmp(a->tensors[i].sha256, b->tensors[i].sha256) != 0)
            return false;
    return true;
}

static size_t replaced_cell(const struct qb_baseline_cell *from, const struct qb_baseline_cell *to, struct qb_text *out)
{
    const struct {
        const char *what, *from, *to;
    } texts[] = {{"another model under the same name", from->model_sha256, to->model_sha256},
                 {"another tokenizer", from->tokenizer_sha256, to->tokenizer_sha256},
                 {"other inputs", from->inputs, to->inputs}};
    size_t count = 0;
    if (from->state == QB_CELL_DONE && to->state == QB_CELL_SKIPPED)
        return say(to, "skipped, where the baseline has values", out);
    if (from->state != QB_CELL_DONE || to->state != QB_CELL_DONE)
        return 0; /* nothing was measured that could be replaced, or a failed cell, which has its own refusal */
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].from[0] && texts[i].to[0] && strcmp(texts[i].from, texts[i].to) != 0)
            count += say(to, texts[i].what, out);
    if (from->options[0] && to->options[0] && !qb_experiment_same_options(to->experiment, from->options, to->options))
        count += say(to, "other experiment options", out);
    bool same = same_definition(from, to);
    if (!same)
        count += say(to, "another definition of the variant under the same name", out);
    if (same && same_versions(from, to) && !same_tensors(from, to))
        count += say(to, "encoded bytes changed under the same codec version", out);
    for (size_t m = 0; m < from->metric_count; m++)
        if (!qb_baseline_metric_of(to, from->metrics[m].name)) {
            qb_text_add(out, "%s/%s/%s/%s: gone\n", to->model, to->variant, to->experiment, from->metrics[m].name);
            count++;
        }
    return count;
}

size_t qb_baseline_replaced(const struct qb_baseline *from, const struct qb_baseline *to, struct qb_text *out)
{
    size_t count = 0;
    for (size_t i = 0; i < from->count; i++) {
        const struct qb_baseline_cell *cell = &from->cells[i];
        const struct qb_baseline_cell *other = qb_baseline_find(to, cell->model, cell->variant, cell->experiment);
        count += other ? replaced_cell(cell, other, out) : say(cell, "gone", out);
    }
    return count;
}
