/* CSV: one file a table, a line a value, with its anchor, its datasets and its row of /summary. */
#include "report_content.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "base/text_format.h"
#include "escape.h"

static void text_field(struct qb_text *out, const char *text)
{
    qb_csv_field(out, text);
    qb_text_add(out, ",");
}

static void number_field(struct qb_text *out, double x, bool there)
{
    qb_csv_number(out, x, there);
    qb_text_add(out, ",");
}

/* Empty where the file does not say. */
static void reach_fields(const struct qb_cell *cell, struct qb_text *out)
{
    const uint64_t counts[] = {cell->reach.tensors, cell->reach.weights, cell->reach.bytes};
    for (size_t i = 0; i < 3; i++)
        qb_text_add(out, cell->reach.known ? "%llu," : ",", (unsigned long long)counts[i]);
    text_field(out, cell->reach.known ? cell->reach.unbound : "");
    text_field(out, cell->reach.otherwise ? cell->reach.otherwise : "");
    const uint64_t otherwise[] = {cell->reach.otherwise_tensors, cell->reach.otherwise_weights};
    for (size_t i = 0; i < 2; i++)
        qb_text_add(out, cell->reach.known ? "%llu," : ",", (unsigned long long)otherwise[i]);
}

static void value_line(const struct qb_cell *cell, const struct qb_value *value, size_t summary_row,
                       struct qb_text *out)
{
    struct qb_text anchor = {0}, flags = {0}, source = {0};
    qb_anchor(&anchor, cell->model, cell->variant, cell->experiment, value->metric);
    qb_flags_print(value->flags, &flags);
    qb_source_paths(&source, cell, value->metric, " ");
    text_field(out, anchor.data ? anchor.data : "");
    text_field(out, cell->model);
    text_field(out, cell->variant);
    text_field(out, cell->experiment);
    text_field(out, value->metric);
    number_field(out, value->value, qb_value_there(value->flags));
    number_field(out, value->lo, !isnan(value->lo));
    number_field(out, value->hi, !isnan(value->hi));
    qb_text_add(out, "%llu,", (unsigned long long)value->n);
    text_field(out, value->unit);
    text_field(out, flags.data ? flags.data : "");
    text_field(out, value->note);
    text_field(out, qb_floor_says(cell->floor) ? "yes" : "");
    reach_fields(cell, out);
    text_field(out, source.data ? source.data : "");
    qb_text_add(out, "%zu\r\n", summary_row);
    out->failed = out->failed || anchor.failed || flags.failed || source.failed;
    qb_text_free(&anchor);
    qb_text_free(&flags);
    qb_text_free(&source);
}

static enum qb_status write_table(const struct qb_report *report, const struct qb_report_table *table,
                                  const char *folder, struct qb_error *err)
{
    char name[256];
    struct qb_text out = {0};
    qb_text_add(&out, "anchor,model,variant,experiment,metric,value,lo,hi,n,unit,flags,note,floor,encoded_tensors,"
                      "encoded_weights,encoded_bytes,"
                      "unbound,otherwise,otherwise_tensors,otherwise_weights,source,summary_row\r\n");
    for (size_t r = 0; r < table->row_count; r++)
        for (size_t c = 0; c < table->column_count; c++) {
            size_t at;
            const struct qb_value *value = qb_report_value(report, table, r, c, &at);
            if (value)
                value_line(qb_report_cell(report, table, r), value, at, &out);
        }
    snprintf(name, sizeof name, "%s.csv", table->file);
    qb_report_save(folder, name, &out, err);
    qb_text_free(&out);
    return err->status;
}

static enum qb_status write_comparisons(const struct qb_report *report, const char *folder, struct qb_error *err)
{
    struct qb_text out = {0};
    qb_text_add(&out, "model,experiment,metric,variant,floor,difference,lo,hi,unit,p,p_holm,clusters,not_compared\r\n");
    for (size_t i = 0; i < report->comparison_count; i++) {
        const struct qb_comparison *c = &report->comparisons[i];
        const char *const names[] = {c->model, c->experiment, c->metric, c->variant, c->floor};
        for (size_t k = 0; k < 5; k++)
            text_field(&out, names[k]);
        number_field(&out, c->value, !isnan(c->value));
        number_field(&out, c->lo, !isnan(c->lo));
        number_field(&out, c->hi, !isnan(c->hi));
        text_field(&out, c->unit);
        number_field(&out, c->p, !isnan(c->p));
        number_field(&out, c->adjusted, !isnan(c->adjusted));
        qb_text_add(&out, "%zu,", c->clusters);
        qb_csv_field(&out, c->why ? c->why : "");
        qb_text_add(&out, "\r\n");
    }
    qb_report_save(folder, "against-the-floor.csv", &out, err);
    qb_text_free(&out);
    return err->status;
}

static enum qb_status write_ledger(const struct qb_ledger *ledger, const char *folder, struct qb_error *err)
{
    struct qb_text out = {0};
    qb_ledger_print(ledger, QB_LEDGER_CSV, &out);
    qb_report_save(folder, "claims-ledger.csv", &out, err);
    qb_text_free(&out);
    return err->status;
}

enum qb_status qb_write_csv(const struct qb_report *report, const char *folder, struct qb_text *said,
                            struct qb_error *err)
{
    char tables[4200];
    snprintf(tables, sizeof tables, "%s/tables", folder);
    qb_file_mkdirs(tables, err);
    for (size_t t = 0; t < report->table_count && !err->status; t++)
        write_table(report, &report->tables[t], tables, err);
    if (!err->status && report->comparison_count)
        write_comparisons(report, tables, err);
    if (!err->status && report->ledger)
        write_ledger(report->ledger, tables, err);
    if (!err->status)
        qb_text_add(said, "CSV          %s/*.csv (%zu tables)\n", tables, report->table_count);
    return err->status;
}
