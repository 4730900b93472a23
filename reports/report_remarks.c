/* Flags in words: what a reader has to know before the numbers. One remark a kind, model and experiment. */
#include "report_content.h"

#include <math.h>
#include <string.h>
#include "base/mem.h"

static struct qb_text *add_remark(struct qb_report *report, const char *kind, struct qb_error *err)
{
    struct qb_remark *grown =
        qb_grow(report->remarks, report->remark_count + 1, sizeof *grown, "a report's remarks", err);
    if (!grown)
        return NULL;
    report->remarks = grown;
    report->remarks[report->remark_count] = (struct qb_remark){.kind = kind};
    return &report->remarks[report->remark_count++].text;
}

static bool cell_flagged(const struct qb_cell *cell, uint32_t flag)
{
    for (size_t v = 0; v < cell->value_count; v++)
        if (cell->values[v].flags & flag)
            return true;
    return false;
}

/* "kl_mean, kl_p99": the metrics of a cell with this flag. */
static void list_metrics(struct qb_text *out, const struct qb_cell *cell, uint32_t flag)
{
    size_t listed = 0;
    for (size_t v = 0; v < cell->value_count; v++)
        if (cell->values[v].flags & flag)
            qb_text_add(out, "%s%s", listed++ ? ", " : "", cell->values[v].metric);
}

/* "every variant", "every variant but fp32, fp16", or the variants' names. */
static void list_variants(struct qb_text *out, const struct qb_report *report, const struct qb_report_table *table,
                          uint32_t flag, size_t flagged, size_t done)
{
    size_t listed = 0;
    bool but = flagged > 2 && done - flagged <= 2;
    if (but)
        qb_text_add(out, "every variant%s", flagged < done ? " but " : "");
    for (size_t r = 0; r < table->row_count; r++) {
        const struct qb_cell *cell = qb_report_cell(report, table, r);
        if (cell->state == QB_CELL_DONE && cell_flagged(cell, flag) != but)
            qb_text_add(out, "%s%s", listed++ ? ", " : "", cell->variant);
    }
}

static enum qb_status remark_flag(struct qb_report *report, const struct qb_flag_meaning *meaning, bool metrics,
                                  struct qb_error *err)
{
    for (size_t t = 0; t < report->table_count; t++) {
        const struct qb_report_table *table = &report->tables[t];
        size_t flagged = 0, done = 0;
        for (size_t r = 0; r < table->row_count; r++) {
            const struct qb_cell *cell = qb_report_cell(report, table, r);
            done += cell->state == QB_CELL_DONE;
            flagged += cell->state == QB_CELL_DONE && cell_flagged(cell, meaning->flag);
        }
        if (!flagged)
            continue;
        struct qb_text *text = add_remark(report, meaning->name, err);
        if (!text)
            return err->status;
        qb_text_add(text, "%s, %s: ", table->model, table->experiment);
        if (!metrics) {
            list_variants(text, report, table, meaning->flag, flagged, done);
            continue;
        }
        for (size_t r = 0, listed = 0; r < table->row_count; r++) {
            const struct qb_cell *cell = qb_report_cell(report, table, r);
            if (cell->state != QB_CELL_DONE || !cell_flagged(cell, meaning->flag))
                continue;
            qb_text_add(text, "%s%s (", listed++ ? "; " : "", cell->variant);
            list_metrics(text, cell, meaning->flag);
            qb_text_add(text, ")");
        }
    }
    return QB_OK;
}

/* The text that this remark is about; NULL: the cell has none. */
static const char *says(const struct qb_cell *cell, enum qb_cell_state state, bool warnings)
{
    if (cell->state != state || (warnings && !*cell->warnings))
        return NULL;
    return warnings ? cell->warnings : cell->message;
}

static bool same_place(const struct qb_cell *a, const struct qb_cell *b, bool variants_only)
{
    return strcmp(a->variant, b->variant) == 0 &&
           (variants_only || (strcmp(a->model, b->model) == 0 && strcmp(a->experiment, b->experiment) == 0));
}

/* Names the cells that say `text`; a warning belongs to a variant, wherever it ran. */
static void list_cells(struct qb_text *out, const struct qb_result *result, enum qb_cell_state state, bool warnings,
                       const char *text)
{
    size_t listed = 0;
    for (size_t i = 0; i < qb_result_count(result); i++) {
        const struct qb_cell *cell = qb_result_cell(result, i);
        const char *own = says(cell, state, warnings);
        bool skip = !own || strcmp(own, text) != 0;
        for (size_t j = 0; j < i && !skip; j++) {
            const struct qb_cell *other = qb_result_cell(result, j);
            const char *said = says(other, state, warnings);
            skip = said && strcmp(said, text) == 0 && same_place(cell, other, warnings);
        }
        if (skip)
            continue;
        qb_text_add(out, "%s", listed++ ? ", " : "");
        if (warnings)
            qb_text_add(out, "%s", cell->variant);
        else
            qb_text_add(out, "%s/%s/%s", cell->model, cell->variant, cell->experiment);
    }
}

/* One remark for each text that cells of this state say (their warnings, or their message), naming them. */
static enum qb_status remark_cells(struct qb_report *report, const char *kind, enum qb_cell_state state, bool warnings,
                                   struct qb_error *err)
{
    for (size_t i = 0; i < qb_result_count(report->result); i++) {
        const char *own = says(qb_result_cell(report->result, i), state, warnings);
        for (size_t j = 0; j < i && own; j++) {
            const char *other = says(qb_result_cell(report->result, j), state, warnings);
            own = other && strcmp(other, own) == 0 ? NULL : own;
        }
        if (!own)
            continue;
        struct qb_text *text = add_remark(report, kind, err);
        if (!text)
            return err->status;
        qb_text_add(text, "%s (", *own ? own : "no message");
        list_cells(text, report->result, state, warnings, own);
        qb_text_add(text, ")");
    }
    return QB_OK;
}

/* Do intervals of the column cover so many tenths of a percent? */
static bool column_covers(const struct qb_report *report, const struct qb_report_table *table, size_t c, long tenths)
{
    size_t ignored;
    for (size_t r = 0; r < table->row_count; r++) {
        const struct qb_value *value = qb_report_value(report, table, r, c, &ignored);
        if (value && lround(10 * value->covers) == tenths)
            return true;
    }
    return false;
}

static enum qb_status add_coverage(struct qb_report *report, const struct qb_report_table *table, double covers,
                                   struct qb_error *err)
{
    struct qb_text *text = add_remark(report, "coverage", err);
    if (!text)
        return err->status;
    qb_text_add(text, "%s, %s, 95%% intervals of ", table->model, table->experiment);
    for (size_t c = 0, listed = 0; c < table->column_count; c++)
        if (column_covers(report, table, c, lround(10 * covers)))
            qb_text_add(text, "%s%s", listed++ ? ", " : "", table->columns[c].name);
    qb_text_add(text, ": such intervals cover %.1f%% in simulation", covers);
    return QB_OK;
}

/* Where intervals fall short of 95%: a remark for each table and each coverage in it, as it is told. */
static enum qb_status remark_coverage(struct qb_report *report, struct qb_error *err)
{
    bool older = false;
    for (size_t t = 0; t < report->table_count; t++) {
        const struct qb_report_table *table = &report->tables[t];
        long said[16]; /* tenths of a percent */
        size_t said_count = 0, ignored;
        for (size_t i = 0; i < table->column_count * table->row_count && said_count < 16; i++) {
            const struct qb_value *value =
                qb_report_value(report, table, i % table->row_count, i / table->row_count, &ignored);
            size_t k = 0;
            older = older || (value && value->floor_marks & QB_MARK_OLDER);
            if (!value || !(value->covers > 0))
                continue;
            said[said_count] = lround(10 * value->covers);
            while (said[k] != said[said_count])
                k++;
            if (k < said_count)
                continue;
            said_count++;
            if (add_coverage(report, table, value->covers, err))
                return err->status;
        }
    }
    struct qb_text *text = older ? add_remark(report, "coverage", err) : NULL;
    if (text)
        qb_text_add(text,
                    "the file is an older program's: which 95%% intervals fall short is told by their notes alone");
    return err->status;
}

/* One remark a model, of the first of its tables that `note` finds something to say about. */
static enum qb_status remark_encoded(struct qb_report *report, const char *kind,
                                     void (*note)(const struct qb_report *, const struct qb_report_table *,
                                                  struct qb_text *),
                                     struct qb_error *err)
{
    const char *model = NULL; /* that was told; its tables stand together */
    for (size_t t = 0; t < report->table_count && !err->status; t++) {
        const struct qb_report_table *table = &report->tables[t];
        struct qb_text says = {0}, *text = NULL;
        if (model && strcmp(model, table->model) == 0)
            continue;
        note(report, table, &says);
        if (says.size && (text = add_remark(report, kind, err))) {
            qb_text_add(text, "%s: %s", table->model, says.data);
            model = table->model;
        }
        qb_text_free(&says);
    }
    return err->status;
}

enum qb_status qb_report_remarks(struct qb_report *report, struct qb_error *err)
{
    struct qb_text *text = qb_result_interrupted(report->result) ? add_remark(report, "interrupted", err) : NULL;
    if (text)
        qb_text_add(text, "the run was stopped before all of its cells had run: what is missing was not measured");
    if (err->status || remark_cells(report, "failed", QB_CELL_FAILED, false, err))
        return err->status;
    for (const struct qb_flag_meaning *meaning = qb_flag_meanings(); meaning->name; meaning++) {
        bool cellwise = meaning->flag & (QB_FLAG_FAILED | QB_FLAG_SKIPPED | QB_FLAG_NO_INTERVAL);
        bool metrics = meaning->flag & (QB_FLAG_NONFINITE | QB_FLAG_UNRESOLVED | QB_FLAG_ABSENT);
        if (!cellwise && remark_flag(report, meaning, metrics, err))
            return err->status;
    }
    if (remark_encoded(report, "encoded", qb_report_encoded_note, err) ||
        remark_encoded(report, "otherwise", qb_report_otherwise_note, err) ||
        remark_encoded(report, "without effect", qb_report_unbound_note, err) || remark_coverage(report, err) ||
        remark_cells(report, "warning", QB_CELL_DONE, true, err) ||
        remark_cells(report, "skipped", QB_CELL_SKIPPED, false, err))
        return err->status;
    for (size_t i = 0; i < report->remark_count; i++)
        if (report->remarks[i].text.failed)
            return qb_fail(err, QB_ERR_MEMORY, "no memory for the report's remarks");
    return QB_OK;
}
