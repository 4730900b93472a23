/* Is an output valid? `valid text|json|csv FILE`: printable UTF-8, and JSON as jansson reads it, or CSV as RFC 4180 has
 * it with no cell that a spreadsheet would run. Says what is wrong; exit code 1. For tests/cli/foreign_text.sh. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "printable.h"

static int wrong(const char *path, const char *what, size_t at)
{
    fprintf(stderr, "%s: %s at byte %zu\n", path, what, at);
    return 1;
}

/* A cell's text, unquoted: a number, or nothing that begins a formula. */
static bool harmless(const char *cell)
{
    char *end;
    cell += strspn(cell, " \t\r\n");
    if (!*cell || !strchr("=+-@", *cell) || !cell[1])
        return true;
    if (strcmp(cell, "-inf") == 0 || strcmp(cell, "+inf") == 0)
        return true;
    strtod(cell, &end);
    return end != cell && (!*end || strcmp(end, "%") == 0) && !strpbrk(cell, "xXnN");
}

static int check_csv(const char *path, const char *text)
{
    static char cell[1 << 16];
    size_t columns = 0, first = 0;
    for (const char *at = text; *at;) {
        size_t n = 0;
        bool quoted = *at == '"';
        at += quoted;
        while (*at && n + 1 < sizeof cell && (quoted ? *at != '"' || at[1] == '"' : !strchr(",\"\r\n", *at))) {
            at += quoted && *at == '"';
            cell[n++] = *at++;
        }
        cell[n] = '\0';
        at += quoted && *at == '"';
        if (!harmless(cell))
            return wrong(path, cell, (size_t)(at - text));
        columns++;
        if (*at == ',') {
            at++;
            continue;
        }
        at += *at == '\r';
        if (*at && *at != '\n')
            return wrong(path, "a cell with a quote or line end in it", (size_t)(at - text));
        at += *at == '\n';
        if (first && columns != first)
            return wrong(path, "a line of another length", (size_t)(at - text));
        first = columns;
        columns = 0;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static char text[1 << 25];
    FILE *file = argc == 3 ? fopen(argv[2], "rb") : NULL;
    if (!file)
        return wrong(argc == 3 ? argv[2] : "valid", "expected text|json|csv FILE", 0);
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    size_t at = size ? first_unprintable(text, size, true) : 0;
    if (at < size || size == 0)
        return wrong(argv[2], size ? "not printable" : "empty", at);
    if (strcmp(argv[1], "csv") == 0)
        return check_csv(argv[2], text);
    if (strcmp(argv[1], "json") == 0) {
        json_error_t cause;
        json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &cause);
        if (!root)
            return wrong(argv[2], cause.text, (size_t)cause.position);
        json_decref(root);
    }
    return 0;
}
