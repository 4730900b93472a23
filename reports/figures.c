/* Writes the figures of a run: data, script, caption, pictures, and one page that shows them all. */
#include "figures.h"

#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "base/mem.h"
#include "codec/variant.h"
#include "figure.h"
#include "layout.h"

static const struct qb_figure_kind *const kinds[] = {
    &qb_figure_controlled, &qb_figure_match, &qb_figure_kl,        &qb_figure_depth,
    &qb_figure_memory,     &qb_figure_speed, &qb_figure_linearity, &qb_figure_codes,
};
enum { KINDS = sizeof kinds / sizeof *kinds };

const char *const *qb_figure_names(void)
{
    static const char *names[KINDS + 1];
    for (size_t i = 0; i < KINDS; i++)
        names[i] = kinds[i]->name; /* the same values whoever writes first */
    return names;
}

struct writer {
    const struct qb_figure_options *options;
    char folder[4096];          /* DIR/figures */
    const char *formats[4];     /* NULL-terminated */
    struct qb_text format_list; /* "png svg pdf", for the scripts */
    struct qb_text index;       /* DIR/README.md */
    struct qb_text *report;
};

/* Where the templates lie: beside an installed program's data, or in the source tree. */
static enum qb_status template_path(const char *name, char path[4096], struct qb_error *err)
{
    char relative[128];
    struct qb_error first = {0};
    snprintf(relative, sizeof relative, "figures/%s.gp", name);
    if (!qb_data_path(relative, path, &first))
        return QB_OK;
    snprintf(relative, sizeof relative, "../reports/figures/%s.gp", name);
    if (!qb_data_path(relative, path, err))
        return QB_OK;
    return qb_fail(err, QB_ERR_INPUT, "the figures' template %s.gp is missing: %s", name, first.message);
}

static enum qb_status save(const struct writer *w, const char *name, const char *suffix, const struct qb_text *text,
                           struct qb_error *err)
{
    char path[4400];
    if (text->failed)
        return qb_fail(err, QB_ERR_MEMORY, "no memory for figure '%s'", name);
    snprintf(path, sizeof path, "%s/%s.%s", w->folder, name, suffix);
    return qb_file_replace(path, text->data ? text->data : "", text->size, err);
}

static enum qb_status read_template(const char *name, char **text, size_t *size, struct qb_error *err)
{
    char path[4096];
    enum qb_status s = template_path(name, path, err);
    return s ? s : qb_file_read(path, 1u << 20, text, size, err);
}

static enum qb_status write_style(const struct writer *w, struct qb_error *err)
{
    struct qb_text style = {0};
    size_t size;
    char *text = NULL;
    enum qb_status s = read_template("style", &text, &size, err);
    if (!s) {
        qb_text_bytes(&style, text, size);
        s = save(w, "style", "gp", &style, err);
    }
    qb_text_free(&style);
    qb_free(text);
    return s;
}

/* The script: the run's variables, then the template as it is. */
static enum qb_status write_script(const struct writer *w, const struct qb_figure_kind *kind,
                                   const struct qb_figure *figure, struct qb_error *err)
{
    struct qb_text script = {0};
    size_t size;
    char *text = NULL;
    enum qb_status s = read_template(kind->name, &text, &size, err);
    if (s)
        return s;
    qb_text_add(&script, "# Draw again with: gnuplot %s.gp (in this folder). Looks: style.gp. Numbers: %s.dat.\n",
                kind->name, kind->name);
    qb_text_add(&script, "formats = '%s'\nname = '%s'\ndata = '%s.dat'\n", w->format_list.data, kind->name, kind->name);
    qb_text_bytes(&script, figure->variables.data ? figure->variables.data : "", figure->variables.size);
    qb_text_add(&script, "# ---- what follows is reports/figures/%s.gp ----\n", kind->name);
    qb_text_bytes(&script, text, size);
    s = save(w, kind->name, "gp", &script, err);
    qb_text_free(&script);
    qb_free(text);
    return s;
}

static void add_to_index(struct writer *w, const struct qb_figure_kind *kind, const struct qb_figure *figure)
{
    const char *picture = w->formats[0];
    for (size_t i = 0; w->formats[i]; i++)
        if (strcmp(w->formats[i], "pdf") != 0) {
            picture = w->formats[i];
            break;
        }
    qb_text_add(&w->index, "## %s\n\n![%s](figures/%s.%s)\n\n%s\n\n", kind->title, kind->title, kind->name, picture,
                figure->caption.data);
    for (size_t i = 0; w->formats[i]; i++)
        qb_text_add(&w->index, "%s[%s](figures/%s.%s)", i ? ", " : "Files: ", w->formats[i], kind->name, w->formats[i]);
    qb_text_add(&w->index, ", [data](figures/%s.dat), [script](figures/%s.gp)\n\n", kind->name, kind->name);
}

static void figure_free(struct qb_figure *figure)
{
    qb_text_free(&figure->data);
    qb_text_free(&figure->variables);
    qb_text_free(&figure->caption);
}

static enum qb_status draw(struct writer *w, const struct qb_figure_kind *kind, const struct qb_figure *figure,
                           struct qb_error *err)
{
    struct qb_text wrapped = {0};
    char script[64];
    qb_paragraph(&wrapped, "", figure->caption.data ? figure->caption.data : "", 100);
    enum qb_status s = save(w, kind->name, "dat", &figure->data, err);
    if (!s)
        s = save(w, kind->name, "txt", &wrapped, err);
    if (!s)
        s = write_script(w, kind, figure, err);
    qb_text_free(&wrapped);
    snprintf(script, sizeof script, "%s.gp", kind->name);
    return s ? s : qb_gnuplot(w->folder, script, err);
}

static enum qb_status write_figure(struct writer *w, const struct qb_result *result, const struct qb_figure_kind *kind,
                                   struct qb_error *err)
{
    struct qb_figure figure = {0};
    enum qb_status s = kind->fill(result, &figure, err);
    if (!s && figure.missing[0]) {
        if (w->options->only)
            s = qb_fail(err, QB_ERR_INPUT, "figure '%s': %s", kind->name, figure.missing);
        qb_text_add(w->report, "%-12s left out: %s\n", kind->name, figure.missing);
    } else if (!s) {
        s = draw(w, kind, &figure, err);
        if (!s) {
            add_to_index(w, kind, &figure);
            qb_text_add(w->report, "%-12s %s/%s.{%s}\n", kind->name, w->folder, kind->name,
                        w->options->formats ? w->options->formats : "png,svg,pdf");
        }
    } else {
        qb_wrap(err, "figure '%s'", kind->name);
    }
    figure_free(&figure);
    return s;
}

static enum qb_status parse_formats(struct writer *w, struct qb_error *err)
{
    static const char *const known[] = {"png", "svg", "pdf"};
    const char *p = w->options->formats ? w->options->formats : "png,svg,pdf";
    size_t count = 0;
    while (*p) {
        size_t n = strcspn(p, ","), k = 0;
        while (k < 3 && (strlen(known[k]) != n || strncmp(p, known[k], n) != 0))
            k++;
        for (size_t i = 0; k < 3 && i < count; i++)
            if (w->formats[i] == known[k])
                k = 3; /* named twice */
        if (k == 3)
            return qb_fail(err, QB_ERR_INPUT, "--format %s: expected a list of png, svg, pdf, each once",
                           w->options->formats);
        qb_text_add(&w->format_list, "%s%s", count ? " " : "", known[k]);
        w->formats[count++] = known[k];
        p += n;
        p += *p == ',';
    }
    return count ? QB_OK : qb_fail(err, QB_ERR_INPUT, "--format: expected a list of png, svg, pdf");
}

static enum qb_status check_only(const char *only, struct qb_error *err)
{
    const char *const *names = qb_figure_names();
    struct qb_text list = {0};
    for (size_t i = 0; names[i]; i++) {
        if (!only || strcmp(names[i], only) == 0) {
            qb_text_free(&list);
            return QB_OK;
        }
        qb_text_add(&list, "%s%s", i ? ", " : "", names[i]);
    }
    qb_fail(err, QB_ERR_INPUT, "there is no figure '%s'; figures are %s", only, list.data ? list.data : "");
    qb_text_free(&list);
    return QB_ERR_INPUT;
}

static enum qb_status write_index(struct writer *w, const struct qb_result *result, struct qb_error *err)
{
    char path[4400];
    const char *suite = qb_provenance_get(qb_result_provenance(result), "suite_name");
    struct qb_text page = {0};
    qb_text_add(&page,
                "# Figures of %s%s\n\nFrom `%s`. Each figure's data and script lie beside it; edit "
                "`figures/style.gp` and run `gnuplot NAME.gp` there to restyle.\n\n",
                suite ? "suite " : "", suite ? suite : "a run", qb_result_path(result));
    qb_text_bytes(&page, w->index.data ? w->index.data : "", w->index.size);
    snprintf(path, sizeof path, "%s/README.md", w->options->folder);
    enum qb_status s = page.failed || w->index.failed ? qb_fail(err, QB_ERR_MEMORY, "no memory for the figures' page")
                                                      : qb_file_replace(path, page.data, page.size, err);
    qb_text_free(&page);
    return s;
}

enum qb_status qb_figures_write(const struct qb_result *result, const struct qb_figure_options *options,
                                struct qb_figure_list *list, struct qb_text *report, struct qb_error *err)
{
    struct writer w = {.options = options, .report = report};
    (void)list;
    enum qb_status s = check_only(options->only, err);
    if (!s)
        s = parse_formats(&w, err);
    if (!s && snprintf(w.folder, sizeof w.folder, "%s/figures", options->folder) >= (int)sizeof w.folder)
        s = qb_fail(err, QB_ERR_INPUT, "the folder's path is too long: %.60s...", options->folder);
    if (!s)
        s = qb_file_mkdirs(w.folder, err);
    if (!s)
        s = write_style(&w, err);
    for (size_t i = 0; i < KINDS && !s; i++)
        if (!options->only || strcmp(options->only, kinds[i]->name) == 0)
            s = write_figure(&w, result, kinds[i], err);
    if (!s && !options->only)
        s = write_index(&w, result, err);
    qb_text_free(&w.format_list);
    qb_text_free(&w.index);
    return s;
}
