/* Files as whole images. Bytes 0..511 are the HDF5 user block, which HDF5 tools skip: a line that says what this is and
 * the SHA-256 of all bytes behind it; zeros after that. */
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "base/mem.h"
#include "store/hdf5_parts.h"

/* The file keeps to HDF5's oldest layout, whose superblock has no checksum: H5Fget_file_image of 1.10 clears a flag in
 * the newer ones and leaves their checksum as it was, so that nothing can open them. */
static const char block_format[] = QB_FILE_START " HDF5 from byte 512 on; sha256 of that part: %s\n";

hid_t qb_image_create(const char *path, struct qb_error *err)
{
    qb_hdf5_quiet();
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), create = H5Pcreate(H5P_FILE_CREATE), file = -1;
    if (access >= 0 && create >= 0 && H5Pset_fapl_core(access, (size_t)1 << 22, false) >= 0 &&
        H5Pset_obj_track_times(create, false) >= 0)
        file = H5Fcreate(path, H5F_ACC_TRUNC, create, access);
    if (file < 0)
        qb_hdf5_fail(err, QB_ERR_INTERNAL, path, "no HDF5 file could be made in memory");
    qb_hdf5_close(access);
    qb_hdf5_close(create);
    return file;
}

enum qb_status qb_image_commit(hid_t file, const char *path, struct qb_error *err)
{
    char hex[QB_HASH_HEX];
    uint8_t *image = NULL;
    ssize_t size = H5Fflush(file, H5F_SCOPE_GLOBAL) >= 0 ? H5Fget_file_image(file, NULL, 0) : -1;
    if (size <= 0)
        qb_hdf5_fail(err, QB_ERR_INTERNAL, path, "the HDF5 file in memory could not be finished");
    else
        image = qb_alloc(QB_STORE_BLOCK + (size_t)size, 1, "a result file", err);
    if (image && H5Fget_file_image(file, image + QB_STORE_BLOCK, (size_t)size) != size)
        qb_hdf5_fail(err, QB_ERR_INTERNAL, path, "the HDF5 file in memory could not be copied");
    H5Fclose(file);
    if (image && !err->status) {
        qb_hash_buffer(image + QB_STORE_BLOCK, (size_t)size, hex);
        snprintf((char *)image, QB_STORE_BLOCK, block_format, hex);
        qb_file_replace(path, image, QB_STORE_BLOCK + (size_t)size, err);
    }
    qb_free(image);
    return err->status;
}

enum qb_status qb_image_check(const char *path, size_t *bytes, char hex[QB_HASH_HEX], struct qb_error *err)
{
    static const uint8_t signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    struct qb_map map = {0};
    char block[QB_STORE_BLOCK] = "";
    if (qb_file_map(path, &map, err))
        return err->status;
    *bytes = map.size;
    size_t start = strcspn(block_format, "%");
    if (map.size <= QB_STORE_BLOCK || memcmp(map.data, block_format, start) != 0 ||
        map.size < QB_STORE_BLOCK + sizeof signature ||
        memcmp(map.data + QB_STORE_BLOCK, signature, sizeof signature) != 0) {
        qb_fail(err, QB_ERR_INPUT, "%s: not a result file of qinsbench, or cut off at its start", path);
    } else {
        qb_hash_buffer(map.data + QB_STORE_BLOCK, map.size - QB_STORE_BLOCK, hex);
        snprintf(block, sizeof block, block_format, hex);
        if (memcmp(map.data, block, sizeof block) != 0)
            qb_fail(err, QB_ERR_INPUT, "%s: its content does not fit its checksum: damaged, cut off or edited", path);
    }
    qb_file_unmap(&map);
    return err->status;
}

hid_t qb_image_open(const char *path, size_t *bytes, struct qb_error *err)
{
    char hex[QB_HASH_HEX];
    qb_hdf5_quiet();
    if (qb_image_check(path, bytes, hex, err))
        return -1;
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), file = -1;
    /* Readers need no lock: files appear by rename and are never written again. */
    if (access >= 0 && H5Pset_file_locking(access, false, true) >= 0)
        file = H5Fopen(path, H5F_ACC_RDONLY, access);
    if (file < 0)
        qb_hdf5_fail(err, QB_ERR_INPUT, path, "HDF5 cannot open it");
    qb_hdf5_close(access);
    return file;
}
