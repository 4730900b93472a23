/* Result files with chosen content, for tests of what is downstream of them. Zero-initialise a struct planted, add
 * cells with values or with arrays, write it; planted_free at the end. */
#ifndef QB_TEST_PLANTED_RESULT_H
#define QB_TEST_PLANTED_RESULT_H

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <criterion/criterion.h>
#include "base/mem.h"
#include "store/store.h"

enum { PLANTED_CELLS = 256, PLANTED_VALUES = 32 };

struct planted {
    struct qb_cell cells[PLANTED_CELLS];
    size_t count;
    struct qb_provenance provenance;
};

/* What the shipped variants of these names are by definition, as a run records it. */
static inline enum qb_floor planted_floor(const char *variant)
{
    static const char *const shipped[QB_FLOORS] = {"", "fp32", "fp32-reordered", "fp16", "bf16"};
    for (int i = 1; i < QB_FLOORS; i++)
        if (strcmp(shipped[i], variant) == 0)
            return (enum qb_floor)i;
    return QB_FLOOR_NONE;
}

/* The cell, made when it is not there. */
static inline struct qb_cell *planted_cell(struct planted *p, const char *model, const char *variant,
                                           const char *experiment)
{
    struct qb_error err = {0};
    for (size_t i = 0; i < p->count; i++)
        if (!strcmp(p->cells[i].model, model) && !strcmp(p->cells[i].variant, variant) &&
            !strcmp(p->cells[i].experiment, experiment))
            return &p->cells[i];
    cr_assert_lt(p->count, PLANTED_CELLS);
    struct qb_cell *cell = &p->cells[p->count++];
    cell->model = qb_strdup(model, &err);
    cell->variant = qb_strdup(variant, &err);
    cell->floor = planted_floor(variant);
    cell->experiment = qb_strdup(experiment, &err);
    cell->message = qb_strdup("", &err);
    cell->warnings = qb_strdup("", &err);
    cell->values = qb_alloc(PLANTED_VALUES, sizeof *cell->values, "values", &err);
    cr_assert_not_null(cell->values);
    return cell;
}

/* "model/variant/experiment/metric" = value; set again to change it. */
static inline struct qb_value *planted_value(struct planted *p, const char *path, double value, uint64_t n)
{
    char parts[256], *at = parts, *name[4];
    snprintf(parts, sizeof parts, "%s", path);
    for (int i = 0; i < 4; i++)
        cr_assert_not_null(name[i] = strsep(&at, "/"), "%s", path);
    struct qb_cell *cell = planted_cell(p, name[0], name[1], name[2]);
    struct qb_value *v = NULL;
    for (size_t i = 0; i < cell->value_count; i++)
        if (!strcmp(cell->values[i].metric, name[3]))
            v = &cell->values[i];
    if (!v) {
        cr_assert_lt(cell->value_count, PLANTED_VALUES);
        v = &cell->values[cell->value_count++];
    }
    memset(v, 0, sizeof *v);
    snprintf(v->metric, sizeof v->metric, "%s", name[3]);
    snprintf(v->unit, sizeof v->unit, "1");
    v->value = value;
    v->lo = v->hi = NAN;
    v->flags = QB_FLAG_NO_INTERVAL;
    v->n = n;
    return v;
}

/* Fills the cell's values from its arrays, as a run does. */
static inline void planted_measure(struct qb_cell *cell)
{
    struct qb_error err = {0};
    qb_free(cell->values);
    cr_assert_eq(qb_metrics_compute(cell->experiment, &cell->record, &cell->values, &cell->value_count, &err), QB_OK,
                 "%s", err.message);
}

static inline void planted_fact(struct planted *p, const char *name, const char *value)
{
    struct qb_error err = {0};
    cr_assert_eq(qb_provenance_add(&p->provenance, name, value, &err), QB_OK, "%s", err.message);
}

static inline void planted_write(const struct planted *p, const char *path)
{
    struct qb_error err = {0};
    static struct qb_cell_source sources[PLANTED_CELLS];
    memset(sources, 0, sizeof sources);
    for (size_t i = 0; i < p->count; i++)
        sources[i].cell = &p->cells[i];
    cr_assert_eq(qb_result_assemble(path, &p->provenance, sources, p->count, &err), QB_OK, "%s", err.message);
}

static inline void planted_free(struct planted *p)
{
    for (size_t i = 0; i < p->count; i++)
        qb_cell_free(&p->cells[i]);
    qb_provenance_free(&p->provenance);
    memset(p, 0, sizeof *p);
}

#endif
