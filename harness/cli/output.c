/* Tables, CSV, JSON and Markdown. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/layout.h"
#include "base/mem.h"
#include "base/text_format.h"
#include "base/utf8.h"
#include "cli.h"

size_t qb_columns(int fd)
{
    struct winsize size;
    const char *set = getenv("COLUMNS");
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20)
        return size.ws_col;
    long n = set ? strtol(set, NULL, 10) : 0;
    return n >= 20 && n <= 10000 ? (size_t)n : 100;
}

/* One block of a table: the first column and columns [from, to). */
static void table_block(struct qb_text *out, const char *const *cells, size_t rows, size_t cols, size_t from, size_t to,
                        const size_t *widths)
{
    for (size_t r = 0; r < rows; r++) {
        const char *label = cells[r * cols];
        size_t line = out->size;
        qb_text_add(out, "  %s", label);
        for (size_t pad = qb_width(label); pad < widths[0]; pad++)
            qb_text_add(out, " ");
        for (size_t c = from; c < to; c++) {
            const char *cell = cells[r * cols + c];
            for (size_t pad = qb_width(cell); pad < widths[c] + 2; pad++)
                qb_text_add(out, " ");
            qb_text_add(out, "%s", cell);
        }
        while (!out->failed && out->size > line && out->data[out->size - 1] == ' ')
            out->data[--out->size] = '\0';
        qb_text_add(out, "\n");
    }
}

void qb_table(struct qb_text *out, const char *const *cells, size_t rows, size_t cols, size_t width)
{
    struct qb_error ignored = {0};
    size_t *widths = qb_alloc(cols, sizeof *widths, "table", &ignored);
    if (!widths) {
        out->failed = true;
        return;
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) {
            size_t w = qb_width(cells[r * cols + c]);
            widths[c] = w > widths[c] ? w : widths[c];
        }
    for (size_t from = 1, to; from < cols; from = to) {
        size_t used = 2 + widths[0];
        for (to = from; to < cols && (to == from || used + widths[to] + 2 <= width); to++)
            used += widths[to] + 2;
        if (from > 1)
            qb_text_add(out, "\n");
        table_block(out, cells, rows, cols, from, to, widths);
    }
    qb_free(widths);
}

static void markdown_row(struct qb_text *out, const char *const *cells, size_t cols)
{
    for (size_t c = 0; c < cols; c++) {
        qb_text_add(out, "| ");
        qb_escape_markdown(out, cells[c]);
        qb_text_add(out, " ");
    }
    qb_text_add(out, "|\n");
}

void qb_table_markdown(struct qb_text *out, const char *const *cells, size_t rows, size_t cols)
{
    for (size_t r = 0; r < rows; r++) {
        markdown_row(out, cells + r * cols, cols);
        for (size_t c = 0; c < cols && r == 0; c++)
            qb_text_add(out, "%s", c ? "|--:" : "|---");
        qb_text_add(out, "%s", r ? "" : "|\n");
    }
    qb_text_add(out, "\n");
}

void qb_lines_markdown(struct qb_text *out, const struct qb_text *lines)
{
    for (const char *at = lines->data; at && *at;) {
        size_t length = strcspn(at, "\n");
        qb_text_add(out, "    ");
        qb_text_bytes(out, at, length);
        qb_text_add(out, "\n");
        at += length + (at[length] == '\n');
    }
    qb_text_add(out, "%s", lines->size ? "\n" : "");
}

/* ---- listings ---- */

static size_t column_count(const struct qb_listing *listing)
{
    size_t n = 0;
    while (listing->columns[n])
        n++;
    return n;
}

void qb_listing_add(struct qb_listing *listing, const char *const *values)
{
    struct qb_error err = {0};
    size_t n = column_count(listing);
    char **grown = qb_grow(listing->values, (listing->rows + 1) * n, sizeof *grown, "listing", &err);
    if (!grown) {
        listing->failed = true;
        return;
    }
    listing->values = grown;
    for (size_t c = 0; c < n; c++) {
        grown[listing->rows * n + c] = qb_clean_copy(values[c], QB_CLEAN_LINE, &err);
        listing->failed = listing->failed || err.status;
        err = (struct qb_error){0};
    }
    listing->rows++;
}

static const char *value_at(const struct qb_listing *listing, size_t r, size_t c)
{
    const char *value = listing->values[r * column_count(listing) + c];
    return value ? value : "";
}

/* Numbers with blanks between as an array. */
static void json_list(struct qb_text *out, const char *values)
{
    qb_text_add(out, "[");
    for (const char *at = values; *at;) {
        const size_t size = strcspn(at, " ");
        qb_text_add(out, "%s%.*s", at == values ? "" : ", ", (int)size, at);
        at += size + (at[size] == ' ');
    }
    qb_text_add(out, "]");
}

static void listing_json(const struct qb_listing *listing, struct qb_text *out)
{
    size_t n = column_count(listing);
    qb_text_add(out, "[");
    for (size_t r = 0; r < listing->rows; r++) {
        qb_text_add(out, "%s\n  {", r ? "," : "");
        for (size_t c = 0; c < n; c++) {
            const char *value = value_at(listing, r, c);
            double number;
            qb_text_add(out, "%s\"%s\": ", c ? ", " : "", listing->columns[c]);
            if (listing->lists && listing->lists[c])
                json_list(out, value);
            else if (listing->numeric && listing->numeric[c] && (!*value || qb_read_number(value, &number)))
                qb_json_number(out, *value ? number : 0, *value);
            else
                qb_json_string(out, value);
        }
        qb_text_add(out, "}");
    }
    qb_text_add(out, "%s]\n", listing->rows ? "\n" : "");
}

static void listing_csv(const struct qb_listing *listing, struct qb_text *out)
{
    size_t n = column_count(listing);
    for (size_t c = 0; c < n; c++)
        qb_text_add(out, "%s%s", c ? "," : "", listing->columns[c]);
    qb_text_add(out, "\r\n");
    for (size_t r = 0; r < listing->rows; r++) {
        for (size_t c = 0; c < n; c++) {
            qb_text_add(out, "%s", c ? "," : "");
            qb_csv_field(out, value_at(listing, r, c));
        }
        qb_text_add(out, "\r\n");
    }
}

/* Columns to the left, the last one as it is. */
static void listing_console(const struct qb_listing *listing, struct qb_text *out)
{
    size_t n = column_count(listing);
    for (size_t r = 0; r <= listing->rows; r++) {
        for (size_t c = 0; c < n; c++) {
            const char *value = r ? value_at(listing, r - 1, c) : listing->columns[c];
            size_t width = qb_width(listing->columns[c]);
            for (size_t i = 0; i < listing->rows; i++) {
                size_t w = qb_width(value_at(listing, i, c));
                width = w > width ? w : width;
            }
            qb_text_add(out, "%s", value);
            for (size_t pad = qb_width(value); c + 1 < n && pad < width + 2; pad++)
                qb_text_add(out, " ");
        }
        qb_text_add(out, "\n");
    }
}

/* Columns to the left, numbers to the right. */
static void listing_markdown(const struct qb_listing *listing, struct qb_text *out)
{
    size_t n = column_count(listing);
    markdown_row(out, listing->columns, n);
    for (size_t c = 0; c < n; c++)
        qb_text_add(out, "%s", listing->numeric && listing->numeric[c] ? "|--:" : "|---");
    qb_text_add(out, "|\n");
    for (size_t r = 0; r < listing->rows; r++) {
        const char *values[64];
        for (size_t c = 0; c < n && c < 64; c++)
            values[c] = value_at(listing, r, c);
        markdown_row(out, values, n < 64 ? n : 64);
    }
}

void qb_listing_print(const struct qb_listing *listing, enum qb_output output, struct qb_text *out)
{
    out->failed = out->failed || listing->failed;
    if (output == QB_OUTPUT_JSON)
        listing_json(listing, out);
    else if (output == QB_OUTPUT_CSV)
        listing_csv(listing, out);
    else if (output == QB_OUTPUT_MARKDOWN)
        listing_markdown(listing, out);
    else
        listing_console(listing, out);
}

void qb_listing_blocks(const struct qb_listing *listing, size_t width, struct qb_text *out)
{
    const size_t n = column_count(listing);
    out->failed = out->failed || listing->failed;
    for (size_t r = 0; r < listing->rows; r++) {
        qb_text_add(out, "%s%s\n", r ? "\n" : "", value_at(listing, r, 0));
        for (size_t c = 1; c < n; c++) {
            char first[32];
            snprintf(first, sizeof first, "  %-9s ", listing->columns[c]);
            if (*value_at(listing, r, c))
                qb_paragraph(out, first, value_at(listing, r, c), width);
        }
    }
}

void qb_listing_free(struct qb_listing *listing)
{
    for (size_t i = 0; i < listing->rows * column_count(listing); i++)
        qb_free(listing->values[i]);
    qb_free(listing->values);
    listing->values = NULL;
    listing->rows = 0;
}
