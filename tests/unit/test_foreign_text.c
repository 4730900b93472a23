/* Texts of strangers in result files: names that gnuplot must draw, and a sealed file whose texts no run would write.
 * What is read is printable, and so is every file that a report writes of it. */
#include <ftw.h>
#include <hdf5.h>
#include <sys/stat.h>
#include "base/hash.h"
#include "figure_plants.h"
#include "printable.h"
#include "reports/report.h"

static void begin(void)
{
    scratch_begin();
    setenv("QINSBENCH_DATA", "data", 1); /* tests run in the tree */
}
TestSuite(foreign_text, .init = begin, .fini = scratch_end, .timeout = 120);

/* What gnuplot, LaTeX, HTML, Markdown or a spreadsheet would act on; each is drawn as the name of a tensor. */
static const char *const names[] = {"'quoted'.weight",
                                    "\"double\"",
                                    "''",
                                    "`touch pwned`",
                                    "@macro _^{sub} &~",
                                    "\\input{/etc/passwd}",
                                    "%s %d\\n",
                                    "# no comment",
                                    "<script>|*x*",
                                    "a b\tc",
                                    "=cmd|' /C calc'!A0",
                                    "\xe5\xad\x97\xe2\x82\xac",
                                    ""};
enum { NAMES = sizeof names / sizeof *names };

static void name_tensors(struct qb_cell *cell, const char *const *all, size_t count)
{
    struct qb_error err = {0};
    const struct qb_array *array = qb_record_get(&cell->record, "swap_tensor", QB_TEXT, 1);
    cr_assert(array && array->count == count);
    for (size_t i = 0; i < count; i++) {
        qb_free(((char **)array->data)[i]);
        ((char **)array->data)[i] = qb_strdup(all[i], &err);
    }
}

Test(foreign_text, figures_are_drawn_whatever_the_names)
{
    struct planted *p = calloc(1, sizeof *p);
    struct qb_error err = {0};
    struct qb_figure_options options = {.folder = scratch_path("out"), .formats = "png,svg,tex", .only = "tensors"};
    struct qb_text said = {0};
    struct stat info;
    plant_attribute(p, "m", "calibrated", NAMES, 1);
    name_tensors(planted_cell(p, "m", "calibrated", "attribute"), names, NAMES);
    cr_assert_eq(draw_figures(p, &options, NULL, &said, &err), QB_OK, "%s", err.message);
    cr_expect_eq(stat(scratch_path("out/figures/tensors.png"), &info), 0);
    cr_expect_gt(info.st_size, 0);
    cr_expect_neq(stat(scratch_path("out/figures/pwned"), &info), 0, "a name ran a command");
    char *svg = read_back("out/figures/tensors.svg"), *tex = read_back("out/figures/tensors.tex");
    cr_expect_not_null(strstr(svg, "%s %d"));
    cr_expect(strstr(svg, "'quoted'") || strstr(svg, "&#39;quoted&#39;") || strstr(svg, "&apos;quoted&apos;"));
    cr_expect_not_null(strstr(svg, "`touch pwned`"));
    cr_expect_not_null(strstr(svg, "&lt;script"));
    cr_expect_null(strstr(svg, "<script"));
    cr_expect_null(strstr(tex, "\\input{"), "LaTeX would read a file");
    cr_expect_null(strstr(tex, "\xe5\xad\x97"), "pdflatex's fonts lack it");
    qb_free(svg);
    qb_free(tex);
    qb_text_free(&said);
    free(p);
}

/* gnuplot puts the value of a variable in the place of @its_name, also in a string behind a quote that it took for
 * another one's end: a name that is run must be found in no figure. The last one is "text" where rows are made. */
Test(foreign_text, no_name_of_a_tensor_is_run)
{
    static const char *const attack[] = {"it's", "@text", "x'9);system('>a')#"};
    struct planted *p = calloc(1, sizeof *p);
    struct qb_error err = {0};
    struct qb_figure_options options = {.folder = scratch_path("out"), .formats = "svg", .only = "tensors"};
    struct qb_text said = {0};
    plant_attribute(p, "m", "calibrated", 3, 1);
    name_tensors(planted_cell(p, "m", "calibrated", "attribute"), attack, 3);
    draw_figures(p, &options, NULL, &said, &err);
    cr_expect_neq(access(scratch_path("out/figures/a"), F_OK), 0, "a name ran a command");
    cr_assert_eq(err.status, QB_OK, "%s", err.message);
    char *svg = read_back("out/figures/tensors.svg");
    for (size_t i = 0; i < 3; i++)
        cr_expect_not_null(strstr(svg, attack[i]), "the figure lacks %s", attack[i]);
    qb_free(svg);
    qb_text_free(&said);
    free(p);
}

/* ---- a stranger's file ---- */

static const char foreign[] = "\x1b[31m\xff\xe2\x80\xae\xc2\x9b<script>|\r\n=1\x7f";

/* Fixed-length texts of `size` bytes, cut where the size ends: inside a character too. */
static void fill(char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        text[i] = foreign[i % (sizeof foreign - 1)];
}

static void put_text(hid_t object, const char *name)
{
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    H5Tset_size(type, sizeof foreign - 1);
    H5Tset_cset(type, H5T_CSET_UTF8);
    H5Adelete(object, name);
    hid_t a = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    cr_assert_geq(H5Awrite(a, type, foreign), 0);
    H5Aclose(a);
    H5Sclose(space);
    H5Tclose(type);
}

/* One text column of every row of /summary. */
static void put_column(hid_t file, const char *name, size_t size)
{
    hid_t table = H5Dopen2(file, "summary", H5P_DEFAULT), space = H5Dget_space(table);
    hssize_t rows = H5Sget_simple_extent_npoints(space);
    hid_t text = H5Tcopy(H5T_C_S1), row = H5Tcreate(H5T_COMPOUND, size);
    H5Tset_size(text, size);
    H5Tset_cset(text, H5T_CSET_UTF8);
    H5Tinsert(row, name, 0, text);
    char *all = calloc((size_t)rows, size);
    for (hssize_t i = 0; i < rows; i++)
        fill(all + (size_t)i * size, size);
    cr_assert_geq(H5Dwrite(table, row, H5S_ALL, H5S_ALL, H5P_DEFAULT, all), 0);
    free(all);
    H5Tclose(row);
    H5Tclose(text);
    H5Sclose(space);
    H5Dclose(table);
}

static void put_list(hid_t file, const char *path)
{
    hid_t list = H5Dopen2(file, path, H5P_DEFAULT), type = H5Dget_type(list), space = H5Dget_space(list);
    size_t size = H5Tget_size(type) * (size_t)H5Sget_simple_extent_npoints(space);
    char *all = malloc(size);
    fill(all, size);
    cr_assert_geq(H5Dwrite(list, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, all), 0);
    free(all);
    H5Sclose(space);
    H5Tclose(type);
    H5Dclose(list);
}

/* The user block's checksum, as docs/result-file.md has it. */
static void seal(const char *path)
{
    char *data = NULL, hex[QB_HASH_HEX];
    size_t size;
    struct qb_error err = {0};
    cr_assert_eq(qb_file_read(path, 1 << 28, &data, &size, &err), QB_OK);
    qb_hash_buffer(data + 512, size - 512, hex);
    memset(data, 0, 512);
    snprintf(data, 512, "qinsbench file; HDF5 from byte 512 on; sha256 of that part: %s\n", hex);
    cr_assert_eq(qb_file_replace(path, data, size, &err), QB_OK);
    qb_free(data);
}

static void plant_stranger(const char *path)
{
    struct planted *p = calloc(1, sizeof *p);
    plant_attribute(p, "m", "calibrated", 5, 1);
    plant_forced(p, "m", "pattern-a", 100, 1e-6, true);
    planted_cell(p, "m", "broken", "teacher-forced")->state = QB_CELL_FAILED;
    planted_fact(p, "suite_name", "x");
    planted_fact(p, "suite", "y");
    planted_write(p, path);
    planted_free(p);
    free(p);
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    cr_assert_geq(file, 0);
    hid_t facts = H5Gopen2(file, "provenance", H5P_DEFAULT);
    hid_t cell = H5Gopen2(file, "cells/m/broken/teacher-forced", H5P_DEFAULT);
    hid_t kl = H5Dopen2(file, "cells/m/pattern-a/teacher-forced/kl", H5P_DEFAULT);
    put_text(facts, "suite_name");
    put_text(facts, "suite");
    put_text(cell, "message");
    put_text(cell, "warnings");
    put_text(cell, "options");
    put_text(kl, "unit");
    put_text(kl, "description");
    put_column(file, "note", QB_NOTE_MAX);
    put_column(file, "unit", 16);
    put_list(file, "cells/m/calibrated/attribute/swap_tensor");
    H5Dclose(kl);
    H5Gclose(cell);
    H5Gclose(facts);
    H5Fclose(file);
    seal(path);
}

static void expect_printable(const char *what, const char *text, bool lines)
{
    size_t size = strlen(text), at = first_unprintable(text, size, lines);
    cr_expect_eq(at, size, "%s: byte %zu is 0x%02x: %.60s", what, at, (unsigned char)text[at], text);
}

static void expect_record(const struct qb_record *record)
{
    for (size_t a = 0; a < record->count; a++) {
        const struct qb_array *array = &record->arrays[a];
        expect_printable(array->name, array->unit, false);
        expect_printable(array->name, array->description, false);
        for (size_t i = 0; array->dtype == QB_TEXT && i < array->count; i++)
            expect_printable(array->name, ((char **)array->data)[i], false);
    }
}

Test(foreign_text, what_is_read_is_printable)
{
    struct qb_result *result = NULL;
    struct qb_error err = {0};
    plant_stranger(scratch_path("r.h5"));
    cr_assert_eq(qb_result_open(scratch_path("r.h5"), &result, &err), QB_OK, "%s", err.message);
    for (size_t i = 0; i < qb_result_count(result); i++) {
        const struct qb_cell *cell = qb_result_cell(result, i);
        struct qb_record record = {0};
        expect_printable("message", cell->message, false);
        expect_printable("options", cell->options, false);
        expect_printable("warnings", cell->warnings, true);
        for (size_t v = 0; v < cell->value_count; v++) {
            expect_printable("note", cell->values[v].note, false);
            expect_printable("unit", cell->values[v].unit, false);
            cr_expect_eq(strncmp(cell->values[v].note, "\\x1b[31m\\xff", 12), 0, "%s", cell->values[v].note);
        }
        cr_assert_eq(qb_result_record(result, i, &record, &err), QB_OK, "%s", err.message);
        expect_record(&record);
        qb_record_free(&record);
    }
    for (size_t i = 0; i < qb_result_provenance(result)->count; i++)
        expect_printable(qb_result_provenance(result)->pairs[i].name, qb_result_provenance(result)->pairs[i].value,
                         true);
    qb_result_close(result);
}

static int check_file(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    char *text = NULL;
    size_t size;
    struct qb_error err = {0};
    (void)info, (void)where;
    const char *dot = strrchr(path, '.');
    if (kind != FTW_F || (dot && strcmp(dot, ".pdf") == 0))
        return 0;
    cr_assert_eq(qb_file_read(path, 1 << 28, &text, &size, &err), QB_OK, "%s", err.message);
    size_t at = first_unprintable(text, size, true);
    cr_expect_eq(at, size, "%s: byte %zu is 0x%02x", path, at, at < size ? (unsigned char)text[at] : 0);
    bool markup = dot && (strcmp(dot, ".html") == 0 || strcmp(dot, ".md") == 0 || strcmp(dot, ".svg") == 0);
    cr_expect(!markup || !strstr(text, "<script>|"), "%s: markup of the stranger's", path);
    qb_free(text);
    return 0;
}

Test(foreign_text, every_file_of_its_report_is_printable)
{
    struct qb_result *result = NULL;
    struct qb_error err = {0};
    struct qb_text said = {0};
    struct qb_report_options options = {.folder = scratch_path("out"),
                                        .formats =
                                            QB_REPORT_HTML | QB_REPORT_MARKDOWN | QB_REPORT_LATEX | QB_REPORT_CSV,
                                        .figures = "svg,tex"};
    plant_stranger(scratch_path("r.h5"));
    cr_assert_eq(qb_result_open(scratch_path("r.h5"), &result, &err), QB_OK, "%s", err.message);
    cr_assert_eq(qb_report_write(result, &options, &said, &err), QB_OK, "%s", err.message);
    cr_expect_null(strstr(said.data, "Not all figures"), "%s", said.data);
    cr_assert_eq(nftw(scratch_path("out"), check_file, 16, FTW_PHYS), 0);
    char *page = read_back("out/index.html");
    cr_expect_not_null(strstr(page, "\\x1b[31m\\xff"));
    cr_expect_null(strstr(page, "<script>|"));
    qb_free(page);
    qb_text_free(&said);
    qb_result_close(result);
}
