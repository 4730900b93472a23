/* A baseline as JSON: stable order, a line a metric, shortest decimals. */
#include <inttypes.h>
#include <math.h>
#include "base/text_format.h"
#include "gate/baseline.h"
#include "gate/baseline_words.h"
#include "gate/json_write.h"

const char *const qb_baseline_states[QB_BASELINE_WORDS] = {"done", "failed", "skipped"};
const char *const qb_baseline_directions[QB_BASELINE_WORDS] = {"higher", "lower", "neutral"};
const char *const qb_baseline_transforms[QB_BASELINE_WORDS] = {"none", "percent", "exp"};

static void pair(struct qb_text *out, const char *before, const char *key, const char *value)
{
    qb_text_add(out, "%s\"%s\": ", before, key);
    qb_json_string(out, value);
}

static void numbers(struct qb_text *out, const double *x, size_t n)
{
    qb_text_add(out, "[");
    for (size_t i = 0; i < n; i++) {
        qb_text_add(out, "%s", i ? ", " : "");
        qb_gate_json_number(out, x[i], !isnan(x[i]));
    }
    qb_text_add(out, "]");
}

/* Equal weights are one number. */
static void weights(struct qb_text *out, const struct qb_sample *sample)
{
    bool equal = true;
    for (size_t i = 1; i < sample->clusters; i++)
        equal = equal && sample->weight[i] == sample->weight[0];
    qb_text_add(out, ", \"weight\": ");
    if (equal)
        qb_gate_json_number(out, sample->weight[0], true);
    else
        numbers(out, sample->weight, sample->clusters);
}

static void print_metric(const struct qb_baseline_metric *metric, struct qb_text *out)
{
    struct qb_text flags = {0};
    qb_flags_print(metric->flags, &flags);
    pair(out, "        {", "name", metric->name);
    pair(out, ", ", "unit", metric->unit);
    pair(out, ", ", "better", qb_baseline_directions[metric->direction]);
    qb_text_add(out, ", \"value\": ");
    qb_gate_json_number(out, metric->value, qb_value_there(metric->flags));
    pair(out, ", ", "flags", flags.data);
    out->failed = out->failed || flags.failed;
    qb_text_free(&flags);
    if (metric->sample.sum) {
        pair(out, ", ", "transform", qb_baseline_transforms[metric->sample.transform]);
        qb_text_add(out, ", \"sum\": ");
        numbers(out, metric->sample.sum, metric->sample.clusters);
        weights(out, &metric->sample);
    }
    if (metric->runs) {
        qb_text_add(out, ", \"runs\": [");
        for (size_t i = 0; i < metric->run_count; i++) {
            const struct qb_baseline_run *run = &metric->runs[i];
            qb_text_add(out, "%s", i ? ", " : "");
            numbers(out, (const double[]){run->value, run->lo, run->hi}, 3);
        }
        qb_text_add(out, "]");
    }
    qb_text_add(out, "}");
}

static void print_codecs(const struct qb_baseline_cell *cell, struct qb_text *out)
{
    qb_text_add(out, ",\n      \"codecs\": [");
    for (size_t i = 0; i < cell->codec_count; i++) {
        pair(out, i ? ", {" : "{", "id", cell->codecs[i].id);
        pair(out, ", ", "version", cell->codecs[i].version);
        pair(out, ", ", "sha256", cell->codecs[i].sha256);
        qb_text_add(out, "}");
    }
    qb_text_add(out, "],\n      \"tensors\": [");
    for (size_t i = 0; i < cell->tensor_count; i++) {
        pair(out, i ? ",\n        {" : "\n        {", "name", cell->tensors[i].name);
        pair(out, ", ", "sha256", cell->tensors[i].sha256);
        qb_text_add(out, "}");
    }
    qb_text_add(out, "]");
}

static void print_cell(const struct qb_baseline_cell *cell, struct qb_text *out)
{
    pair(out, "    {\n      ", "model", cell->model);
    pair(out, ", ", "variant", cell->variant);
    pair(out, ", ", "experiment", cell->experiment);
    pair(out, ",\n      ", "state", qb_baseline_states[cell->state]);
    pair(out, ", ", "message", cell->message);
    pair(out, ",\n      ", "inputs", cell->inputs);
    pair(out, ",\n      ", "model_sha256", cell->model_sha256);
    if (cell->tokenizer_sha256[0])
        pair(out, ",\n      ", "tokenizer_sha256", cell->tokenizer_sha256);
    pair(out, ",\n      ", "options", cell->options);
    pair(out, ",\n      ", "definition", cell->definition);
    if (cell->encoded_weights) /* files of older programs lack it, and their digest with it */
        qb_text_add(out, ",\n      \"encoded_weights\": %" PRIu64, cell->encoded_weights);
    print_codecs(cell, out);
    qb_text_add(out, ",\n      \"metrics\": [");
    for (size_t i = 0; i < cell->metric_count; i++) {
        qb_text_add(out, "%s", i ? ",\n" : "\n");
        print_metric(&cell->metrics[i], out);
    }
    qb_text_add(out, "]\n    }");
}

void qb_baseline_print(const struct qb_baseline *baseline, struct qb_text *out)
{
    char digest[QB_HASH_HEX];
    size_t start = out->size;
    qb_text_add(out, "{\n  \"format\": \"" QB_BASELINE_FORMAT "\",\n  \"version\": %d", QB_BASELINE_VERSION);
    pair(out, ",\n  ", "program", baseline->program);
    pair(out, ",\n  ", "suite", baseline->suite);
    pair(out, ",\n  \"machine\": {", "cpu", baseline->cpu);
    pair(out, ", ", "isa", baseline->isa);
    pair(out, ", ", "threads", baseline->threads);
    if (baseline->blas_core && baseline->blas_core[0]) /* files of older programs lack it, and their digest with it */
        pair(out, ", ", "blas_core", baseline->blas_core);
    qb_text_add(out, "},\n  \"runs\": %zu,\n  \"forced\": %s", baseline->runs, baseline->forced ? "true" : "false");
    pair(out, ",\n  ", "reason", baseline->reason);
    qb_text_add(out, ",\n  \"cells\": [");
    for (size_t i = 0; i < baseline->count; i++) {
        qb_text_add(out, "%s", i ? ",\n" : "\n");
        print_cell(&baseline->cells[i], out);
    }
    qb_text_add(out, "]");
    qb_hash_buffer(out->data ? out->data + start : "", out->size - start, digest);
    pair(out, ",\n  ", "digest", digest);
    qb_text_add(out, "\n}\n");
}
