/* The files that the writers read and write. */
#include <stdio.h>
#include "base/file.h"
#include "codec/variant.h"
#include "report_content.h"

enum qb_status qb_report_template(const char *name, char **text, struct qb_error *err)
{
    char relative[128], path[4096];
    size_t size;
    struct qb_error first = {0};
    snprintf(relative, sizeof relative, "templates/%s", name);
    if (qb_data_path(relative, path, &first)) {
        snprintf(relative, sizeof relative, "../reports/templates/%s", name);
        if (qb_data_path(relative, path, err))
            return qb_fail(err, QB_ERR_INPUT, "the report's template %s is missing: %s", name, first.message);
    }
    return qb_file_read(path, 1u << 20, text, &size, err);
}

enum qb_status qb_report_save(const char *folder, const char *name, const struct qb_text *text, struct qb_error *err)
{
    char path[4600];
    if (text->failed)
        return qb_fail(err, QB_ERR_MEMORY, "no memory for %s", name);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return qb_file_replace(path, text->data ? text->data : "", text->size, err);
}
