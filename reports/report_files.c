/* The files that pages and figures read and write. */
#include "report_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/data_path.h"
#include "base/file.h"
#include "base/mem.h"

enum { PLACE = 4600 };

enum qb_status qb_report_template(const char *name, struct qb_text *out, struct qb_error *err)
{
    char source[160], path[4096], *text = NULL;
    size_t size;
    struct qb_error shipped = {0}, built = {0};
    snprintf(source, sizeof source, "../reports/%s", name);
    if (qb_data_path(name, path, &shipped) && qb_data_path(source, path, &built))
        return qb_fail(err, QB_ERR_INPUT, "the template %s is missing: %s", name, shipped.message);
    if (!qb_file_read(path, 1u << 20, &text, &size, err))
        qb_text_bytes(out, text, size);
    qb_free(text);
    return err->status;
}

static const char mark[] = "Written by qinsbench report, which replaces what it wrote into this folder before.\n";
static const char mark_name[] = ".qinsbench-report";

/* What a report writes to, seen from its folder, and letters by which a page of a program that left no mark is known.
 */
static const struct {
    const char *name, *old;
} written[] = {{"index.html", "<!DOCTYPE html>"},
               {"report.md", "# Suite "},
               {"README.md", "# Figures of "},
               {"figures", NULL},
               {"tables", NULL},
               {"tex", NULL}};
enum { WRITTEN = sizeof written / sizeof *written };

/* Did a report of a program that left no mark write here? */
static bool is_old_report(int folder)
{
    for (size_t i = 0; i < WRITTEN; i++)
        if (written[i].old && qb_file_has(folder, written[i].name, 0, written[i].old) &&
            faccessat(folder, "figures/style.gp", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            return true;
    return false;
}

static enum qb_status check_folder(int folder, const char *path, struct qb_error *err)
{
    struct stat info;
    const bool ours = qb_file_has(folder, mark_name, 0, "Written by qinsbench report") || is_old_report(folder);
    for (size_t i = 0; i < WRITTEN && !err->status; i++)
        if (fstatat(folder, written[i].name, &info, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        else if (S_ISLNK(info.st_mode))
            qb_fail(err, QB_ERR_INPUT,
                    "%s/%s: is a symbolic link; a report writes files of its own, expected none or another folder",
                    path, written[i].name);
        else if (!ours)
            qb_fail(err, QB_ERR_INPUT,
                    "%s/%s: is there and no report's; it is left alone: expected another folder, or a new one", path,
                    written[i].name);
    return err->status;
}

void qb_report_end(int *lock)
{
    if (*lock >= 0)
        close(*lock);
    *lock = -1;
}

enum qb_status qb_report_begin(const char *path, int *lock, struct qb_error *err)
{
    *lock = -1;
    if (qb_file_mkdirs(path, err))
        return err->status;
    const int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return qb_fail(err, QB_ERR_IO, "%s: cannot open the folder: %s", path, strerror(errno));
    if (!check_folder(folder, path, err)) {
        *lock = openat(folder, mark_name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
        const bool taken = *lock >= 0 && flock(*lock, LOCK_EX | LOCK_NB) == 0;
        if (!taken && *lock >= 0 && errno == EWOULDBLOCK)
            qb_fail(err, QB_ERR_INPUT, "%s: another report is being written there; wait for it or choose another -o",
                    path);
        else if (!taken || pwrite(*lock, mark, sizeof mark - 1, 0) != (ssize_t)sizeof mark - 1)
            qb_fail(err, QB_ERR_IO, "%s/%s: cannot be written: %s", path, mark_name, strerror(errno));
    }
    if (err->status)
        qb_report_end(lock);
    close(folder);
    return err->status;
}

static enum qb_status place(const char *folder, const char *name, char path[PLACE], struct qb_error *err)
{
    struct stat info;
    snprintf(path, PLACE, "%s/%s", folder, name);
    if (lstat(path, &info) == 0 && S_ISLNK(info.st_mode))
        return qb_fail(err, QB_ERR_INPUT,
                       "%s: is a symbolic link; a report writes files of its own, expected none or another folder",
                       path);
    return QB_OK;
}

enum qb_status qb_report_save(const char *folder, const char *name, const struct qb_text *text, struct qb_error *err)
{
    char path[PLACE];
    if (text->failed)
        return qb_fail(err, QB_ERR_MEMORY, "no memory for %s", name);
    if (place(folder, name, path, err))
        return err->status;
    return qb_file_replace(path, text->data ? text->data : "", text->size, err);
}

enum qb_status qb_report_clear(const char *folder, const char *name, struct qb_error *err)
{
    char path[PLACE];
    if (!place(folder, name, path, err) && unlink(path) != 0 && errno != ENOENT)
        qb_fail(err, errno == EISDIR ? QB_ERR_INPUT : QB_ERR_IO, "%s: cannot be replaced: %s", path, strerror(errno));
    return err->status;
}
