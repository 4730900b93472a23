/* Writes the figures of a run: data, script, caption, pictures, and one page that shows them all. */
#include "figures.h"

#include <stdio.h>
#include <string.h>
#include "base/choice.h"
#include "base/data_path.h"
#include "base/file.h"
#include "base/layout.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "escape.h"
#include "figure.h"
#include "report_files.h"

/* A new figure is a figure_*.c with a kind, its script, and its two lines here. */
extern const struct qb_figure_kind qb_figure_cache, qb_figure_position, qb_figure_controlled, qb_figure_bits,
    qb_figure_kl, qb_figure_depth, qb_figure_survival, qb_figure_match, qb_figure_flips, qb_figure_attribution,
    qb_figure_tensors, qb_figure_memory, qb_figure_speed, qb_figure_roofline, qb_figure_linearity, qb_figure_codes,
    qb_figure_encoded, qb_figure_growth, qb_figure_landscape, qb_figure_predictors;

static const struct qb_figure_kind *const kinds[] = {
    &qb_figure_controlled, &qb_figure_bits,     &qb_figure_encoded,  &qb_figure_kl,          &qb_figure_depth,
    &qb_figure_survival,   &qb_figure_match,    &qb_figure_flips,    &qb_figure_attribution, &qb_figure_tensors,
    &qb_figure_memory,     &qb_figure_speed,    &qb_figure_roofline, &qb_figure_linearity,   &qb_figure_codes,
    &qb_figure_cache,      &qb_figure_position, &qb_figure_growth,   &qb_figure_landscape,   &qb_figure_predictors,
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static const char *const known_formats[] = {"png", "svg", "pdf", "tex"};
enum { FORMATS = sizeof known_formats / sizeof *known_formats };

const char *const *qb_figure_names(void)
{
    static const char *names[KINDS + 1];
    for (size_t i = 0; i < KINDS; i++)
        names[i] = kinds[i]->name; /* the same values whoever writes first */
    return names;
}

/* A figure that gnuplot is drawing. */
struct drawing {
    const struct qb_figure_kind *kind;
    struct qb_gnuplot run;
    char *caption; /* qb_alloc'ed */
    double width;
};
enum { AT_ONCE = 4 }; /* gnuplot processes side by side */

struct writer {
    const struct qb_figure_options *options;
    char folder[4096];                /* DIR/figures */
    const char *formats[FORMATS + 1]; /* NULL-terminated */
    struct qb_text format_list;       /* "png svg pdf", for the scripts */
    struct drawing drawing[AT_ONCE];  /* oldest first */
    size_t drawing_count;
    struct qb_figure_list *list; /* the caller's, or one of our own */
    struct qb_text *report;
};

static enum qb_status save(const struct writer *w, const char *name, const char *suffix, const struct qb_text *text,
                           struct qb_error *err)
{
    char file[128];
    snprintf(file, sizeof file, "%s.%s", name, suffix);
    return qb_report_save(w->folder, file, text, err);
}

static enum qb_status add_template(const char *name, struct qb_text *out, struct qb_error *err)
{
    char file[128];
    snprintf(file, sizeof file, "figures/%s.gp", name);
    return qb_report_template(file, out, err);
}

static enum qb_status write_style(const struct writer *w, struct qb_error *err)
{
    struct qb_text style = {0};
    if (!add_template("style", &style, err))
        save(w, "style", "gp", &style, err);
    qb_text_free(&style);
    return err->status;
}

/* The script: the run's variables, then the template as it is. */
static enum qb_status write_script(const struct writer *w, const struct qb_figure_kind *kind,
                                   const struct qb_figure *figure, struct qb_error *err)
{
    struct qb_text script = {0};
    qb_text_add(&script, "# Draw again with: gnuplot %s.gp (in this folder). Looks: style.gp. Numbers: %s.dat.\n",
                kind->name, kind->name);
    qb_text_add(&script, "formats = '%s'\nname = '%s'\ndata = '%s.dat'\nwidth = %g\n", w->format_list.data, kind->name,
                kind->name, figure->width > 0 ? figure->width : QB_FIGURE_WIDE);
    qb_text_bytes(&script, figure->variables.data ? figure->variables.data : "", figure->variables.size);
    const char *from = figure->script ? figure->script : kind->name;
    qb_text_add(&script, "# ---- what follows is reports/figures/%s.gp ----\n", from);
    if (!add_template(from, &script, err))
        save(w, kind->name, "gp", &script, err);
    qb_text_free(&script);
    return err->status;
}

static void figure_free(struct qb_figure *figure)
{
    qb_text_free(&figure->data);
    qb_text_free(&figure->variables);
    qb_text_free(&figure->caption);
    qb_text_free(&figure->shortened);
    qb_text_free(&figure->coinciding);
}

/* What every caption ends in: curves that hide one another, names that were shortened. */
static void end_caption(struct qb_figure *figure)
{
    if (figure->coinciding.size)
        qb_text_add(&figure->caption, " Equal at every point: %s.", figure->coinciding.data);
    if (figure->shortened.size)
        qb_text_add(&figure->caption, " Shortened names:%.*s.", (int)figure->shortened.size - 1,
                    figure->shortened.data);
    if (!figure->caption.size)
        qb_text_add(&figure->caption, " "); /* data is never NULL */
}

static enum qb_status list_drawn(struct writer *w, struct drawing *d, struct qb_error *err)
{
    struct qb_figure_list *list = w->list;
    struct qb_drawn_figure *more = qb_grow(list->items, list->count + 1, sizeof *more, "list of figures", err);
    if (!more)
        return err->status;
    list->items = more;
    more += list->count++;
    snprintf(more->name, sizeof more->name, "%s", d->kind->name);
    snprintf(more->title, sizeof more->title, "%s", d->kind->title);
    more->width = d->width;
    more->caption = d->caption;
    d->caption = NULL;
    qb_text_add(w->report, "%-12s %s/%s.{%s}\n", d->kind->name, w->folder, d->kind->name,
                w->options->formats ? w->options->formats : "png,svg,pdf");
    return QB_OK;
}

static enum qb_status list_left_out(struct writer *w, const char *name, const char *why, struct qb_error *err)
{
    struct qb_figure_list *list = w->list;
    struct qb_figure_left_out *more =
        qb_grow(list->left_out, list->left_out_count + 1, sizeof *more, "list of figures", err);
    if (!more)
        return err->status;
    list->left_out = more;
    more += list->left_out_count++;
    snprintf(more->name, sizeof more->name, "%s", name);
    snprintf(more->why, sizeof more->why, "%s", why);
    qb_text_add(w->report, "%-12s left out: %s\n", name, why);
    return QB_OK;
}

void qb_figure_list_free(struct qb_figure_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        qb_free(list->items[i].caption);
    qb_free(list->items);
    qb_free(list->left_out);
    *list = (struct qb_figure_list){0};
}

/* Waits for the oldest drawing; it is listed when it succeeded and nothing failed before. */
static void finish_oldest(struct writer *w, struct qb_error *err)
{
    struct drawing d = w->drawing[0];
    struct qb_error later = {0}, *e = err->status ? &later : err; /* the first failure is the one to tell */
    char script[64];
    w->drawing_count--;
    memmove(w->drawing, w->drawing + 1, w->drawing_count * sizeof d);
    snprintf(script, sizeof script, "%s.gp", d.kind->name);
    qb_gnuplot_finish(&d.run, w->folder, script, e);
    for (size_t i = 0; !e->status && w->formats[i]; i++)
        if (!qb_picture_whole(w->folder, d.kind->name, w->formats[i], e) && strcmp(w->formats[i], "tex") == 0)
            qb_figure_tex(w->folder, d.kind->name, e);
    if (!err->status)
        list_drawn(w, &d, e);
    qb_free(d.caption);
}

/* gnuplot would write through links. */
static enum qb_status clear_pictures(const struct writer *w, const char *name, struct qb_error *err)
{
    char file[128];
    for (size_t i = 0; w->formats[i] && !err->status; i++) {
        const bool tex = strcmp(w->formats[i], "tex") == 0; /* NAME.tex is made of these two (figure_tex.c) */
        snprintf(file, sizeof file, "%s%s.%s", name, tex ? "-tex" : "", w->formats[i]);
        qb_report_clear(w->folder, file, err);
        snprintf(file, sizeof file, "%s-tex.pdf", name);
        if (tex && !err->status)
            qb_report_clear(w->folder, file, err);
    }
    return err->status;
}

/* Writes what gnuplot reads and starts it. */
static enum qb_status draw(struct writer *w, const struct qb_figure_kind *kind, struct qb_figure *figure,
                           struct qb_error *err)
{
    struct qb_text wrapped = {0};
    char script[64];
    end_caption(figure);
    qb_paragraph(&wrapped, "", figure->caption.data ? figure->caption.data : "", 100);
    if (!save(w, kind->name, "dat", &figure->data, err) && !save(w, kind->name, "txt", &wrapped, err) &&
        !write_script(w, kind, figure, err))
        clear_pictures(w, kind->name, err);
    qb_text_free(&wrapped);
    if (!err->status && w->drawing_count == AT_ONCE)
        finish_oldest(w, err);
    if (err->status)
        return err->status;
    struct drawing *d = &w->drawing[w->drawing_count];
    *d = (struct drawing){.kind = kind, .width = figure->width > 0 ? figure->width : QB_FIGURE_WIDE};
    d->caption = qb_strdup(figure->caption.data, err);
    snprintf(script, sizeof script, "%s.gp", kind->name);
    if (!d->caption || qb_gnuplot_start(&d->run, w->folder, script, err)) {
        qb_free(d->caption);
        return err->status;
    }
    w->drawing_count++;
    return QB_OK;
}

static enum qb_status write_figure(struct writer *w, const struct qb_result *result, const struct qb_figure_kind *kind,
                                   struct qb_error *err)
{
    struct qb_figure figure = {.ledger = w->options->ledger};
    if (kind->fill(result, &figure, err))
        qb_wrap(err, "figure '%s'", kind->name);
    else if (figure.missing[0] && w->options->only)
        qb_fail(err, QB_ERR_INPUT, "figure '%s': %s", kind->name, figure.missing);
    else if (figure.missing[0])
        list_left_out(w, kind->name, figure.missing, err);
    else
        draw(w, kind, &figure, err);
    figure_free(&figure);
    return err->status;
}

static enum qb_status parse_formats(struct writer *w, struct qb_error *err)
{
    const char *p = w->options->formats ? w->options->formats : "png,svg,pdf";
    size_t count = 0;
    while (*p) {
        size_t n = strcspn(p, ","), k = 0;
        while (k < FORMATS && (strlen(known_formats[k]) != n || strncmp(p, known_formats[k], n) != 0))
            k++;
        for (size_t i = 0; k < FORMATS && i < count; i++)
            if (w->formats[i] == known_formats[k])
                k = FORMATS; /* named twice */
        if (k == FORMATS)
            return qb_fail(err, QB_ERR_INPUT, "--figures: '%.*s': expected a list of png, svg, pdf, tex, each once",
                           (int)n, p);
        qb_text_add(&w->format_list, "%s%s", count ? " " : "", known_formats[k]);
        w->formats[count++] = known_formats[k];
        p += n;
        p += *p == ',';
    }
    return count ? QB_OK : qb_fail(err, QB_ERR_INPUT, "--figures: expected a list of png, svg, pdf, tex");
}

static enum qb_status check_only(const char *only, struct qb_error *err)
{
    const char *const *names = qb_figure_names();
    struct qb_choice figures = {0};
    struct qb_text said = {0};
    bool known = !only;
    for (size_t i = 0; names[i]; i++) {
        known = known || strcmp(names[i], only) == 0;
        qb_choice_add(&figures, names[i]);
    }
    if (!known) {
        qb_choice_miss(&figures, "figure", only, &said);
        qb_fail(err, QB_ERR_INPUT, "--only: %s", said.data ? said.data : "there is no such figure");
    }
    qb_text_free(&said);
    qb_choice_free(&figures);
    return err->status;
}

/* The picture that a page shows: the first format that browsers draw. */
static const char *picture(const struct writer *w)
{
    for (size_t i = 0; w->formats[i]; i++)
        if (strcmp(w->formats[i], "png") == 0 || strcmp(w->formats[i], "svg") == 0)
            return w->formats[i];
    return w->formats[0];
}

static void add_to_page(const struct writer *w, const struct qb_drawn_figure *f, struct qb_text *page)
{
    qb_text_add(page, "## %s\n\n![%s](figures/%s.%s)\n\n", f->title, f->title, f->name, picture(w));
    qb_escape_markdown(page, f->caption);
    qb_text_add(page, "\n\n");
    for (size_t i = 0; w->formats[i]; i++)
        qb_text_add(page, "%s[%s](figures/%s.%s)", i ? ", " : "Files: ", w->formats[i], f->name, w->formats[i]);
    qb_text_add(page, ", [data](figures/%s.dat), [script](figures/%s.gp)\n\n", f->name, f->name);
}

static enum qb_status write_index(struct writer *w, const struct qb_result *result, struct qb_error *err)
{
    const char *suite = qb_provenance_get(qb_result_provenance(result), "suite_name");
    struct qb_text page = {0};
    qb_text_add(&page, "# Figures of %s", suite ? "suite " : "");
    qb_escape_markdown(&page, suite ? suite : "a run");
    qb_text_add(&page, "\n\nFrom ");
    qb_escape_markdown(&page, qb_result_path(result));
    qb_text_add(&page,
                ". Each figure's data and script lie beside it; edit `figures/style.gp` and run `gnuplot NAME.gp` "
                "there to restyle.\n\n");
    for (size_t i = 0; i < w->list->count; i++)
        add_to_page(w, &w->list->items[i], &page);
    for (size_t i = 0; i < w->list->left_out_count; i++) {
        qb_text_add(&page, "- `%s` left out: ", w->list->left_out[i].name);
        qb_escape_markdown(&page, w->list->left_out[i].why);
        qb_text_add(&page, "\n");
    }
    qb_report_save(w->options->folder, "README.md", &page, err);
    qb_text_free(&page);
    return err->status;
}

enum qb_status qb_figures_write(const struct qb_result *result, const struct qb_figure_options *options,
                                struct qb_figure_list *list, struct qb_text *report, struct qb_error *err)
{
    struct qb_figure_list own = {0};
    struct writer w = {.options = options, .report = report, .list = list ? list : &own};
    if (!check_only(options->only, err) && !parse_formats(&w, err) &&
        snprintf(w.folder, sizeof w.folder, "%s/figures", options->folder) >= (int)sizeof w.folder)
        qb_fail(err, QB_ERR_INPUT, "the folder's path is too long: %.*s...", QB_UPTO(60, options->folder));
    if (!err->status && !qb_file_mkdirs(w.folder, err))
        write_style(&w, err);
    for (size_t i = 0; i < KINDS && !err->status; i++)
        if (!options->only || strcmp(options->only, kinds[i]->name) == 0)
            write_figure(&w, result, kinds[i], err);
    while (w.drawing_count)
        finish_oldest(&w, err);
    if (!err->status && !options->only)
        write_index(&w, result, err);
    qb_text_free(&w.format_list);
    qb_figure_list_free(&own);
    return err->status;
}
