/* tensors: heat map of the KL that each tensor costs when it alone is encoded, tensors by formats, a panel a model. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "codec/role.h"
#include "figure.h"

enum { MODELS = 4, COLUMNS = 6, TENSORS = 1024, ROWS = 24, NAME_CHARS = 20 };

/* A tensor over the formats; NaN: not encoded by that one. */
struct row {
    char name[QB_FIGURE_NAME];
    int layer;
    bool head;    /* alone: a tied embedding comes first */
    size_t order; /* as first met */
    double kl[COLUMNS], largest;
};

struct map {
    struct row *rows; /* [TENSORS] */
    size_t count;
    uint64_t positions;
};

static struct row *row_of(struct map *map, const char *name, int layer, bool head)
{
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->rows[i].name, name) == 0)
            return &map->rows[i];
    if (map->count == TENSORS)
        return NULL;
    struct row *row = &map->rows[map->count];
    *row = (struct row){.layer = layer, .head = head, .order = map->count++};
    qb_utf8_print(row->name, sizeof row->name, "%s", name);
    for (size_t c = 0; c < COLUMNS; c++)
        row->kl[c] = NAN;
    return row;
}

/* A cell's column; false when it has no swaps. */
static bool add_column(const struct qb_record *record, size_t column, struct map *map)
{
    const struct qb_array *name = qb_record_get(record, "swap_tensor", QB_TEXT, 1);
    const struct qb_array *layer = qb_record_get(record, "swap_layer", QB_I32, 1);
    const struct qb_array *roles = qb_record_get(record, "swap_role_bits", QB_I32, 1); /* older programs lack it */
    const struct qb_array *kl = qb_record_get(record, "swap_kl", QB_F64, 2);
    if (!name || !layer || !kl || name->count == 0 || layer->count != name->count || kl->dims[0] != name->count ||
        kl->dims[1] == 0)
        return false;
    map->positions = kl->dims[1];
    for (size_t t = 0; t < name->count; t++) {
        const char *text = ((char *const *)name->data)[t];
        const bool head = roles && t < roles->count && ((const int32_t *)roles->data)[t] == QB_ROLE_HEAD;
        struct row *row = row_of(map, text ? text : "", ((const int32_t *)layer->data)[t], head);
        double sum = 0;
        for (size_t i = 0; i < kl->dims[1]; i++)
            sum += ((const double *)kl->data)[t * kl->dims[1] + i];
        if (!row)
            continue;
        row->kl[column] = sum / (double)kl->dims[1];
        row->largest = fmax(row->largest, row->kl[column]);
    }
    return true;
}

static int by_cost(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    return x->largest != y->largest ? (x->largest < y->largest) - (x->largest > y->largest)
                                    : (x->order > y->order) - (x->order < y->order);
}

/* Embedding, layers, head: what belongs to no layer has a negative one. */
static int place_of(const struct row *row)
{
    return row->layer >= 0 ? row->layer : row->head ? INT_MAX : -1;
}

static int by_layer(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int p = place_of(x), q = place_of(y);
    return p != q ? (p > q) - (p < q) : (x->order > y->order) - (x->order < y->order);
}

/* Every weight's name ends so. */
static void without_ending(char *name)
{
    char *dot = strrchr(name, '.');
    if (dot && strcmp(dot, ".weight") == 0)
        *dot = '\0';
}

/* The block of a panel and its row labels "tensor_<m>". Rows over the limit: the cheapest ones are left out. */
static void add_rows(struct qb_figure *figure, size_t m, struct map *map, size_t columns, double floor, double range[2],
                     struct qb_text *note)
{
    char array[32], name[QB_FIGURE_NAME];
    if (map->count > ROWS) {
        qsort(map->rows, map->count, sizeof *map->rows, by_cost);
        qb_text_add(note, "%s%zu of its %zu tensors", note->size ? "; " : "", (size_t)ROWS, map->count);
        map->count = ROWS;
    }
    qsort(map->rows, map->count, sizeof *map->rows, by_layer);
    snprintf(array, sizeof array, "tensors_%zu", m + 1);
    qb_figure_array(figure, array, map->count);
    qb_text_add(&figure->data, "# column, row, log10 of the mean KL in nat (under the arithmetic floor: nan), 1: under "
                               "it\n");
    for (size_t r = 0; r < map->count; r++) {
        without_ending(map->rows[r].name);
        qb_figure_short(figure, map->rows[r].name, NAME_CHARS, name);
        qb_figure_set(figure, array, r + 1, name);
        for (size_t c = 0; c < columns; c++) {
            double kl = map->rows[r].kl[c], log = log10(kl);
            bool under = !(kl > floor) || !(kl > 0);
            if (isnan(kl))
                continue;
            qb_text_add(&figure->data, "%zu %zu %.3f %d\n", c + 1, r + 1, under ? NAN : log, under);
            range[0] = under ? range[0] : fmin(range[0], log);
            range[1] = under ? range[1] : fmax(range[1], log);
        }
    }
}

/* True when the model has a map; then *map holds it. */
static bool collect(const struct qb_result *result, const struct qb_selection *s, const char *model, struct map *map,
                    struct qb_error *err)
{
    bool any = false;
    map->count = 0;
    for (size_t v = 0; v < s->variant_count; v++) {
        struct qb_record record;
        if (qb_figure_record(result, model, s->variants[v], "attribute", &record, err) && add_column(&record, v, map))
            any = true;
        qb_record_free(&record);
    }
    return any;
}

/* Formats whose tensors were not swapped one at a time (the factorial alone) get no column. */
static void drop_empty_columns(const struct qb_result *result, struct qb_selection *s, struct map *map,
                               struct qb_error *err)
{
    for (size_t v = s->variant_count; v-- > 0;) {
        bool any = false;
        for (size_t m = 0; m < s->model_count && !any; m++) {
            struct qb_record record;
            map->count = 0;
            any = qb_figure_record(result, s->models[m], s->variants[v], "attribute", &record, err) &&
                  add_column(&record, v, map);
            qb_record_free(&record);
        }
        if (any)
            continue;
        memmove(&s->variants[v], &s->variants[v + 1], (s->variant_count - v - 1) * sizeof s->variants[0]);
        s->variant_count--;
    }
}

static void fill_panels(const struct qb_result *result, struct qb_selection *s, struct qb_figure *figure,
                        struct qb_text *note, struct map *map, struct qb_error *err)
{
    bool no_floor = false;
    qb_figure_axes(figure, s);
    qb_figure_array(figure, "ntensors", s->model_count);
    qb_figure_array(figure, "least", s->model_count);
    qb_figure_array(figure, "largest", s->model_count);
    for (size_t m = 0; m < s->model_count; m++) {
        double floors[QB_FIGURE_FLOORS], range[2] = {INFINITY, -INFINITY};
        qb_figure_block(figure, s->models[m]);
        collect(result, s, s->models[m], map, err);
        qb_figure_floors(result, s->models[m], "teacher-forced", "kl_mean", floors);
        no_floor = no_floor || isnan(floors[0]);
        size_t before = note->size;
        add_rows(figure, m, map, s->variant_count, isnan(floors[0]) ? 0 : floors[0], range, note);
        if (note->size > before)
            qb_text_add(note, " on %s", s->models[m]);
        qb_figure_set_number(figure, "ntensors", m + 1, (double)map->count);
        if (!(range[0] < range[1])) /* one shade, or nothing over the floor */
            range[1] = (range[0] = isfinite(range[0]) ? range[0] : -1) + 1;
        qb_figure_set_number(figure, "least", m + 1, range[0]);
        qb_figure_set_number(figure, "largest", m + 1, range[1]);
    }
    if (no_floor)
        qb_text_add(note, "%sno arithmetic floor was measured on some model: there only an exact 0 is marked",
                    note->size ? "; " : "");
}

static enum qb_status fill(const struct qb_result *result, struct qb_figure *figure, struct qb_error *err)
{
    static const char *const wanted[] = {"int8-tensor", "int8-channel", "pattern-a", "calibrated-stored",
                                         "calibrated",  "legacy",       NULL};
    struct qb_selection s;
    struct qb_text note = {0};
    struct map map = {.rows = qb_alloc(TENSORS, sizeof(struct row), "heat map", err)};
    if (!map.rows)
        return err->status;
    qb_select(result, "attribute", wanted, COLUMNS, &s);
    drop_empty_columns(result, &s, &map, err);
    for (size_t m = s.model_count; m-- > 0;)
        if (!collect(result, &s, s.models[m], &map, err))
            qb_selection_drop(&s, m, "no tensors swapped");
    while (s.model_count > MODELS)
        qb_selection_drop(&s, s.model_count - 1, "no room");
    if (!s.model_count)
        snprintf(figure->missing, sizeof figure->missing, "no attribute cell with single tensors swapped was run");
    fill_panels(result, &s, figure, &note, &map, err);
    qb_text_add(
        &figure->caption,
        "Which tensors cost the KL: log10 of the mean KL(FP32 || variant) in nat when one tensor alone is stored in "
        "the format and decoded, all else FP32; rows by layer, columns by format (numbers below the panels), darker: "
        "costs more, each panel from its least to its largest. n.r., hatched: not resolved, no more than what FP32 "
        "arithmetic in another order costs on that "
        "model. An empty place: that format does not encode the tensor. n: %llu positions; means without interval.",
        (unsigned long long)map.positions);
    if (note.size)
        qb_text_add(&figure->caption, " Drawn: %s.", note.data);
    qb_selection_end(&s, figure);
    qb_text_free(&note);
    qb_free(map.rows);
    return err->status;
}

const struct qb_figure_kind qb_figure_tensors = {"tensors", "Which tensors cost the KL", fill};
