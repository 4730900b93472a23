/* LaTeX: one file a table (booktabs, siunitx), made for \input into a page of two columns. */
#include "latex_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "escape.h"

/* Characters of \scriptsize that a page's width holds. */
enum { PAGE_CHARACTERS = 142, COLUMN_CHARACTERS = 60, GAP = 2, ROWS_MAX = 512 };

/* The letters behind a flagged value, in the order of their notes. */
static const struct {
    uint32_t flag;
    char letter;
} marks[] = {{QB_FLAG_DEGENERATE, 'd'},
             {QB_FLAG_NONFINITE, 'n'},
             {QB_FLAG_UNRESOLVED, 'u'},
             {QB_FLAG_BIASED, 'b'},
             {QB_FLAG_CONTAMINATED, 'c'}};
enum { MARKS = sizeof marks / sizeof *marks };

/* Flags, and s for an interval that covers less than it promises. */
static size_t mark_text(const struct qb_value *value, char text[MARKS + 2])
{
    size_t n = 0;
    for (size_t i = 0; i < MARKS; i++)
        if (value->flags & marks[i].flag)
            text[n++] = marks[i].letter;
    if (value->covers > 0)
        text[n++] = 's';
    text[n] = '\0';
    return n;
}

static bool has_interval(const struct qb_value *value)
{
    return isfinite(value->lo) && isfinite(value->hi);
}

/* ---- which columns fit ---- */

struct shown { /* a column of the printed table */
    size_t column;
    bool second; /* an interval or a mark stands beside some value */
};

/* Characters that the column takes in print; whether it has a second part. Memory that runs out is noted in out. */
static size_t column_width(const struct qb_report *report, const struct qb_report_table *table, struct shown *shown,
                           struct qb_text *out)
{
    const struct qb_report_column *column = &table->columns[shown->column];
    size_t value_width = 3, second_width = 0, at;
    for (size_t r = 0; r < table->row_count; r++) {
        const struct qb_value *value = qb_report_value(report, table, r, shown->column, &at);
        struct qb_text text = {0};
        char letters[MARKS + 2];
        if (!value)
            continue;
        qb_value_plain(&text, column->format, value->value);
        size_t width = text.size + 2u * qb_value_void(value), size = text.size;
        value_width = width > value_width ? width : value_width;
        qb_value_plain(&text, column->format, value->lo);
        qb_value_plain(&text, column->format, value->hi);
        width = (has_interval(value) ? text.size - size + 4 : 0) + mark_text(value, letters);
        second_width = width > second_width ? width : second_width;
        out->failed = out->failed || text.failed;
        qb_text_free(&text);
    }
    shown->second = second_width > 0;
    size_t width = value_width + second_width + (shown->second ? 1 : 0), header = strlen(column->name);
    return (header > width ? header : width) + GAP;
}

/* The first headline columns that fit a page; returns the printed width. */
static size_t choose(const struct qb_report *report, const struct qb_report_table *table, struct shown *shown,
                     size_t *count, struct qb_text *out)
{
    size_t used = 8;
    for (size_t r = 0; r < table->row_count; r++) {
        size_t width = strlen(qb_report_cell(report, table, r)->variant);
        used = width > used ? width : used;
    }
    *count = 0;
    for (size_t c = 0; c < table->column_count && *count < QB_LATEX_COLUMNS; c++) {
        struct shown candidate = {.column = c};
        if (!table->columns[c].headline)
            continue;
        size_t width = column_width(report, table, &candidate, out);
        if (*count && used + width > PAGE_CHARACTERS)
            continue;
        used += width;
        shown[(*count)++] = candidate;
    }
    return used;
}

/* ---- the tabular ---- */

static void column_spec(const struct qb_report *report, const struct qb_report_table *table, const struct shown *shown,
                        struct qb_text *out)
{
    double x[ROWS_MAX];
    size_t n = 0, at;
    for (size_t r = 0; r < table->row_count && n < ROWS_MAX; r++) {
        const struct qb_value *value = qb_report_value(report, table, r, shown->column, &at);
        if (value && !qb_value_void(value))
            x[n++] = value->value;
    }
    qb_text_add(out, "S[table-format=");
    qb_value_siunitx(out, table->columns[shown->column].format, x, n);
    qb_text_add(out, "]%s", shown->second ? "@{\\hspace{3pt}}l" : "");
}

static void header(const struct qb_report_table *table, const struct shown *shown, size_t count, struct qb_text *out)
{
    qb_text_add(out, "Variant");
    for (size_t i = 0; i < count; i++) {
        qb_text_add(out, " & \\multicolumn{%d}{c}{", shown[i].second ? 2 : 1);
        qb_escape_latex(out, table->columns[shown[i].column].name);
        qb_text_add(out, "}");
    }
    qb_text_add(out, " \\\\\n");
    for (size_t i = 0; i < count; i++) {
        qb_text_add(out, " & \\multicolumn{%d}{c}{", shown[i].second ? 2 : 1);
        qb_escape_latex(out, qb_column_unit(&table->columns[shown[i].column]));
        qb_text_add(out, "}");
    }
    qb_text_add(out, " \\\\\n\\midrule\n");
}

static void value_cells(const struct qb_report_column *column, const struct qb_value *value, bool second,
                        struct qb_text *out)
{
    char letters[MARKS + 2] = "";
    if (value && !qb_value_there(value->flags))
        value = NULL; /* the row says so, or the legend */
    qb_text_add(out, " & ");
    if (!value)
        qb_text_add(out, "{--}");
    else if (qb_value_void(value))
        qb_text_add(out, isfinite(value->value) ? "{(\\num{" : "{(");
    if (value && isinf(value->value)) /* in braces: siunitx would read it as a number */
        qb_text_add(out, value->value > 0 ? "{$\\infty$}" : "{$-\\infty$}");
    else if (value)
        qb_value_plain(out, column->format, value->value);
    if (value && qb_value_void(value))
        qb_text_add(out, isfinite(value->value) ? "})}" : ")}");
    if (!second)
        return;
    qb_text_add(out, " & ");
    if (value && has_interval(value)) {
        qb_text_add(out, "[\\num{");
        qb_value_plain(out, column->format, value->lo);
        qb_text_add(out, "}, \\num{");
        qb_value_plain(out, column->format, value->hi);
        qb_text_add(out, "}]");
    }
    if (value && mark_text(value, letters))
        qb_text_add(out, "\\textsuperscript{%s}", letters);
}

/* A comment a value: its anchor, datasets and row of /summary. */
static void source_comment(const struct qb_cell *cell, const struct qb_value *value, size_t summary_row,
                           struct qb_text *out)
{
    qb_text_add(out, "%% ");
    qb_anchor(out, cell->model, cell->variant, cell->experiment, value->metric);
    qb_text_add(out, " from ");
    qb_source_paths(out, cell, value->metric, " ");
    qb_text_add(out, ", /summary row %zu\n", summary_row);
}

static void rows(const struct qb_report *report, const struct qb_report_table *table, const struct shown *shown,
                 size_t count, struct qb_text *out)
{
    for (size_t r = 0; r < table->row_count; r++) {
        const struct qb_cell *cell = qb_report_cell(report, table, r);
        bool floor = qb_floor_says(cell->floor) != NULL;
        size_t at;
        for (size_t i = 0; i < count; i++) {
            const struct qb_value *value = qb_report_value(report, table, r, shown[i].column, &at);
            if (value)
                source_comment(cell, value, at, out);
        }
        qb_text_add(out, "%s", floor ? "\\textit{" : "");
        qb_escape_latex(out, cell->variant);
        qb_text_add(out, "%s%s", floor ? "}" : "",
                    qb_report_encodes_otherwise(report, table, r, NULL) ? "\\textsuperscript{\\dag}" : "");
        if (cell->state == QB_CELL_FAILED)
            qb_text_add(out, " (failed)");
        for (size_t i = 0; i < count; i++)
            value_cells(&table->columns[shown[i].column], qb_report_value(report, table, r, shown[i].column, &at),
                        shown[i].second, out);
        qb_text_add(out, " \\\\\n");
    }
}

/* ---- notes ---- */

static bool samples_alike(const struct qb_report_column *a, const struct qb_report_column *b)
{
    return a->same_n && b->same_n && a->shared_n == b->shared_n && a->same_note == b->same_note &&
           strcmp(a->usual_note, b->usual_note) == 0;
}

/* "kl_mean, kl_p99: n = 2560, cluster t over 20 chunks." for the columns that share them. */
static void note_sampling(const struct qb_report_table *table, const struct shown *shown, size_t count,
                          struct qb_text *out)
{
    bool varies = false;
    for (size_t i = 0; i < count; i++) {
        const struct qb_report_column *column = &table->columns[shown[i].column];
        bool said = !column->same_n;
        varies = varies || !column->same_n || !column->same_note;
        for (size_t j = 0; j < i && !said; j++)
            said = samples_alike(column, &table->columns[shown[j].column]);
        if (said)
            continue;
        for (size_t j = i; j < count; j++)
            if (samples_alike(column, &table->columns[shown[j].column])) {
                qb_text_add(out, "%s", j > i ? ", " : "");
                qb_escape_latex(out, table->columns[shown[j].column].name);
            }
        qb_text_add(out, ": $n=%llu$%s", (unsigned long long)column->shared_n,
                    !*column->usual_note ? ""
                    : column->same_note  ? ", "
                                         : ", mostly ");
        qb_escape_latex(out, column->usual_note);
        qb_text_add(out, ". ");
    }
    if (!varies)
        return;
    qb_text_add(out, "Elsewhere $n$ and the method differ by row: see tables/");
    qb_escape_latex(out, table->file);
    qb_text_add(out, ".csv. ");
}

static void note_encoded(const struct qb_report *report, const struct qb_report_table *table, struct qb_text *out)
{
    struct qb_text note = {0};
    qb_report_encoded_note(report, table, &note);
    if (note.size) {
        qb_text_add(out, "\\textsuperscript{\\dag}");
        qb_escape_latex(out, note.data);
        qb_text_add(out, ". ");
    }
    out->failed = out->failed || note.failed;
    qb_text_free(&note);
}

static void notes(const struct qb_report *report, const struct qb_report_table *table, const struct shown *shown,
                  size_t count, struct qb_text *out)
{
    uint32_t seen = 0;
    bool intervals = false, floors = false;
    double least = INFINITY;
    size_t at;
    for (size_t r = 0; r < table->row_count; r++) {
        floors = floors || qb_floor_says(qb_report_cell(report, table, r)->floor);
        for (size_t i = 0; i < count; i++) {
            const struct qb_value *value = qb_report_value(report, table, r, shown[i].column, &at);
            seen |= value ? value->flags : 0;
            intervals = intervals || (value && has_interval(value));
            if (value && value->covers > 0)
                least = fmin(least, value->covers);
        }
    }
    qb_text_add(out, "%s%s", intervals ? "Brackets: 95\\% intervals. " : "", floors ? "Italics: floors. " : "");
    for (const struct qb_flag_meaning *m = qb_flag_meanings(); m->name; m++)
        for (size_t i = 0; i < MARKS; i++)
            if (marks[i].flag == m->flag && (seen & m->flag)) {
                qb_text_add(out, "\\textsuperscript{%c}%s: ", marks[i].letter, m->name);
                qb_escape_latex(out, m->means);
                qb_text_add(out, ". ");
            }
    if (isfinite(least))
        qb_text_add(out, "\\textsuperscript{s}falls short: such intervals cover from %.1f\\%% in simulation. ", least);
    note_encoded(report, table, out);
    note_sampling(table, shown, count, out);
}

bool qb_latex_table(const struct qb_report *report, const struct qb_report_table *table, struct qb_text *out)
{
    struct shown shown[QB_LATEX_COLUMNS];
    size_t count, width = choose(report, table, shown, &count, out);
    const char *environment = width > COLUMN_CHARACTERS ? "table*" : "table";
    if (!count)
        return false;
    qb_text_add(out,
                "%% Needs booktabs and siunitx. Anchors and sources stand above each row.\n\\begin{%s}\n\\centering\n"
                "\\caption{",
                environment);
    qb_escape_latex(out, table->model);
    qb_text_add(out, ", ");
    qb_escape_latex(out, table->experiment);
    qb_text_add(out, ".}\n\\label{tab:");
    qb_anchor(out, table->model, "all", table->experiment, NULL);
    qb_text_add(out, "}\n\\scriptsize\\setlength{\\tabcolsep}{4pt}%%\n"
                     "\\sisetup{output-exponent-marker=\\mathrm{e},group-minimum-digits=5}%%\n\\begin{tabular}{l");
    for (size_t i = 0; i < count; i++)
        column_spec(report, table, &shown[i], out);
    qb_text_add(out, "}\n\\toprule\n");
    header(table, shown, count, out);
    rows(report, table, shown, count, out);
    qb_text_add(
        out,
        "\\bottomrule\n\\end{tabular}\n\\par\\smallskip\n\\begin{minipage}{\\linewidth}\\scriptsize\\raggedright ");
    notes(report, table, shown, count, out);
    qb_text_add(out, "\n\\end{minipage}\n\\end{%s}\n", environment);
    return true;
}
