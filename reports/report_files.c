/* The files that pages and figures read and write. */
#include "report_files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
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

enum qb_status qb_report_save_page(const char *folder, const char *name, const char *sign, const struct qb_text *text,
                                   struct qb_error *err)
{
    char path[PLACE], head[(16 << 10) + 1];
    struct stat info;
    if (place(folder, name, path, err))
        return err->status;
    FILE *file = stat(path, &info) == 0 && S_ISREG(info.st_mode) ? fopen(path, "rbe") : NULL;
    if (file) {
        head[fread(head, 1, sizeof head - 1, file)] = '\0';
        fclose(file);
        if (info.st_size > 0 && !strstr(head, sign))
            return qb_fail(err, QB_ERR_INPUT,
                           "%s: is there and no page of a report; it is left alone: expected another folder", path);
    }
    return qb_report_save(folder, name, text, err);
}

enum qb_status qb_report_clear(const char *folder, const char *name, struct qb_error *err)
{
    char path[PLACE];
    if (!place(folder, name, path, err) && unlink(path) != 0 && errno != ENOENT)
        qb_fail(err, errno == EISDIR ? QB_ERR_INPUT : QB_ERR_IO, "%s: cannot be replaced: %s", path, strerror(errno));
    return err->status;
}
