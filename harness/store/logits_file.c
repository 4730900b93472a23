/* HDF5 makes the file and says where the dataset's bytes lie; the rows are written there, so that a full disk is met
 * here and not in libhdf5, and no row is kept in memory. */
#include "store/logits_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/mem.h"
#include "base/temp.h"
#include "store/hdf5_parts.h"

enum { HEAD_ROOM = 1 << 14 }; /* more than what HDF5 puts around the one dataset */

struct qb_logits_file {
    char *path, *temp;
    int fd;
    off_t at; /* of the next row */
    size_t tokens, vocab, written;
};

/* May the file become so large? libhdf5 crashes at the program's end when it may not. */
static enum qb_status check_room(const struct qb_logits_file *file, struct qb_error *err)
{
    const off_t size = (off_t)(file->tokens * file->vocab * sizeof(float)) + HEAD_ROOM;
    int fd = open(file->temp, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0 || ftruncate(fd, size) != 0)
        qb_fail(err, QB_ERR_IO, "%s: cannot make a file of %jd bytes: %s", file->path, (intmax_t)size, strerror(errno));
    if (fd >= 0)
        close(fd);
    return err->status;
}

static enum qb_status make(struct qb_logits_file *file, struct qb_error *err)
{
    hsize_t dims[2] = {file->tokens, file->vocab};
    if (check_room(file, err))
        return err->status;
    qb_hdf5_quiet();
    hid_t h5 = H5Fcreate(file->temp, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), set = -1;
    hid_t space = H5Screate_simple(2, dims, NULL), create = H5Pcreate(H5P_DATASET_CREATE);
    haddr_t at = HADDR_UNDEF;
    if (h5 >= 0 && H5Pset_layout(create, H5D_CONTIGUOUS) >= 0 && H5Pset_alloc_time(create, H5D_ALLOC_TIME_EARLY) >= 0 &&
        H5Pset_fill_time(create, H5D_FILL_TIME_NEVER) >= 0 && H5Pset_obj_track_times(create, false) >= 0)
        set = H5Dcreate2(h5, "logits", H5T_IEEE_F32LE, space, H5P_DEFAULT, create, H5P_DEFAULT);
    if (set >= 0)
        at = H5Dget_offset(set);
    qb_hdf5_close(set);
    qb_hdf5_close(create);
    qb_hdf5_close(space);
    if (h5 < 0 || H5Fclose(h5) < 0 || at == HADDR_UNDEF)
        return qb_hdf5_fail(err, QB_ERR_IO, file->temp, "no file for logits could be made");
    file->at = (off_t)at;
    file->fd = open(file->temp, O_WRONLY | O_CLOEXEC);
    return file->fd < 0 ? qb_fail(err, QB_ERR_IO, "%s: %s", file->temp, strerror(errno)) : QB_OK;
}

enum qb_status qb_logits_create(const char *path, size_t tokens, size_t vocab, struct qb_logits_file **file,
                                struct qb_error *err)
{
    char temp[PATH_MAX];
    if (tokens == 0 || vocab == 0 || tokens > SIZE_MAX / 8 / vocab)
        return qb_fail(err, QB_ERR_INPUT, "%s: logits of %zu tokens over %zu", path, tokens, vocab);
    struct qb_logits_file *new = qb_alloc(1, sizeof *new, "logits file", err);
    if (!new)
        return err->status;
    *new = (struct qb_logits_file){.fd = -1, .tokens = tokens, .vocab = vocab};
    qb_temp_sweep(path);
    if ((new->path = qb_strdup(path, err)) && !qb_temp_begin(path, temp, err)) {
        new->temp = qb_strdup(temp, err);
        if (new->temp)
            make(new, err);
        else
            qb_temp_done(temp);
    }
    if (err->status)
        qb_logits_free(new);
    else
        *file = new;
    return err->status;
}

enum qb_status qb_logits_append(struct qb_logits_file *file, const float *rows, size_t count, struct qb_error *err)
{
    const char *bytes = (const char *)rows; /* little-endian, as every CPU that this builds for */
    size_t left = count * file->vocab * sizeof *rows;
    if (count > file->tokens - file->written)
        return qb_fail(err, QB_ERR_INTERNAL, "%s: %zu more rows, room for %zu", file->path, count,
                       file->tokens - file->written);
    while (left > 0) {
        ssize_t done = pwrite(file->fd, bytes, left, file->at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return qb_fail(err, QB_ERR_IO, "%s: %s", file->temp, done < 0 ? strerror(errno) : "nothing was written");
        bytes += done;
        file->at += done;
        left -= (size_t)done;
    }
    file->written += count;
    return QB_OK;
}

enum qb_status qb_logits_commit(struct qb_logits_file *file, struct qb_error *err)
{
    if (file->written != file->tokens)
        return qb_fail(err, QB_ERR_INTERNAL, "%s: %zu rows of %zu were written", file->path, file->written,
                       file->tokens);
    if (!qb_file_commit(file->temp, file->path, err)) {
        qb_temp_done(file->temp);
        qb_free(file->temp);
        file->temp = NULL;
    }
    return err->status;
}

void qb_logits_free(struct qb_logits_file *file)
{
    if (!file)
        return;
    if (file->fd >= 0)
        close(file->fd);
    if (file->temp) {
        unlink(file->temp);
        qb_temp_done(file->temp);
    }
    qb_free(file->temp);
    qb_free(file->path);
    qb_free(file);
}
