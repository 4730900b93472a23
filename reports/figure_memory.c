/* memory: stored bytes by role, stacked, with the source's formula marked, a panel a model. */
#include "figure.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "codec/role.h"

enum { MODELS = 4 };
enum group { ATTENTION, MLP, EMBEDDING, HEAD, REST, CACHE, GROUPS };
#define MIB 1048576.0

static enum group group_of(int32_t roles)
{
    const int32_t attention = QB_ROLE_ATTN_Q | QB_ROLE_ATTN_K | QB_ROLE_ATTN_V | QB_ROLE_ATTN_O;
    const int32_t mlp = QB_ROLE_MLP_GATE | QB_ROLE_MLP_UP | QB_ROLE_MLP_DOWN;
    if (roles & (QB_ROLE_BIAS | QB_ROLE_NORM | QB_ROLE_POSITION))
        return REST;
    if (roles & attention)
        return ATTENTION;
    if (roles & mlp)
        return MLP;
    if (roles & QB_ROLE_EMBED)
        return EMBEDDING;
    return roles & QB_ROLE_HEAD ? HEAD : REST;
}

/* A row of the model's block: a bar at place `at`; held[g]: some bar has bytes of group g. */
static bool add_bar(const struct qb_record *record, size_t at, struct qb_figure *figure, bool held[GROUPS])
{
    const struct qb_array *role = qb_record_get(record, "role_bits", QB_I32, 1);
    const struct qb_array *bytes = qb_record_get(record, "bytes", QB_I64, 1);
    const struct qb_array *cache = qb_record_get(record, "cache_bytes", QB_I64, 1);
    double sums[GROUPS] = {0};
    if (!role || !bytes || !cache || bytes->count != role->count || cache->count != role->count)
        return false;
    for (size_t i = 0; i < role->count; i++) {
        sums[group_of(((const int32_t *)role->data)[i])] += (double)((const int64_t *)bytes->data)[i] / MIB;
        sums[CACHE] += (double)((const int64_t *)cache->data)[i] / MIB;
    }
    qb_text_add(&figure->data, "%zu", at);
    for (size_t g = 0; g < GROUPS; g++) {
        qb_text_add(&figure->data, " %.6g", sums[g]);
        held[g] = held[g] || sums[g] > 0;
    }
    const double published = qb_record_scalar(record, "published_bytes", 0);
    qb_text_add(&figure->data, " %.6g\n", published > 0 ? published / MIB : NAN); /* under 0 it is no size */
    return true;
}

/* The diamond's sentence, with the first model that has one beside its buffers. False: nothing is marked. */
static bool add_contrast(const struct qb_result *result, const struct qb_selection *s, struct qb_figure *figure)
{
    for (size_t m = 0; m < s->model_count; m++) {
        const struct qb_value *formula =
            qb_result_value(result, s->models[m], "pattern-a", "memory", "published_formula_bytes");
        const struct qb_value *bytes = qb_result_value(result, s->models[m], "pattern-a", "memory", "weight_bytes");
        if (formula && bytes && qb_value_there(formula->flags)) {
            qb_text_add(&figure->caption,
                        " The diamond marks what the source's formula enc*2 + (fp - enc)*4 gives for Pattern A: on %s "
                        "%.2f, where the buffers hold %.2f.",
                        s->models[m], formula->value / MIB, bytes->value / MIB);
            return true;
        }
    }
    return false;
}

static void add_panel(const struct qb_result *result, const struct qb_selection *s, size_t m, struct qb_figure *figure,
                      bool held[GROUPS], struct qb_error *err)
{
    size_t cells = 0, rows = 0;
    qb_figure_block(figure, s->models[m]);
    qb_text_add(&figure->data, "# row, MiB of: attention, mlp, embedding, head, biases norms and positions, decoded "
                               "copies; the source's formula\n");
    for (size_t v = 0; v < s->variant_count; v++) {
        struct qb_record record;
        if (qb_figure_record(result, s->models[m], s->variants[v], "memory", &record, err)) {
            rows += add_bar(&record, v + 1, figure, held);
            cells++;
        }
        qb_record_free(&record);
    }
    if (rows == 0)
        qb_text_add(&figure->data, "1 nan nan nan nan nan nan nan\n");
    if (rows < cells)
        snprintf(figure->missing, sizeof figure->missing, "memory cells of an older program do not tell roles apart");
}

static enum qb_status fill(const struct qb_result *result, struct qb_figure *figure, struct qb_error *err)
{
    static const char *const wanted[] = {
        "fp32", "fp16", "int8-channel", "pattern-a-packed", "pattern-a", "pattern-a-cached", NULL};
    struct qb_selection s;
    bool held[GROUPS] = {false};
    qb_select(result, "memory", wanted, 8, &s);
    if (!s.model_count || !s.variant_count)
        snprintf(figure->missing, sizeof figure->missing, "no memory cell was run");
    while (s.model_count > MODELS)
        qb_selection_drop(&s, s.model_count - 1, "no room");
    qb_figure_axes(figure, &s);
    for (size_t m = 0; m < s.model_count; m++)
        add_panel(result, &s, m, figure, held, err);
    qb_figure_array(figure, "groups_held", GROUPS);
    for (size_t g = 0; g < GROUPS; g++)
        qb_figure_set_number(figure, "groups_held", g + 1, held[g]);
    size_t marked = 0;
    for (size_t v = 0; v < s.variant_count; v++)
        if (strcmp(s.variants[v], "pattern-a") == 0)
            marked = v + 1;
    qb_text_add(
        &figure->caption,
        "Memory of the weights: stored bytes by role (MiB = 2^20 bytes), counted once from the buffers that "
        "exist; what a variant does not encode counts as FP32; decoded copies that a cache keeps are at the end.");
    qb_figure_number(figure, "pattern_row", add_contrast(result, &s, figure) ? (double)marked : 0);
    qb_text_add(&figure->caption, " n: exact counts, one run.");
    qb_selection_end(&s, figure);
    return err->status;
}

const struct qb_figure_kind qb_figure_memory = {"memory", "Memory of the weights", fill};
