/* Arrays of a record as datasets: little-endian numbers; lists of strings as fixed-length UTF-8 padded with NULs. */
#include <string.h>
#include "base/mem.h"
#include "store/hdf5_parts.h"

enum { PACKED_FROM = 1024, CHUNK_BYTES = 1 << 20 };

static hid_t stored_type(enum qb_dtype dtype)
{
    switch (dtype) {
    case QB_F32:
        return H5T_IEEE_F32LE;
    case QB_F64:
        return H5T_IEEE_F64LE;
    case QB_I32:
        return H5T_STD_I32LE;
    case QB_I64:
        return H5T_STD_I64LE;
    case QB_U8:
        return H5T_STD_U8LE;
    case QB_TEXT:
        break;
    }
    return -1;
}

/* Chunks of whole rows of the first dimension, about CHUNK_BYTES each; a single long row is cut too. */
static hid_t packed_layout(const struct qb_array *array, size_t entry)
{
    hsize_t chunk[QB_RANK_MAX];
    size_t row = entry;
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    bool fine = plist >= 0 && H5Pset_obj_track_times(plist, false) >= 0;
    if (array->rank == 0 || array->count * entry <= PACKED_FROM)
        return plist;
    for (int i = array->rank - 1; i >= 0; i--) {
        size_t fit = row >= CHUNK_BYTES ? 1 : CHUNK_BYTES / row;
        chunk[i] = array->dims[i] < fit ? array->dims[i] : fit;
        row *= array->dims[i];
    }
    fine = fine && H5Pset_chunk(plist, array->rank, chunk) >= 0 && H5Pset_shuffle(plist) >= 0 &&
           H5Pset_deflate(plist, 4) >= 0;
    if (fine)
        return plist;
    qb_hdf5_close(plist);
    return -1;
}

static size_t longest_text(const struct qb_array *array)
{
    size_t longest = 1;
    for (size_t i = 0; i < array->count; i++) {
        size_t size = strlen(((char *const *)array->data)[i]);
        longest = size > longest ? size : longest;
    }
    return longest;
}

/* A list of strings as count x size bytes, NUL-padded. */
static char *pack_texts(const struct qb_array *array, size_t size, struct qb_error *err)
{
    char *packed = qb_alloc(array->count, size, array->name, err);
    for (size_t i = 0; packed && i < array->count; i++) {
        const char *text = ((char *const *)array->data)[i];
        memcpy(packed + i * size, text, strlen(text));
    }
    return packed;
}

static enum qb_status write_array(hid_t group, const struct qb_array *array, const char *path, struct qb_error *err)
{
    bool text = array->dtype == QB_TEXT;
    size_t entry = text ? longest_text(array) : qb_dtype_size(array->dtype);
    hid_t type = text ? qb_hdf5_string_type(entry, false) : H5Tcopy(stored_type(array->dtype));
    hsize_t dims[QB_RANK_MAX];
    for (int i = 0; i < array->rank; i++)
        dims[i] = array->dims[i];
    hid_t space = array->rank > 0 ? H5Screate_simple(array->rank, dims, NULL) : H5Screate(H5S_SCALAR);
    hid_t native = text ? H5Tcopy(type) : H5Tget_native_type(type, H5T_DIR_ASCEND);
    hid_t layout = packed_layout(array, entry), dataset = -1;
    char *packed = text ? pack_texts(array, entry, err) : NULL;
    if (text && !packed)
        goto out;
    dataset = H5Dcreate2(group, array->name, type, space, H5P_DEFAULT, layout, H5P_DEFAULT);
    if (dataset < 0 || (array->count > 0 && H5Dwrite(dataset, native, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                                                     text ? (const void *)packed : array->data) < 0)) {
        qb_hdf5_fail(err, QB_ERR_INTERNAL, path, "array '%s' was not written", array->name);
        goto out;
    }
    if (!qb_attribute_put_text(dataset, "unit", array->unit, path, err))
        qb_attribute_put_text(dataset, "description", array->description, path, err);
out:
    qb_free(packed);
    qb_hdf5_close(dataset);
    qb_hdf5_close(native);
    qb_hdf5_close(layout);
    qb_hdf5_close(space);
    qb_hdf5_close(type);
    return err->status;
}

enum qb_status qb_record_write(hid_t group, const struct qb_record *record, const char *path, struct qb_error *err)
{
    for (size_t i = 0; i < record->count; i++)
        if (write_array(group, &record->arrays[i], path, err))
            return err->status;
    return QB_OK;
}

static bool known_type(hid_t type, enum qb_dtype *dtype)
{
    static const enum qb_dtype all[] = {QB_F32, QB_F64, QB_I32, QB_I64, QB_U8};
    if (H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0) {
        *dtype = QB_TEXT;
        return true;
    }
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (H5Tequal(type, stored_type(all[i])) > 0) {
            *dtype = all[i];
            return true;
        }
    return false;
}

static enum qb_status read_texts(hid_t dataset, size_t count, size_t size, const char *path, const char *name,
                                 struct qb_record *record, const char *description, struct qb_error *err)
{
    hid_t type = qb_hdf5_string_type(size + 1, true);
    char *packed = qb_alloc(count, size + 1, name, err);
    const char **list = qb_alloc(count, sizeof *list, name, err);
    if (packed && list && count > 0 && H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, packed) < 0)
        qb_hdf5_fail(err, QB_ERR_INPUT, path, "array '%s' cannot be read", name);
    for (size_t i = 0; packed && list && i < count; i++)
        list[i] = packed + i * (size + 1);
    if (!err->status)
        qb_record_text(record, name, list, count, description, err);
    qb_free(list);
    qb_free(packed);
    qb_hdf5_close(type);
    return err->status;
}

static enum qb_status read_array(hid_t group, const char *name, const char *path, size_t file_bytes,
                                 struct qb_record *record, struct qb_error *err)
{
    char *unit = NULL, *description = NULL;
    enum qb_dtype dtype = QB_U8;
    hsize_t dims[QB_RANK_MAX] = {0};
    size_t shape[QB_RANK_MAX] = {0}, count = 1;
    int rank = 0;
    hid_t dataset = qb_hdf5_open(group, name, H5I_DATASET, path, err);
    if (dataset < 0)
        return err->status;
    hid_t type = H5Dget_type(dataset);
    if (qb_dataset_check(dataset, name, path, file_bytes, &rank, dims, err) ||
        qb_attribute_text(dataset, "unit", path, QB_CLEAN_LINE, &unit, err) ||
        qb_attribute_text(dataset, "description", path, QB_CLEAN_LINE, &description, err))
        goto out;
    for (int i = 0; i < rank; i++) {
        shape[i] = dims[i];
        count *= shape[i];
    }
    if (!known_type(type, &dtype) || (dtype == QB_TEXT && rank != 1)) {
        qb_fail(err, QB_ERR_INPUT, "%s: array '%s' has a type that no experiment records", path, name);
    } else if (dtype == QB_TEXT) {
        read_texts(dataset, count, H5Tget_size(type), path, name, record, description, err);
    } else {
        void *data = qb_record_add(record, name, dtype, rank, shape, unit, description, err);
        hid_t memory = H5Tget_native_type(type, H5T_DIR_ASCEND);
        if (data && count > 0 && H5Dread(dataset, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0)
            qb_hdf5_fail(err, QB_ERR_INPUT, path, "array '%s' cannot be read", name);
        qb_hdf5_close(memory);
    }
out:
    qb_free(unit);
    qb_free(description);
    qb_hdf5_close(type);
    qb_hdf5_close(dataset);
    return err->status;
}

size_t qb_record_bytes(const struct qb_record *record)
{
    size_t bytes = 0;
    for (size_t i = 0; i < record->count; i++)
        bytes += record->arrays[i].count * qb_dtype_size(record->arrays[i].dtype);
    return bytes;
}

enum qb_status qb_record_read(hid_t group, const char *path, size_t file_bytes, struct qb_record *record,
                              struct qb_error *err)
{
    char **names;
    size_t count;
    if (qb_group_names(group, path, &names, &count, err))
        return err->status;
    for (size_t i = 0; i < count && !err->status; i++)
        if (!read_array(group, names[i], path, file_bytes, record, err))
            qb_claim_check(qb_record_bytes(record), path, file_bytes, err);
    qb_names_free(names, count);
    if (err->status) {
        qb_record_free(record);
        *record = (struct qb_record){0};
    }
    return err->status;
}
