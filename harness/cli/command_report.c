/* report: pages, tables and figures of a result file. */
#include <string.h>

#include "cli.h"
#include "reports/claims.h"
#include "reports/figures.h"
#include "reports/report.h"
#include "reports/report_files.h"

enum { FLAG_OUT, FLAG_FORMAT, FLAG_FIGURES, FLAG_ONLY, FLAG_CLAIMS, FLAG_PDF };
static const struct qb_flag flags[] = {
    {"out", 'o', "DIR", "where to write (required)"},
    {"format", 0, "LIST", "of html, md, tex, csv; default all"},
    {"figures", 0, "LIST", "of png, svg, pdf, tex; default png,svg,pdf; 'none': no figures"},
    {"only", 0, "FIGURE", "one figure and no pages"},
    {"claims", 0, "DIR", "the ledger's YAML files (default: the shipped data/claims)"},
    {"pdf", 0, NULL, "compiles DIR/tex/example.tex with pdflatex"},
    {0}};
static const struct qb_usage usage = {
    .name = "report",
    .synopsis = "RESULT.h5 -o DIR [options]",
    .summary =
        "Writes what a run measured, from the result file alone: DIR/index.html (one page, no network), "
        "DIR/report.md,\n"
        "DIR/tex (booktabs tables and an example document), DIR/tables (CSV) and DIR/figures (gnuplot; each with its\n"
        "numbers, script and caption). Every number names the datasets it comes from.",
    .flags = flags,
    .examples = "  qinsbench report results/source.h5 -o results/report\n"
                "  qinsbench report results/source.h5 -o paper --format tex --pdf\n"
                "  qinsbench report results/source.h5 -o out --only controlled --figures pdf",
};

struct request {
    const char *result, *only;
    struct qb_report_options options;
    bool pages; /* --format was given */
};

static bool picture(const char *list)
{
    return qb_glob("*png*", list) || qb_glob("*svg*", list) || qb_glob("*pdf*", list);
}

/* QB_FLAG_END: go on; else the exit code. */
static int parse(int argc, char **argv, struct request *r)
{
    struct qb_flags parse = {.usage = &usage};
    struct qb_error err = {0};
    int flag;
    qb_report_parse_formats("--format", "html,md,tex,csv", &r->options.formats, &err);
    while ((flag = qb_flags_next(&parse, argc, argv)) != QB_FLAG_END) {
        if (flag == QB_FLAG_STOP)
            return parse.code;
        if (flag == FLAG_FORMAT && picture(optarg))
            return qb_complain("--format %s: formats of pictures are given with --figures", optarg);
        if (flag == FLAG_FORMAT && qb_report_parse_formats("--format", optarg, &r->options.formats, &err))
            return qb_complain_error(&err);
        r->pages |= flag == FLAG_FORMAT;
        r->options.pdf |= flag == FLAG_PDF;
        if (flag == FLAG_OUT)
            r->options.folder = optarg;
        else if (flag == FLAG_FIGURES)
            r->options.figures = optarg;
        else if (flag == FLAG_ONLY)
            r->only = optarg;
        else if (flag == FLAG_CLAIMS)
            r->options.ledger = optarg;
    }
    if (argc - optind != 1 || !r->options.folder || !*r->options.folder)
        return qb_complain("report: expected one result file and -o DIR (qinsbench report --help)");
    if (r->only && (r->pages || r->options.pdf || r->options.ledger))
        return qb_complain(
            "--only draws one figure and writes no pages: --format, --claims and --pdf do not go with it");
    if (r->options.pdf && !(r->options.formats & QB_REPORT_LATEX))
        return qb_complain("--pdf needs tex among the formats");
    r->result = argv[optind];
    return QB_FLAG_END;
}

int qb_command_report(int argc, char **argv)
{
    struct request r = {0};
    struct qb_error err = {0};
    struct qb_result *result = NULL;
    struct qb_text said = {0};
    int lock = -1;
    int code = parse(argc, argv, &r);
    if (code != QB_FLAG_END)
        return code;
    if (!qb_result_open(r.result, &result, &err) && r.only) {
        struct qb_ledger *ledger = NULL;
        qb_ledger_of_run(result, NULL, &ledger, &err);
        struct qb_figure_options figure = {
            .ledger = ledger, .folder = r.options.folder, .formats = r.options.figures, .only = r.only};
        if (!err.status && !qb_report_begin(r.options.folder, &lock, &err))
            qb_figures_write(result, &figure, NULL, &said, &err);
        qb_report_end(&lock);
        qb_ledger_free(ledger);
    } else if (!err.status) {
        qb_report_write(result, &r.options, &said, &err);
    }
    code = qb_print(&said); /* what was written before a failure is worth saying */
    if (err.status)
        code = qb_complain_error(&err);
    qb_text_free(&said);
    qb_result_close(result);
    return code;
}
