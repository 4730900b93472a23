/* A baseline written only where it will be read again. */
#include "base/file.h"
#include "gate/baseline.h"

static enum qb_status read_back(const struct qb_text *text, const char *path, struct qb_error *err)
{
    struct qb_baseline *again = NULL;
    if (qb_baseline_parse(text->data, text->size, path, &again, err))
        return qb_wrap(err, "nothing is written, for it could not be read again");
    if (again->edited)
        qb_fail(err, QB_ERR_INTERNAL, "%s: nothing is written, for its digest is not that of its content", path);
    qb_baseline_free(again);
    return err->status;
}

enum qb_status qb_baseline_save(const struct qb_baseline *baseline, const char *path, struct qb_error *err)
{
    struct qb_text text = {0};
    qb_baseline_print(baseline, &text);
    if (text.failed)
        qb_fail(err, QB_ERR_MEMORY, "%s: no memory for the baseline", path);
    else if (!read_back(&text, path, err))
        qb_file_replace(path, text.data, text.size, err);
    qb_text_free(&text);
    return err->status;
}
