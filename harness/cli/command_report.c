/* report: the figures of a result file. */
#include <string.h>

#include "cli.h"
#include "reports/figures.h"

enum { FLAG_OUT, FLAG_FORMAT, FLAG_ONLY };
static const struct qb_flag flags[] = {
    {"out", 'o', "DIR", "where to write (required); figures go to DIR/figures, the page to DIR/README.md"},
    {"format", 0, "LIST", "of png, svg, pdf; default png,svg,pdf"},
    {"only", 0, "NAME", "one figure"},
    {0}};
static const struct qb_usage usage = {
    .name = "report",
    .synopsis = "RESULT.h5 -o DIR [options]",
    .summary =
        "Draws the figures of a run with gnuplot, from the result file alone. Each figure's numbers (.dat), script\n"
        "(.gp) and caption (.txt) are kept: edit style.gp and run `gnuplot NAME.gp` in that folder to restyle.\n"
        "Figures: controlled, match, kl, depth, memory, speed, linearity, codes.",
    .flags = flags,
    .examples = "  qinsbench report results/source.h5 -o results/report\n"
                "  qinsbench report results/source.h5 -o out --only controlled --format pdf",
};

int qb_command_report(int argc, char **argv)
{
    struct qb_flags parse = {.usage = &usage};
    struct qb_figure_options options = {0};
    struct qb_error err = {0};
    struct qb_result *result = NULL;
    struct qb_text report = {0};
    int flag, code;
    while ((flag = qb_flags_next(&parse, argc, argv)) != QB_FLAG_END) {
        if (flag == QB_FLAG_STOP)
            return parse.code;
        if (flag == FLAG_OUT)
            options.folder = optarg;
        else if (flag == FLAG_FORMAT)
            options.formats = optarg;
        else if (flag == FLAG_ONLY)
            options.only = optarg;
    }
    if (argc - optind != 1 || !options.folder || !*options.folder)
        return qb_complain("report: expected one result file and -o DIR (qinsbench report --help)");
    enum qb_status s = qb_result_open(argv[optind], &result, &err);
    if (!s)
        s = qb_figures_write(result, &options, NULL, &report, &err);
    code = qb_print(&report); /* what was drawn before a failure is worth saying */
    if (s)
        code = qb_complain_error(&err);
    qb_text_free(&report);
    qb_result_close(result);
    return code;
}
