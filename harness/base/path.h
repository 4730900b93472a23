/* Which file a path means, whatever links lead there. */
#ifndef QB_PATH_H
#define QB_PATH_H

#include <limits.h>
#include <stdbool.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include "base/error.h"

/* The folder that path lies in, "." of a bare name; shorter than PATH_MAX, as path must be. */
void qb_path_folder(const char *path, char folder[PATH_MAX]);

/* FOLDER/NAME as a new string for qb_free; NULL with err set. */
char *qb_path_join(const char *folder, const char *name, struct qb_error *err);

/* The file that writing to path is to change: path itself, or where it leads when it is a symbolic link, also to a file
 * that is not there yet. A circle of links is QB_ERR_INPUT. */
enum qb_status qb_path_target(const char *path, char target[PATH_MAX], struct qb_error *err);

/* Are these of the same file, by whichever name? */
bool qb_path_same(const struct stat *a, const struct stat *b);

/* Refuses an output that is one of what is read: QB_ERR_INPUT naming both. option: how the user named it ("-o",
 * "--junit"); out NULL: none is written. inputs[count] may hold NULL. An input that is a folder is what lies in it. */
enum qb_status qb_path_apart(const char *option, const char *out, const char *const *inputs, size_t count,
                             struct qb_error *err);

#endif
