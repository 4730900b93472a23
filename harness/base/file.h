/* Whole files: read with a limit, replaced atomically, mapped read-only. */
#ifndef QB_FILE_H
#define QB_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include "base/error.h"

/* Opens what a user or a stranger named, for reading; every reader of files begins here. Regular files only: a folder,
 * a FIFO, a socket or a device is QB_ERR_INPUT by its kind, at once, and so is a missing file; a refusal of the system
 * is QB_ERR_IO; then the result is -1. The caller closes it. *info is what fstat says of it. */
int qb_file_open(const char *path, struct stat *info, struct qb_error *err);

/* Reads all of path, at most max_bytes (more is an error), into a new buffer with a NUL behind the end; *size
 * excludes the NUL. The caller frees *data with qb_free. An over-long file is QB_ERR_INPUT; after an error *data is
 * NULL. */
enum qb_status qb_file_read(const char *path, size_t max_bytes, char **data, size_t *size, struct qb_error *err);

/* Replaces path with data: temporary file beside it, write, fsync, rename, fsync of the folder. A symbolic link stays
 * and what it leads to is replaced, here and below. On failure the old
 * file is untouched and the temporary one removed. What is there and no regular file (a device, a folder) is refused.
 * When only the folder's fsync fails, the new file is in place and the status still QB_ERR_IO. */
enum qb_status qb_file_replace(const char *path, const void *data, size_t size, struct qb_error *err);

/* Replaces `to` with what `from` holds, in the same way. */
enum qb_status qb_file_copy(const char *from, const char *to, struct qb_error *err);

/* Replaces path with what `fill` writes into a stream, in the same way; a file in the making that a process left behind
 * (temp.h) goes. An error of fill is wrapped in path. */
typedef enum qb_status (*qb_file_fill)(void *context, FILE *file, struct qb_error *err);
enum qb_status qb_file_write(const char *path, qb_file_fill fill, void *context, struct qb_error *err);
/* fwrite of bytes[size]; QB_ERR_IO. */
enum qb_status qb_file_put(FILE *file, const void *bytes, size_t size, struct qb_error *err);

/* Makes a finished temporary file durable and puts it in path's place: fsync(temp), rename, fsync of the folder.
 * Refusals as above; on failure temp stays, for the caller to remove. */
enum qb_status qb_file_commit(const char *temp, const char *path, struct qb_error *err);

/* mkdir -p; a part of the path that is no folder is QB_ERR_INPUT. */
enum qb_status qb_file_mkdirs(const char *path, struct qb_error *err);

bool qb_file_exists(const char *path);
/* Is path, seen from `folder` (AT_FDCWD), a regular file that holds the letters of `start` at `offset`? */
bool qb_file_has(int folder, const char *path, off_t offset, const char *start);
/* Refuses an output that would replace something of another kind, for which its name was mistyped: what is there is
 * empty or holds the letters of `start` at `offset`, as every `kind` ("safetensors file") does. out NULL: none. */
enum qb_status qb_file_same_kind(const char *option, const char *out, off_t offset, const char *start, const char *kind,
                                 struct qb_error *err);

struct qb_map {
    const uint8_t *data;
    size_t size;
    dev_t device; /* of a file: which it is, and when it was written */
    ino_t inode;
    struct timespec written;
};
/* Maps path read-only and private; an empty file is an error. */
enum qb_status qb_file_map(const char *path, struct qb_map *map, struct qb_error *err);
/* A map follows its file: QB_ERR_INPUT when the file at path was written since it was mapped. Another file at its path,
 * or none, leaves the map as it is. */
enum qb_status qb_map_unchanged(const struct qb_map *map, const char *path, struct qb_error *err);
/* Maps size > 0 zeroed bytes, writable and shared with the processes forked from here: unlike private memory their
 * pages may be dropped. */
enum qb_status qb_memory_map(size_t size, const char *what, struct qb_map *map, struct qb_error *err);
void qb_file_unmap(struct qb_map *map);
/* Takes the pages that hold bytes of a map out of this process's resident set; they are read again at use. */
void qb_map_drop(const void *bytes, size_t size);
/* The same of bytes [from, to) of those from `bytes` on, which are read in this order: reading a page maps others
 * around it, dropped ones, too, and the few before `from` go once more. */
void qb_map_drop_read(const void *bytes, size_t from, size_t to);

#endif
