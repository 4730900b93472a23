/* The files that pages and figures read and write. */
#include "report_files.h"

#include <stdio.h>
#include "base/file.h"
#include "base/mem.h"
#include "base/data_path.h"

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

enum qb_status qb_report_save(const char *folder, const char *name, const struct qb_text *text, struct qb_error *err)
{
    char path[4600];
    if (text->failed)
        return qb_fail(err, QB_ERR_MEMORY, "no memory for %s", name);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return qb_file_replace(path, text->data ? text->data : "", text->size, err);
}
