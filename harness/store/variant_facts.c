/* The facts of a cell that follow from its variant's definition and its model: floor, what is encoded. */
#include <stdio.h>
#include "base/mem.h"
#include "store/hdf5_parts.h"

static const struct {
    const char *name;
    size_t at; /* in struct qb_reach */
} counts[] = {{"encoded_tensors", offsetof(struct qb_reach, tensors)},
              {"encoded_weights", offsetof(struct qb_reach, weights)},
              {"encoded_bytes", offsetof(struct qb_reach, bytes)}};
enum { COUNTS = sizeof counts / sizeof *counts };

enum qb_status qb_variant_facts_write(hid_t group, const struct qb_cell *cell, const char *path, struct qb_error *err)
{
    const struct qb_reach *reach = &cell->reach;
    if (qb_attribute_put_text(group, "floor", qb_floor_name(cell->floor), path, err) || !reach->known)
        return err->status;
    for (size_t i = 0; i < COUNTS; i++)
        if (qb_attribute_put(group, counts[i].name, H5T_NATIVE_UINT64, (const char *)reach + counts[i].at, path, err) !=
            QB_OK)
            return err->status;
    return qb_attribute_put_text(group, "unbound", reach->unbound, path, err);
}

static enum qb_status read_floor(hid_t group, const char *path, struct qb_cell *cell, struct qb_error *err)
{
    char *floor = NULL;
    if (!qb_attribute_text(group, "floor", path, QB_CLEAN_LINE, &floor, err) && !qb_floor_parse(floor, &cell->floor))
        qb_fail(err, QB_ERR_INPUT, "%s: a cell's floor is '%.*s', expected identity, arithmetic, fp16, bf16 or ''",
                path, QB_UPTO(20, floor));
    qb_free(floor);
    return err->status;
}

static enum qb_floor older_floor(const struct qb_provenance *facts, const char *variant)
{
    char name[QB_STORE_NAME_MAX + 16];
    snprintf(name, sizeof name, "variant.%s", variant);
    const char *definition = qb_provenance_get(facts, name);
    return definition ? qb_floor_of_definition(definition) : QB_FLOOR_NONE;
}

enum qb_status qb_variant_facts_read(hid_t group, const struct qb_provenance *facts, const char *path,
                                     struct qb_cell *cell, struct qb_error *err)
{
    struct qb_reach *reach = &cell->reach;
    if (H5Aexists(group, "floor") <= 0)
        cell->floor = older_floor(facts, cell->variant);
    else if (read_floor(group, path, cell, err))
        return err->status;
    if (H5Aexists(group, counts[0].name) <= 0)
        return QB_OK;
    reach->known = true;
    for (size_t i = 0; i < COUNTS; i++)
        if (qb_attribute_number(group, counts[i].name, H5T_NATIVE_UINT64, path, (char *)reach + counts[i].at, err) !=
            QB_OK)
            return err->status;
    return qb_attribute_text(group, "unbound", path, QB_CLEAN_LINE, &reach->unbound, err);
}
