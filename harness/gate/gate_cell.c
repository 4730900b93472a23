/* What a gate asks of a whole cell before it looks at metrics: is it there, did it run, is it the same measurement? */
#include <string.h>
#include "gate/gate_parts.h"
#include "base/utf8.h"
#include "run/experiment.h"

static bool contaminated(const struct qb_baseline_cell *cell)
{
    for (size_t i = 0; i < cell->metric_count; i++)
        if (cell->metrics[i].flags & QB_FLAG_CONTAMINATED ||
            (strcmp(cell->metrics[i].name, "calibration_overlap") == 0 && !(cell->metrics[i].value <= 0)))
            return true;
    return false;
}

static bool fail(struct qb_gate_row *row, const char *what, const char *then, const char *now)
{
    qb_gate_decide(row, QB_GATE_FAIL, "%s changed: '%.*s' -> '%.*s'", what, QB_UPTO(100, then), QB_UPTO(100, now));
    return false;
}

static bool fail_hash(struct qb_gate_row *row, const char *what, const char *then, const char *now)
{
    qb_gate_decide(row, QB_GATE_FAIL, "%s changed (hash %.12s -> %.12s)", what, then, now);
    return false;
}

/* Both ran to an end, or neither; false: the row is decided. */
static bool both_done(const struct qb_baseline_cell *then, const struct qb_baseline_cell *now, struct qb_gate_row *row)
{
    if (now->state == QB_CELL_DONE && then->state == QB_CELL_DONE)
        return true;
    if (now->state == QB_CELL_FAILED)
        qb_gate_decide(row, then->state == QB_CELL_FAILED ? QB_GATE_INCONCLUSIVE : QB_GATE_FAIL, "cell failed%s: %s",
                       then->state == QB_CELL_FAILED ? ", as in the baseline" : "", now->message);
    else if (now->state == then->state)
        qb_gate_decide(row, QB_GATE_PASS, "skipped, as in the baseline: %s", now->message);
    else if (now->state == QB_CELL_SKIPPED)
        qb_gate_decide(row, QB_GATE_FAIL, "cell skipped: %s", now->message);
    else
        qb_gate_decide(row, QB_GATE_NEW, "no value in the baseline, where the cell %s",
                       then->state == QB_CELL_FAILED ? "failed" : "was skipped");
    return false;
}

static bool same_codecs(const struct qb_baseline_cell *then, const struct qb_baseline_cell *now,
                        struct qb_gate_row *row)
{
    for (size_t i = 0; i < then->codec_count; i++)
        for (size_t k = 0; k < now->codec_count; k++)
            if (strcmp(then->codecs[i].id, now->codecs[k].id) == 0 &&
                strcmp(then->codecs[i].version, now->codecs[k].version) != 0) {
                qb_gate_decide(row, QB_GATE_FAIL, "codec %s changed its version, %.*s -> %.*s: accept a new baseline",
                               then->codecs[i].id, QB_UPTO(40, then->codecs[i].version),
                               QB_UPTO(40, now->codecs[k].version));
                return false;
            }
    return true;
}

/* The same measurement: model, options, codecs, variant. */
static bool same_subject(const struct qb_baseline_cell *then, const struct qb_baseline_cell *now,
                         struct qb_gate_row *row)
{
    if (strcmp(then->model_sha256, now->model_sha256) != 0)
        return fail_hash(row, "model", then->model_sha256, now->model_sha256);
    if (then->tokenizer_sha256[0] && now->tokenizer_sha256[0] &&
        strcmp(then->tokenizer_sha256, now->tokenizer_sha256) != 0)
        return fail_hash(row, "tokenizer", then->tokenizer_sha256, now->tokenizer_sha256);
    if (!qb_experiment_same_options(now->experiment, then->options, now->options))
        return fail(row, "experiment options", then->options, now->options);
    if (!same_codecs(then, now, row))
        return false;
    if (strcmp(then->definition, now->definition) != 0)
        return fail(row, "variant definition", then->definition, now->definition);
    return true;
}

bool qb_gate_cell_row(struct qb_gate_pair *pair, struct qb_gate_row *row)
{
    const struct qb_baseline_cell *then = pair->then, *now = pair->now;
    if (!now) {
        qb_gate_decide(row, QB_GATE_FAIL, "cell missing from the result");
        return false;
    }
    if (!both_done(then, now, row) || !same_subject(then, now, row))
        return false;
    bool recorded = then->inputs[0] && now->inputs[0], equal = strcmp(then->inputs, now->inputs) == 0;
    pair->same_inputs = recorded && equal;
    if (!equal && recorded && !pair->options->fresh_inputs)
        return fail_hash(row, "inputs", then->inputs, now->inputs);
    if (contaminated(now)) {
        qb_gate_decide(row, contaminated(then) ? QB_GATE_INCONCLUSIVE : QB_GATE_FAIL,
                       "contaminated: calibrated on text that it is evaluated on%s",
                       contaminated(then) ? ", as in the baseline" : "");
        return contaminated(then);
    }
    if (!recorded)
        qb_gate_decide(row, QB_GATE_INCONCLUSIVE, "inputs not recorded in %s: whether they changed is not known",
                       now->inputs[0] ? "the baseline" : "the result");
    else
        qb_gate_decide(row, QB_GATE_PASS, "%s, and the same model, options, codec versions and variant",
                       equal ? "the same inputs" : "fresh inputs");
    return true;
}

void qb_gate_tensor_row(const struct qb_gate_pair *pair, struct qb_gate_row *row)
{
    const struct qb_baseline_cell *then = pair->then, *now = pair->now;
    size_t differ = 0, first = 0;
    if (now->tensor_count != then->tensor_count) {
        qb_gate_decide(row, QB_GATE_FAIL, "%zu encoded tensors, the baseline has %zu", now->tensor_count,
                       then->tensor_count);
        return;
    }
    for (size_t i = then->tensor_count; i-- > 0;)
        if (strcmp(then->tensors[i].name, now->tensors[i].name) != 0 ||
            strcmp(then->tensors[i].sha256, now->tensors[i].sha256) != 0) {
            differ++;
            first = i;
        }
    row->baseline = (double)then->tensor_count;
    row->value = (double)(now->tensor_count - differ);
    row->has_baseline = row->has_value = true;
    if (differ)
        qb_gate_decide(row, QB_GATE_FAIL,
                       "encoded bytes changed under the same codec version: %zu of %zu tensors, first %.*s (%.12s -> "
                       "%.12s)",
                       differ, then->tensor_count, QB_UPTO(100, now->tensors[first].name), then->tensors[first].sha256,
                       now->tensors[first].sha256);
    else
        qb_gate_decide(row, QB_GATE_PASS, "the same bytes in %zu tensors", then->tensor_count);
}
