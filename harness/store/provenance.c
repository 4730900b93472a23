/* What a run was: ordered facts, as attributes of /provenance or, when long, as string datasets below it. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include "base/cpu.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "store/hdf5_parts.h"

#ifndef QB_BUILD_FLAGS
#define QB_BUILD_FLAGS "not recorded"
#endif

enum { LONG_FROM = 2048 };

enum qb_status qb_provenance_add(struct qb_provenance *p, const char *name, const char *value, struct qb_error *err)
{
    if (!qb_name_ok(name))
        return qb_fail(err, QB_ERR_INTERNAL, "provenance name '%s': expected letters, digits, '.', '_' or '-'", name);
    char *copy = qb_clean_copy(value, QB_CLEAN_LINES, err);
    if (!copy)
        return err->status;
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->pairs[i].name, name) == 0) {
            qb_free(p->pairs[i].value);
            p->pairs[i].value = copy;
            return QB_OK;
        }
    struct qb_pair *pairs = qb_grow(p->pairs, p->count + 1, sizeof *pairs, "provenance", err);
    p->pairs = pairs ? pairs : p->pairs;
    char *key = pairs ? qb_strdup(name, err) : NULL;
    if (!key) {
        qb_free(copy);
        return err->status;
    }
    p->pairs[p->count++] = (struct qb_pair){key, copy};
    return QB_OK;
}

enum qb_status qb_provenance_addf(struct qb_provenance *p, struct qb_error *err, const char *name, const char *format,
                                  ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int size = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (size < 0)
        return qb_fail(err, QB_ERR_MEMORY, "provenance '%s': memory ran out", name);
    qb_provenance_add(p, name, text, err);
    free(text);
    return err->status;
}

const char *qb_provenance_get(const struct qb_provenance *p, const char *name)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->pairs[i].name, name) == 0)
            return p->pairs[i].value;
    return NULL;
}

void qb_provenance_free(struct qb_provenance *p)
{
    for (size_t i = 0; i < p->count; i++) {
        qb_free(p->pairs[i].name);
        qb_free(p->pairs[i].value);
    }
    qb_free(p->pairs);
    *p = (struct qb_provenance){0};
}

enum qb_status qb_provenance_collect(struct qb_provenance *p, const struct qb_run_facts *facts, struct qb_error *err)
{
    struct utsname host = {0};
    struct tm utc = {0};
    char now[32] = "";
    unsigned major = 0, minor = 0, release = 0;
    time_t seconds = time(NULL);
    qb_hdf5_quiet();
    H5get_libversion(&major, &minor, &release);
    uname(&host);
    if (gmtime_r(&seconds, &utc))
        strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", &utc);
    qb_provenance_add(p, "program_version", QB_VERSION, err);
#ifdef __clang__
    qb_provenance_add(p, "compiler", "clang " __clang_version__, err);
#else
    qb_provenance_add(p, "compiler", "gcc " __VERSION__, err);
#endif
    qb_provenance_add(p, "build_flags", QB_BUILD_FLAGS, err);
    qb_provenance_add(p, "cpu", qb_cpu()->model, err);
    qb_provenance_add(p, "cpu_features", qb_cpu()->features, err);
    qb_provenance_addf(p, err, "cores", "%u", qb_cpu()->cores);
    if (facts->threads > 0)
        qb_provenance_addf(p, err, "threads", "%u", facts->threads);
    qb_provenance_add(p, "isa", facts->isa, err);
    qb_provenance_add(p, "blas", facts->blas_config, err);
    qb_provenance_add(p, "blas_core", facts->blas_core, err);
    qb_provenance_addf(p, err, "hdf5", "%u.%u.%u", major, minor, release);
    qb_provenance_addf(p, err, "kernel", "%s %s %s", host.sysname, host.release, host.machine);
    qb_provenance_add(p, "started", now, err);
    return err->status;
}

static enum qb_status write_long(hid_t group, const struct qb_pair *pair, const char *path, struct qb_error *err)
{
    hid_t type = qb_hdf5_string_type(strlen(pair->value), false), space = H5Screate(H5S_SCALAR);
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_obj_track_times(plist, false);
    hid_t dataset = H5Dcreate2(group, pair->name, type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    if (dataset < 0 || H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, pair->value) < 0)
        qb_hdf5_fail(err, QB_ERR_INTERNAL, path, "provenance '%s' was not written", pair->name);
    qb_hdf5_close(dataset);
    qb_hdf5_close(plist);
    qb_hdf5_close(space);
    qb_hdf5_close(type);
    return err->status;
}

enum qb_status qb_provenance_write(hid_t file, const struct qb_provenance *p, const char *path, struct qb_error *err)
{
    hid_t group = qb_hdf5_create_group(file, "provenance", true);
    if (group < 0)
        return qb_hdf5_fail(err, QB_ERR_INTERNAL, path, "/provenance was not written");
    for (size_t i = 0; i < p->count && !err->status; i++) {
        if (strlen(p->pairs[i].value) >= LONG_FROM)
            write_long(group, &p->pairs[i], path, err);
        else
            qb_attribute_put_text(group, p->pairs[i].name, p->pairs[i].value, path, err);
    }
    qb_hdf5_close(group);
    return err->status;
}

static enum qb_status read_long(hid_t group, const char *name, const char *path, size_t file_bytes,
                                struct qb_provenance *p, struct qb_error *err)
{
    hid_t dataset = qb_hdf5_open(group, name, H5I_DATASET, path, err);
    if (dataset < 0)
        return err->status;
    hid_t stored = H5Dget_type(dataset), plist = H5Dget_create_plist(dataset), space = H5Dget_space(dataset), type = -1;
    size_t size = stored >= 0 ? H5Tget_size(stored) : 0;
    char *text = NULL;
    if (H5Tget_class(stored) != H5T_STRING || H5Tis_variable_str(stored) != 0 || size > file_bytes ||
        H5Sget_simple_extent_npoints(space) != 1 || H5Pget_layout(plist) == H5D_VIRTUAL ||
        (H5Pget_layout(plist) == H5D_CONTIGUOUS && H5Pget_external_count(plist) != 0)) {
        qb_fail(err, QB_ERR_INPUT, "%s: provenance '%s' is no string of fixed length", path, name);
        goto out;
    }
    type = qb_hdf5_string_type(size + 1, true);
    text = qb_alloc(size + 1, 1, name, err);
    if (text && H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text) < 0)
        qb_hdf5_fail(err, QB_ERR_INPUT, path, "provenance '%s' cannot be read", name);
    if (!err->status)
        qb_provenance_add(p, name, text, err);
out:
    qb_free(text);
    qb_hdf5_close(type);
    qb_hdf5_close(space);
    qb_hdf5_close(plist);
    qb_hdf5_close(stored);
    qb_hdf5_close(dataset);
    return err->status;
}

static enum qb_status read_attributes(hid_t group, const char *path, struct qb_provenance *p, struct qb_error *err)
{
    H5O_info_t info;
    if (H5Oget_info2(group, &info, H5O_INFO_NUM_ATTRS) < 0)
        return qb_hdf5_fail(err, QB_ERR_INPUT, path, "/provenance cannot be read");
    for (hsize_t i = 0; i < info.num_attrs; i++) {
        char name[QB_STORE_NAME_MAX + 1], *value = NULL;
        hid_t a = H5Aopen_by_idx(group, ".", H5_INDEX_CRT_ORDER, H5_ITER_INC, i, H5P_DEFAULT, H5P_DEFAULT);
        ssize_t size = a >= 0 ? H5Aget_name(a, sizeof name, name) : -1;
        qb_hdf5_close(a);
        if (size < 0 || (size_t)size >= sizeof name || !qb_name_ok(name))
            return qb_hdf5_fail(err, QB_ERR_INPUT, path, "/provenance holds an attribute whose name no run writes");
        if (!qb_attribute_text(group, name, path, QB_CLEAN_LINES, &value, err))
            qb_provenance_add(p, name, value, err);
        qb_free(value);
        if (err->status)
            return err->status;
    }
    return QB_OK;
}

enum qb_status qb_provenance_read(hid_t file, const char *path, size_t file_bytes, struct qb_provenance *p,
                                  struct qb_error *err)
{
    char **names = NULL;
    size_t count = 0;
    hid_t group = qb_hdf5_open(file, "provenance", H5I_GROUP, path, err);
    if (group < 0)
        return err->status;
    if (!read_attributes(group, path, p, err))
        qb_group_names(group, path, &names, &count, err);
    for (size_t i = 0; i < count && !err->status; i++)
        read_long(group, names[i], path, file_bytes, p, err);
    qb_names_free(names, count);
    qb_hdf5_close(group);
    return err->status;
}
