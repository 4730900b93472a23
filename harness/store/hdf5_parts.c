#include "store/hdf5_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/utf8.h"

void qb_hdf5_quiet(void)
{
    H5dont_atexit(); /* what it does then can crash without memory, and every file is closed by us */
    H5open();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    H5PLset_loading_state(0);
}

bool qb_name_ok(const char *name)
{
    size_t size = name ? strlen(name) : 0;
    return size >= 1 && size <= QB_STORE_NAME_MAX && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == size;
}

static herr_t keep_innermost(unsigned depth, const H5E_error2_t *entry, void *text)
{
    (void)depth;
    if (entry->desc && entry->desc[0])
        qb_utf8_print(text, 200, "%s", entry->desc);
    return 1; /* stops the walk */
}

enum qb_status qb_hdf5_fail(struct qb_error *err, enum qb_status status, const char *path, const char *format, ...)
{
    char what[300], cause[200] = "";
    va_list arguments;
    va_start(arguments, format);
    qb_utf8_vprint(what, sizeof what, format, arguments);
    va_end(arguments);
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_innermost, cause);
    H5Eclear2(H5E_DEFAULT);
    return qb_fail(err, status, "%s: %s%s%s", path, what, cause[0] ? ": HDF5: " : "", cause);
}

void qb_hdf5_close(hid_t id)
{
    if (id >= 0)
        H5Idec_ref(id);
}

hid_t qb_hdf5_string_type(size_t size, bool terminated)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    if (type < 0 || H5Tset_size(type, size) < 0 || H5Tset_cset(type, H5T_CSET_UTF8) < 0 ||
        H5Tset_strpad(type, terminated ? H5T_STR_NULLTERM : H5T_STR_NULLPAD) < 0) {
        qb_hdf5_close(type);
        return -1;
    }
    return type;
}

hid_t qb_hdf5_create_group(hid_t parent, const char *name, bool ordered)
{
    hid_t plist = H5Pcreate(H5P_GROUP_CREATE), group = -1;
    if (plist >= 0 && H5Pset_obj_track_times(plist, false) >= 0 &&
        (!ordered || H5Pset_attr_creation_order(plist, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED) >= 0))
        group = H5Gcreate2(parent, name, H5P_DEFAULT, plist, H5P_DEFAULT);
    qb_hdf5_close(plist);
    return group;
}

enum qb_status qb_attribute_put(hid_t object, const char *name, hid_t type, const void *value, const char *path,
                                struct qb_error *err)
{
    if (H5Aexists(object, name) > 0)
        H5Adelete(object, name);
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    bool done = attribute >= 0 && H5Awrite(attribute, type, value) >= 0;
    qb_hdf5_close(attribute);
    qb_hdf5_close(space);
    return done ? QB_OK : qb_hdf5_fail(err, QB_ERR_INTERNAL, path, "attribute '%s' was not written", name);
}

enum qb_status qb_attribute_put_text(hid_t object, const char *name, const char *text, const char *path,
                                     struct qb_error *err)
{
    char *clean = qb_clean_copy(text, QB_CLEAN_LINES, err);
    if (!clean)
        return err->status;
    size_t size = qb_utf8_upto(clean, 32768);
    hid_t type = qb_hdf5_string_type(size > 0 ? size : 1, false);
    qb_attribute_put(object, name, type, clean, path, err);
    qb_hdf5_close(type);
    qb_free(clean);
    return err->status;
}

/* An attribute of the class with one entry and at most `most` bytes; negative with err set. */
static hid_t open_attribute(hid_t object, const char *name, H5T_class_t class, size_t most, const char *path,
                            size_t *size, struct qb_error *err)
{
    hid_t attribute = H5Aexists(object, name) > 0 ? H5Aopen(object, name, H5P_DEFAULT) : -1;
    if (attribute < 0) {
        qb_hdf5_fail(err, QB_ERR_INPUT, path, "no attribute '%s'", name);
        return -1;
    }
    hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
    *size = type >= 0 ? H5Tget_size(type) : 0;
    bool fits = type >= 0 && H5Tget_class(type) == class && *size >= 1 && *size <= most &&
                (class != H5T_STRING || H5Tis_variable_str(type) == 0) && H5Sget_simple_extent_npoints(space) == 1;
    qb_hdf5_close(type);
    qb_hdf5_close(space);
    if (fits)
        return attribute;
    qb_hdf5_close(attribute);
    qb_hdf5_fail(err, QB_ERR_INPUT, path, "attribute '%s' has another type, expected one %s", name,
                 class == H5T_STRING ? "fixed-length string" : "number");
    return -1;
}

enum qb_status qb_attribute_text(hid_t object, const char *name, const char *path, enum qb_clean kind, char **text,
                                 struct qb_error *err)
{
    size_t size = 0;
    hid_t attribute = open_attribute(object, name, H5T_STRING, 1u << 24, path, &size, err);
    *text = NULL;
    if (attribute < 0)
        return err->status;
    hid_t type = qb_hdf5_string_type(size + 1, true);
    char *stored = qb_alloc(size + 1, 1, name, err);
    if (stored && H5Aread(attribute, type, stored) < 0)
        qb_hdf5_fail(err, QB_ERR_INPUT, path, "attribute '%s' cannot be read", name);
    else if (stored)
        *text = qb_clean_copy(stored, kind, err);
    qb_free(stored);
    qb_hdf5_close(type);
    qb_hdf5_close(attribute);
    return *text ? QB_OK : err->status;
}

enum qb_status qb_attribute_number(hid_t object, const char *name, hid_t type, const char *path, void *value,
                                   struct qb_error *err)
{
    size_t size = 0;
    hid_t attribute = open_attribute(object, name, H5Tget_class(type), 8, path, &size, err);
    if (attribute < 0)
        return err->status;
    bool done = H5Aread(attribute, type, value) >= 0;
    qb_hdf5_close(attribute);
    return done ? QB_OK : qb_hdf5_fail(err, QB_ERR_INPUT, path, "attribute '%s' cannot be read", name);
}

void qb_names_free(char **names, size_t count)
{
    for (size_t i = 0; names && i < count; i++)
        qb_free(names[i]);
    qb_free(names);
}

enum qb_status qb_group_names(hid_t group, const char *path, char ***names, size_t *count, struct qb_error *err)
{
    H5G_info_t info;
    *names = NULL;
    *count = 0;
    if (H5Gget_info(group, &info) < 0 || info.nlinks > 1u << 24)
        return qb_hdf5_fail(err, QB_ERR_INPUT, path, "a group cannot be listed");
    char **list = qb_alloc(info.nlinks, sizeof *list, "names of a group", err);
    for (hsize_t i = 0; list && i < info.nlinks; i++) {
        char name[256];
        H5L_info_t link;
        ssize_t size = H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name, H5P_DEFAULT);
        if (size < 0 || (size_t)size >= sizeof name)
            qb_hdf5_fail(err, QB_ERR_INPUT, path, "a name in the file is over 255 bytes or cannot be read");
        else if (H5Lget_info(group, name, &link, H5P_DEFAULT) < 0 || link.type != H5L_TYPE_HARD)
            qb_hdf5_fail(err, QB_ERR_INPUT, path, "'%s' is a soft or external link, which no result file has", name);
        else
            list[i] = qb_strdup(name, err);
        if (!list[i]) {
            qb_names_free(list, info.nlinks);
            return err->status;
        }
    }
    *names = list;
    *count = list ? info.nlinks : 0;
    return list ? QB_OK : err->status;
}

/* Is every link on the way to `name` a hard one? Any other could lead out of the file. A missing one is the opener's.
 */
static enum qb_status check_links(hid_t parent, const char *name, const char *path, struct qb_error *err)
{
    char part[4 * (QB_STORE_NAME_MAX + 1)];
    for (size_t end = strcspn(name, "/");; end += 1 + strcspn(name + end + 1, "/")) {
        H5L_info_t link;
        if ((size_t)snprintf(part, sizeof part, "%.*s", (int)end, name) >= sizeof part)
            return qb_fail(err, QB_ERR_INPUT, "%s: a name in the file is too long", path);
        if (H5Lget_info(parent, part, &link, H5P_DEFAULT) >= 0 && link.type != H5L_TYPE_HARD)
            return qb_fail(err, QB_ERR_INPUT, "%s: '%s' is a soft or external link, which no result file has", path,
                           part);
        if (!name[end])
            return QB_OK;
    }
}

hid_t qb_hdf5_open(hid_t parent, const char *name, H5I_type_t kind, const char *path, struct qb_error *err)
{
    if (check_links(parent, name, path, err))
        return -1;
    hid_t object = H5Oopen(parent, name, H5P_DEFAULT);
    if (object >= 0 && H5Iget_type(object) == kind)
        return object;
    qb_hdf5_close(object);
    qb_hdf5_fail(err, QB_ERR_INPUT, path, "no %s '%s'", kind == H5I_GROUP ? "group" : "array", name);
    return -1;
}

/* Arrays of real files claim about twice the file's bytes, while deflate would pack a thousand times as many zeros. */
static size_t most(size_t file_bytes)
{
    return 32 * file_bytes + ((size_t)16 << 20);
}

enum qb_status qb_claim_check(size_t bytes, const char *path, size_t file_bytes, struct qb_error *err)
{
    if (bytes <= most(file_bytes))
        return QB_OK;
    return qb_fail(err, QB_ERR_INPUT,
                   "%s: its arrays claim more bytes than the file can hold (over %zu MiB in %zu KiB)", path,
                   most(file_bytes) >> 20, file_bytes >> 10);
}

enum qb_status qb_dataset_check(hid_t dataset, const char *name, const char *path, size_t file_bytes, int *rank,
                                hsize_t dims[QB_RANK_MAX], struct qb_error *err)
{
    hid_t space = H5Dget_space(dataset), type = H5Dget_type(dataset), plist = H5Dget_create_plist(dataset);
    hsize_t entries = 1, size = type >= 0 ? H5Tget_size(type) : 0;
    *rank = space >= 0 && H5Sget_simple_extent_type(space) != H5S_NULL ? H5Sget_simple_extent_ndims(space) : -1;
    if (*rank < 0 || *rank > QB_RANK_MAX || H5Sget_simple_extent_dims(space, dims, NULL) < 0 || plist < 0)
        qb_hdf5_fail(err, QB_ERR_INPUT, path, "array '%s' has rank %d, expected 0 to %d", name, *rank, QB_RANK_MAX);
    else if (H5Pget_layout(plist) == H5D_VIRTUAL ||
             (H5Pget_layout(plist) == H5D_CONTIGUOUS && H5Pget_external_count(plist) != 0))
        qb_hdf5_fail(err, QB_ERR_INPUT, path, "array '%s' lies in another file", name);
    for (int i = 0; i < *rank && !err->status; i++)
        if (__builtin_mul_overflow(entries, dims[i], &entries) || entries > (hsize_t)1 << 31)
            qb_fail(err, QB_ERR_INPUT, "%s: array '%s' has over 2^31 entries", path, name);
    if (!err->status && (size > 1u << 20 || entries * size > most(file_bytes)))
        qb_fail(err, QB_ERR_INPUT, "%s: array '%s' claims more bytes than the file can hold", path, name);
    qb_hdf5_close(plist);
    qb_hdf5_close(type);
    qb_hdf5_close(space);
    return err->status;
}
