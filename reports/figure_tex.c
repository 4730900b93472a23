/* The LaTeX form of a figure: gnuplot's cairolatex output with a path that a document can set. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "figure.h"
#include "report_files.h"

enum qb_status qb_figure_tex(const char *folder, const char *name, struct qb_error *err)
{
    char from[4400], to[160], picture[160];
    char *text = NULL;
    size_t size;
    struct qb_text out = {0};
    snprintf(from, sizeof from, "%s/%s-tex.tex", folder, name);
    snprintf(to, sizeof to, "%s.tex", name);
    snprintf(picture, sizeof picture, "]{%s-tex}", name);
    if (qb_file_read(from, 1u << 24, &text, &size, err))
        return err->status;
    char *at = strstr(text, picture);
    if (at) {
        qb_text_add(&out,
                    "%% %s: needs graphicx and color (or xcolor). The folder of the figures, seen from the document:\n"
                    "\\providecommand{\\qbfigures}{figures/}%%\n",
                    name);
        qb_text_bytes(&out, text, (size_t)(at - text));
        qb_text_add(&out, "]{\\qbfigures %s-tex}", name);
        at += strlen(picture);
        qb_text_bytes(&out, at, size - (size_t)(at - text));
        qb_report_save(folder, to, &out, err);
    } else {
        qb_fail(err, QB_ERR_IO, "%s: expected \\includegraphics of %s-tex", from, name);
    }
    if (!err->status)
        unlink(from);
    qb_text_free(&out);
    qb_free(text);
    return err->status;
}
