/* Rows of a table that encode other weights than most: marked, and told why. */
#include <stdlib.h>
#include "base/file.h"
#include "planted_result.h"
#include "reports/report.h"
#include "reports/report_content.h"
#include "scratch.h"

static struct planted *p;

static void begin(void)
{
    scratch_begin();
    setenv("QINSBENCH_DATA", "data", 0);
    p = calloc(1, sizeof *p);
    cr_assert_not_null(p);
}
static void end(void)
{
    planted_free(p);
    free(p);
    scratch_end();
}
TestSuite(report_encoded, .init = begin, .fini = end);

static void plant(const char *variant, uint64_t weights, const char *unbound)
{
    struct qb_error err = {0};
    char path[128];
    snprintf(path, sizeof path, "m/%s/teacher-forced/kl_mean", variant);
    planted_value(p, path, 0.5, 10);
    struct qb_cell *cell = planted_cell(p, "m", variant, "teacher-forced");
    if (unbound)
        cell->reach = (struct qb_reach){.known = true,
                                        .tensors = 4,
                                        .weights = weights,
                                        .bytes = 9 * weights / 8,
                                        .unbound = qb_strdup(unbound, &err)};
}

static void write_report(void)
{
    struct qb_error err = {0};
    struct qb_result *result = NULL;
    struct qb_text said = {0};
    struct qb_report_options options = {.folder = scratch_path("out"),
                                        .formats =
                                            QB_REPORT_HTML | QB_REPORT_MARKDOWN | QB_REPORT_LATEX | QB_REPORT_CSV,
                                        .figures = "none"};
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", options.folder);
    options.folder = folder;
    planted_write(p, scratch_path("r.h5"));
    cr_assert_eq(qb_result_open(scratch_path("r.h5"), &result, &err), QB_OK, "%s", err.message);
    cr_assert_eq(qb_report_write(result, &options, &said, &err), QB_OK, "%s", err.message);
    qb_text_free(&said);
    qb_result_close(result);
}

static bool holds(const char *name, const char *wanted)
{
    struct qb_error err = {0};
    char path[64], *text = NULL;
    size_t size;
    snprintf(path, sizeof path, "out/%s", name);
    cr_assert_eq(qb_file_read(scratch_path(path), 1 << 26, &text, &size, &err), QB_OK, "%s", err.message);
    bool found = strstr(text, wanted) != NULL;
    qb_free(text);
    return found;
}

/* Two of three formats encode 96 weights; floors, which encode all 160, do not outvote them. */
Test(report_encoded, rows_of_another_placement_are_marked)
{
    plant("fp32", 0, "");
    plant("fp16", 160, "");
    plant("bf16", 160, "");
    plant("a", 96, "placement attn.*");
    plant("b", 96, "");
    plant("c", 128, "placement attn.*");
    write_report();
    const char *says = "fp16, bf16 encode 160 weights; c encodes 128 weights; the most common number is 96";
    cr_expect(holds("report.md", says));
    cr_expect(holds("report.md", "| c \xe2\x80\xa0 |") && holds("report.md", "| *fp16* \xe2\x80\xa0 |"));
    cr_expect(holds("report.md", "| a |") && holds("report.md", "| *fp32* |") == false &&
              holds("report.md", "| fp32 |"));
    cr_expect(holds("report.md", "- **without effect**: m: placement attn.\\* in a, c"));
    cr_expect(
        holds("index.html", "title=\"encodes 128 weights, the most common number of its table is 96\">encoded</span>"));
    cr_expect(holds("index.html", says));
    cr_expect(holds("tex/m.teacher-forced.tex", "c\\textsuperscript{\\dag} &") &&
              holds("tex/m.teacher-forced.tex", says));
    cr_expect(holds("tables/m.teacher-forced.csv",
                    "flags,note,floor,encoded_tensors,encoded_weights,encoded_bytes,"
                    "unbound,otherwise,otherwise_tensors,otherwise_weights,source,summary_row"));
    cr_expect(holds("tables/m.teacher-forced.csv", ",4,128,144,placement attn.*,,0,0,/cells/m/c/"));
}

Test(report_encoded, the_same_placement_and_older_files_say_nothing)
{
    plant("a", 96, "");
    plant("b", 96, "");
    plant("older", 0, NULL);
    write_report();
    cr_expect_not(holds("report.md", "\xe2\x80\xa0"));
    cr_expect_not(holds("report.md", "**encoded**"));
    cr_expect_not(holds("report.md", "without effect"));
    cr_expect(holds("tables/m.teacher-forced.csv", ",,,,,,/cells/m/older/"));
}
