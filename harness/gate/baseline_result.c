/* From a result file to a baseline: the summary's values and the totals behind them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/utf8.h"
#include "base/file.h"
#include "base/mem.h"
#include "gate/baseline.h"

#define SIGNATURE "\x89HDF"
#define USER_BLOCK 512 /* a result file's HDF5 signature stands behind it */

static enum qb_status copy(char **to, const char *text, struct qb_error *err)
{
    *to = qb_strdup(text ? text : "", err);
    return *to ? QB_OK : err->status;
}

/* ---- facts ---- */

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct qb_baseline_codec *)a)->id, ((const struct qb_baseline_codec *)b)->id);
}

static const char *fact_of(const struct qb_provenance *facts, const char *kind, const char *name, const char *part)
{
    char key[256];
    snprintf(key, sizeof key, "%s.%s%s", kind, name, part);
    const char *value = qb_provenance_get(facts, key);
    return value ? value : "";
}

/* The variant's codecs; none are known of a file of an older program. */
static enum qb_status read_codecs(const struct qb_provenance *facts, struct qb_baseline_cell *cell,
                                  struct qb_error *err)
{
    const char *ids = fact_of(facts, "codecs", cell->variant, "");
    cell->codecs = qb_alloc(strlen(ids) / 2 + 1, sizeof *cell->codecs, "codecs of a cell", err);
    for (const char *at = ids; !err->status && *at; at += strspn(at, " ")) {
        struct qb_baseline_codec *codec = &cell->codecs[cell->codec_count++];
        char id[64];
        snprintf(id, sizeof id, "%.*s", (int)strcspn(at, " "), at);
        at += strcspn(at, " ");
        snprintf(codec->sha256, sizeof codec->sha256, "%s", fact_of(facts, "codec", id, ".sha256"));
        if (!copy(&codec->id, id, err))
            copy(&codec->version, fact_of(facts, "codec", id, ".version"), err);
    }
    if (cell->codec_count > 1)
        qsort(cell->codecs, cell->codec_count, sizeof *cell->codecs, by_id);
    return err->status;
}

static enum qb_status read_facts(const struct qb_provenance *facts, const struct qb_cell *from,
                                 struct qb_baseline_cell *cell, struct qb_error *err)
{
    snprintf(cell->model_sha256, sizeof cell->model_sha256, "%s", fact_of(facts, "model", from->model, ".sha256"));
    snprintf(cell->tokenizer_sha256, sizeof cell->tokenizer_sha256, "%s",
             fact_of(facts, "model", from->model, ".tokenizer_sha256"));
    snprintf(cell->inputs, sizeof cell->inputs, "%s", from->inputs);
    cell->state = from->state;
    cell->floor = from->floor;
    cell->encoded_weights = from->reach.weights;
    if (copy(&cell->model, from->model, err) || copy(&cell->variant, from->variant, err) ||
        copy(&cell->experiment, from->experiment, err) || copy(&cell->message, from->message, err) ||
        copy(&cell->options, from->options, err) ||
        copy(&cell->definition, fact_of(facts, "variant", from->variant, ""), err))
        return err->status;
    return read_codecs(facts, cell, err);
}

/* ---- arrays ---- */

static enum qb_status read_tensors(const struct qb_record *record, struct qb_baseline_cell *cell, struct qb_error *err)
{
    const struct qb_array *hash = qb_record_get(record, "encoded_sha256", QB_TEXT, 1);
    const struct qb_array *name = qb_record_get(record, "tensor", QB_TEXT, 1);
    if (!hash || !name || hash->count != name->count)
        return QB_OK;
    cell->tensors = qb_alloc(hash->count, sizeof *cell->tensors, "hashes of tensors", err);
    for (size_t i = 0; cell->tensors && i < hash->count; i++) {
        struct qb_baseline_tensor *tensor = &cell->tensors[cell->tensor_count++];
        snprintf(tensor->sha256, sizeof tensor->sha256, "%s", ((char **)hash->data)[i]);
        if (copy(&tensor->name, ((char **)name->data)[i], err))
            break;
    }
    return err->status;
}

static enum qb_status read_metric(const struct qb_metric *entry, const struct qb_record *record,
                                  const struct qb_value *value, struct qb_baseline_metric *metric, struct qb_error *err)
{
    snprintf(metric->name, sizeof metric->name, "%s", entry->name);
    snprintf(metric->unit, sizeof metric->unit, "%s", entry->unit);
    metric->direction = entry->direction;
    metric->value = value->value;
    metric->flags = value->flags;
    if (entry->sample && entry->sample(record, &metric->sample) && !metric->sample.sum)
        return qb_fail(err, QB_ERR_MEMORY, "no memory for the totals of %s", entry->name);
    for (size_t i = 0; i < metric->sample.clusters; i++)
        if (!isfinite(metric->sample.sum[i])) {
            qb_sample_free(&metric->sample);
            break;
        }
    if (strcmp(entry->experiment, "speed") != 0)
        return QB_OK;
    if (!(metric->runs = qb_alloc(1, sizeof *metric->runs, "a run of a metric", err)))
        return err->status;
    bool biased = value->flags & QB_FLAG_BIASED; /* then the interval is one of something else */
    metric->runs[0] = (struct qb_baseline_run){value->value, biased ? NAN : value->lo, biased ? NAN : value->hi};
    metric->run_count = 1;
    return QB_OK;
}

static const struct qb_value *value_of(const struct qb_cell *cell, const char *metric)
{
    for (size_t i = 0; i < cell->value_count; i++)
        if (strcmp(cell->values[i].metric, metric) == 0)
            return &cell->values[i];
    return NULL;
}

static enum qb_status read_metrics(const struct qb_cell *from, const struct qb_record *record,
                                   struct qb_baseline_cell *cell, struct qb_error *err)
{
    cell->metrics = qb_alloc(from->value_count, sizeof *cell->metrics, "metrics of a cell", err);
    if (!cell->metrics)
        return err->status;
    for (const struct qb_metric *const *m = qb_metrics(); *m; m++) {
        const struct qb_value *value =
            strcmp((*m)->experiment, from->experiment) == 0 ? value_of(from, (*m)->name) : NULL;
        if (value && cell->metric_count < from->value_count &&
            read_metric(*m, record, value, &cell->metrics[cell->metric_count++], err))
            return err->status;
    }
    return QB_OK;
}

static enum qb_status read_cell(const struct qb_result *result, size_t index, struct qb_baseline_cell *cell,
                                struct qb_error *err)
{
    const struct qb_cell *from = qb_result_cell(result, index);
    struct qb_record record = {0};
    if (read_facts(qb_result_provenance(result), from, cell, err) || from->state != QB_CELL_DONE)
        return err->status;
    if (!qb_result_record(result, index, &record, err) && !read_tensors(&record, cell, err))
        read_metrics(from, &record, cell, err);
    qb_record_free(&record);
    return err->status;
}

/* ---- machine ---- */

static bool timed(const struct qb_cell *cell)
{
    return cell->state == QB_CELL_DONE && strcmp(cell->experiment, "speed") == 0;
}

static const char *fact(const struct qb_result *result, size_t cell, const char *name)
{
    const struct qb_provenance *all = qb_result_provenance(result);
    const char *value = cell == SIZE_MAX ? qb_provenance_get(all, name) : qb_result_fact(result, cell, name);
    return value ? value : "";
}

/* A result file may have been resumed on another machine: its timed cells say themselves where they ran. */
static enum qb_status read_machine(const struct qb_result *result, struct qb_baseline *b, struct qb_error *err)
{
    static const char *const names[] = {"cpu", "isa", "threads", "blas_core"};
    char **to[] = {&b->cpu, &b->isa, &b->threads, &b->blas_core};
    size_t first = SIZE_MAX;
    struct qb_text mixed = {0};
    for (size_t i = 0; i < qb_result_count(result) && !mixed.size; i++) {
        const struct qb_cell *cell = qb_result_cell(result, i);
        if (!timed(cell))
            continue;
        first = first == SIZE_MAX ? i : first;
        for (size_t k = 0; k < 4 && !mixed.size; k++)
            if (strcmp(fact(result, first, names[k]), fact(result, i, names[k])) != 0)
                qb_text_add(&mixed, "%s '%.*s' in %s/%s, '%.*s' in %s/%s", names[k],
                            QB_UPTO(60, fact(result, first, names[k])), qb_result_cell(result, first)->model,
                            qb_result_cell(result, first)->variant, QB_UPTO(60, fact(result, i, names[k])), cell->model,
                            cell->variant);
    }
    for (size_t k = 0; k < 4 && !err->status; k++)
        copy(to[k], mixed.size ? "" : fact(result, first, names[k]), err);
    if (mixed.size && !err->status)
        copy(&b->mixed, mixed.data, err);
    qb_text_free(&mixed);
    return err->status;
}

/* ---- the whole ---- */

enum qb_status qb_baseline_from_result(const struct qb_result *result, struct qb_baseline **baseline,
                                       struct qb_error *err)
{
    const struct qb_provenance *facts = qb_result_provenance(result);
    struct qb_baseline *b = *baseline = qb_alloc(1, sizeof *b, "a baseline", err);
    if (!b)
        return err->status;
    b->runs = 1;
    b->interrupted = qb_result_interrupted(result);
    b->cells = qb_alloc(qb_result_count(result), sizeof *b->cells, "cells of a baseline", err);
    if (!b->cells || copy(&b->path, qb_result_path(result), err) ||
        copy(&b->program, qb_provenance_get(facts, "program_version"), err) ||
        copy(&b->suite, qb_provenance_get(facts, "suite_name"), err) || read_machine(result, b, err) ||
        copy(&b->reason, "", err))
        goto fail;
    for (size_t i = 0; i < qb_result_count(result); i++) {
        if (strcmp(qb_result_cell(result, i)->variant, "reference") != 0 &&
            read_cell(result, i, &b->cells[b->count++], err))
            goto fail;
    }
    qb_baseline_sort(b);
    return QB_OK;
fail:
    qb_baseline_free(b);
    *baseline = NULL;
    return err->status;
}

/* The first bytes of a file; zeros where it is shorter or cannot be read, which the reader then says. */
static void peek(const char *path, char head[USER_BLOCK + 4])
{
    memset(head, 0, USER_BLOCK + 4);
    struct qb_error unread = {0};
    struct stat info;
    int file = qb_file_open(path, &info, &unread);
    if (file < 0)
        return;
    if (read(file, head, USER_BLOCK + 4) <= 0)
        head[0] = '\0';
    close(file);
}

enum qb_status qb_baseline_load(const char *path, struct qb_baseline **baseline, struct qb_error *err)
{
    char head[USER_BLOCK + 4], *text = NULL;
    size_t size = 0;
    *baseline = NULL;
    peek(path, head);
    size_t first = strspn(head, " \t\r\n");
    if (memcmp(head + USER_BLOCK, SIGNATURE, 4) == 0 || (first < sizeof head && head[first] != '{')) {
        struct qb_result *result = NULL;
        if (qb_result_open(path, &result, err))
            return err->status;
        qb_baseline_from_result(result, baseline, err);
        qb_result_close(result);
        return err->status;
    }
    if (qb_file_read(path, QB_BASELINE_MAX, &text, &size, err))
        return err->status;
    qb_baseline_parse(text, size, path, baseline, err);
    qb_free(text);
    return err->status;
}
