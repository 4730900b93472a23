/* The facts of a cell that follow from its variant's definition and its model: floor, what is encoded. */
#include <inttypes.h>
#include <stdio.h>
#include "base/mem.h"
#include "base/text.h"
#include "store/hdf5_parts.h"

/* Counts of a cell as attributes. */
struct count {
    const char *name;
    size_t at; /* in struct qb_reach */
};
static const struct count counts[] = {{"encoded_tensors", offsetof(struct qb_reach, tensors)},
                                      {"encoded_weights", offsetof(struct qb_reach, weights)},
                                      {"encoded_bytes", offsetof(struct qb_reach, bytes)},
                                      {NULL, 0}};
/* Written only where something is stored otherwise. */
static const struct count otherwise_counts[] = {{"codec_tensors", offsetof(struct qb_reach, codec_tensors)},
                                                {"codec_weights", offsetof(struct qb_reach, codec_weights)},
                                                {"otherwise_tensors", offsetof(struct qb_reach, otherwise_tensors)},
                                                {"otherwise_weights", offsetof(struct qb_reach, otherwise_weights)},
                                                {NULL, 0}};

static enum qb_status write_counts(hid_t group, const struct count *list, const struct qb_reach *reach,
                                   const char *path, struct qb_error *err)
{
    for (; list->name; list++)
        if (qb_attribute_put(group, list->name, H5T_NATIVE_UINT64, (const char *)reach + list->at, path, err))
            return err->status;
    return QB_OK;
}

static enum qb_status read_counts(hid_t group, const struct count *list, const char *path, struct qb_reach *reach,
                                  struct qb_error *err)
{
    for (; list->name; list++)
        if (qb_attribute_number(group, list->name, H5T_NATIVE_UINT64, path, (char *)reach + list->at, err))
            return err->status;
    return QB_OK;
}

void qb_reach_free(struct qb_reach *reach)
{
    qb_free(reach->unbound);
    qb_free(reach->codec);
    qb_free(reach->otherwise);
    *reach = (struct qb_reach){0};
}

void qb_reach_print_otherwise(const struct qb_reach *reach, struct qb_text *out)
{
    if (reach->otherwise)
        qb_text_add(out, "%s: %" PRIu64 " weights in %" PRIu64 " %s; otherwise %s: %" PRIu64 " in %" PRIu64,
                    reach->codec, reach->codec_weights, reach->codec_tensors,
                    reach->codec_tensors == 1 ? "matrix" : "matrices", reach->otherwise, reach->otherwise_weights,
                    reach->otherwise_tensors);
}

enum qb_status qb_variant_facts_write(hid_t group, const struct qb_cell *cell, const char *path, struct qb_error *err)
{
    const struct qb_reach *reach = &cell->reach;
    if (qb_attribute_put_text(group, "floor", qb_floor_name(cell->floor), path, err) || !reach->known)
        return err->status;
    if (write_counts(group, counts, reach, path, err) ||
        qb_attribute_put_text(group, "unbound", reach->unbound, path, err) || !reach->otherwise)
        return err->status;
    (void)(write_counts(group, otherwise_counts, reach, path, err) ||
           qb_attribute_put_text(group, "codec", reach->codec, path, err) ||
           qb_attribute_put_text(group, "otherwise", reach->otherwise, path, err));
    return err->status;
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
    if (read_counts(group, counts, path, reach, err) ||
        qb_attribute_text(group, "unbound", path, QB_CLEAN_LINE, &reach->unbound, err) ||
        H5Aexists(group, "otherwise") <= 0)
        return err->status;
    (void)(read_counts(group, otherwise_counts, path, reach, err) ||
           qb_attribute_text(group, "codec", path, QB_CLEAN_LINE, &reach->codec, err) ||
           qb_attribute_text(group, "otherwise", path, QB_CLEAN_LINE, &reach->otherwise, err));
    return err->status;
}
