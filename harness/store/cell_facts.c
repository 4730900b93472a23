/* What a cell says of the run that measured it. */
#include <stdio.h>
#include "base/mem.h"
#include "store/hdf5_parts.h"

const char *const qb_cell_fact_names[] = {"program_version", "cpu",     "cores", "threads", "isa",
                                          "blas_core",       "started", NULL};

enum { ATTRIBUTE_MAX = 64 };

static void attribute_name(const char *fact, char out[ATTRIBUTE_MAX])
{
    snprintf(out, ATTRIBUTE_MAX, "ran.%s", fact);
}

enum qb_status qb_cell_facts_take(struct qb_provenance *to, const struct qb_provenance *from, struct qb_error *err)
{
    for (size_t i = 0; qb_cell_fact_names[i]; i++) {
        const char *value = qb_provenance_get(from, qb_cell_fact_names[i]);
        if (value && qb_provenance_add(to, qb_cell_fact_names[i], value, err))
            return err->status;
    }
    return QB_OK;
}

enum qb_status qb_cell_facts_write(hid_t group, const struct qb_provenance *facts, const char *path,
                                   struct qb_error *err)
{
    for (size_t i = 0; qb_cell_fact_names[i]; i++) {
        char name[ATTRIBUTE_MAX];
        const char *value = qb_provenance_get(facts, qb_cell_fact_names[i]);
        attribute_name(qb_cell_fact_names[i], name);
        if (value && qb_attribute_put_text(group, name, value, path, err))
            return err->status;
    }
    return QB_OK;
}

enum qb_status qb_cell_facts_read(hid_t group, const char *path, struct qb_provenance *facts, struct qb_error *err)
{
    for (size_t i = 0; qb_cell_fact_names[i] && !err->status; i++) {
        char name[ATTRIBUTE_MAX], *value = NULL;
        attribute_name(qb_cell_fact_names[i], name);
        if (H5Aexists(group, name) > 0 && !qb_attribute_text(group, name, path, QB_CLEAN_LINE, &value, err))
            qb_provenance_add(facts, qb_cell_fact_names[i], value, err);
        qb_free(value);
    }
    return err->status;
}
