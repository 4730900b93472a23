#include "base/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"

enum { LINKS = 40 }; /* as many as Linux follows */

/* The folder of path with its last slash, or "" of a bare name. */
static int folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (int)(slash + 1 - path) : 0;
}

void qb_path_folder(const char *path, char folder[PATH_MAX])
{
    const int length = folder_length(path);
    snprintf(folder, PATH_MAX, "%.*s", length > 0 ? length : 1, length > 0 ? path : ".");
}

char *qb_path_join(const char *folder, const char *name, struct qb_error *err)
{
    struct qb_text text = {0};
    qb_text_add(&text, "%s/%s", folder, name);
    char *path = text.failed ? NULL : qb_strdup(text.data, err);
    if (text.failed)
        qb_fail(err, QB_ERR_MEMORY, "no memory for a path");
    qb_text_free(&text);
    return path;
}

enum qb_status qb_path_target(const char *path, char target[PATH_MAX], struct qb_error *err)
{
    char link[PATH_MAX], next[PATH_MAX];
    int length = snprintf(target, PATH_MAX, "%s", path);
    for (int i = 0; length >= 0 && length < PATH_MAX; i++) {
        ssize_t n = readlink(target, link, sizeof link - 1);
        if (n < 0)
            return QB_OK; /* no link, or nothing */
        if (i == LINKS)
            return qb_fail(err, QB_ERR_INPUT, "%s: a circle of symbolic links", path);
        link[n] = '\0';
        length = snprintf(next, sizeof next, "%.*s%s", link[0] == '/' ? 0 : folder_length(target), target, link);
        memcpy(target, next, sizeof next);
    }
    return qb_fail(err, QB_ERR_INPUT, "%s: path too long", path);
}

bool qb_path_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Is the file one of those in the folder, or one that a link in it leads to? */
static bool lies_in(const char *folder, const struct stat *file)
{
    bool found = false;
    struct stat info;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && !found && (entry = readdir(dir));)
        found = fstatat(dirfd(dir), entry->d_name, &info, 0) == 0 && qb_path_same(&info, file);
    if (dir)
        closedir(dir);
    return found;
}

/* Is what lies at `input`, or in it, the file? */
static bool is_read(const char *input, const struct stat *file)
{
    struct stat info;
    if (stat(input, &info) != 0)
        return false;
    return S_ISDIR(info.st_mode) ? lies_in(input, file) : qb_path_same(&info, file);
}

enum qb_status qb_path_apart(const char *option, const char *out, const char *const *inputs, size_t count,
                             struct qb_error *err)
{
    char target[PATH_MAX];
    struct stat file;
    if (!out)
        return QB_OK;
    if (qb_path_target(out, target, err))
        return err->status;
    if (stat(target, &file) != 0)
        return QB_OK; /* what is not there, nobody reads */
    if (!S_ISREG(file.st_mode))
        return qb_fail(err, QB_ERR_INPUT, "%s %s: is there and no regular file, cannot be replaced", option, out);
    for (size_t i = 0; i < count; i++)
        if (inputs[i] && is_read(inputs[i], &file))
            return qb_fail(err, QB_ERR_INPUT, "%s %s: is what is read (%s); expected another name", option, out,
                           inputs[i]);
    return QB_OK;
}
