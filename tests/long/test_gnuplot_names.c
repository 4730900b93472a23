/* The labels of figures, whatever the names: tens of thousands of them through gnuplot, and some through LaTeX. */
#include "gnuplot_names.h"

static void begin(void)
{
    scratch_begin();
    setenv("QINSBENCH_DATA", "data", 1); /* tests run in the tree */
}
TestSuite(gnuplot_names_long, .init = begin, .fini = scratch_end, .timeout = 3600);

Test(gnuplot_names_long, are_drawn_as_they_are)
{
    for (unsigned seed = 2; seed < 12; seed++)
        plot_names(seed, 3000);
}

/* gnuplot's part of a LaTeX figure compiles, and reads no file that a name asks for. */
Test(gnuplot_names_long, compile_as_latex)
{
    static const char document[] = "\\documentclass{article}\\usepackage{graphicx,color}\\begin{document}\n"
                                   "\\input{names-tex}\n\\end{document}\n";
    const char *const command[] = {"pdflatex", "-interaction=nonstopmode", "-halt-on-error", "document.tex", NULL};
    char said[2000];
    struct qb_error err = {0};
    cr_assert_eq(system("scripts/setup.sh latex"), 0);
    for (unsigned seed = 2; seed < 6; seed++) {
        struct qb_figure figure = {0};
        name_array(&figure, seed, 1000, NULL);
        write_plots(&figure, 1000, "tex");
        run_gnuplot();
        scratch_write("document.tex", document, sizeof document - 1);
        int code = qb_tool_run(scratch_folder, command, said, sizeof said, &err);
        cr_expect_eq(code, 0, "pdflatex ended with %d: %s %s", code, said, err.message);
        figure_end(&figure);
    }
    cr_expect_eq(access(scratch_path("document.pdf"), F_OK), 0);
}
