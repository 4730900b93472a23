/* Which reader a path is for. */
#include <sys/stat.h>
#include "base/mem.h"
#include "base/utf8.h"
#include "weights/weights_parts.h"

static enum qb_status read_one(struct qb_weights *weights, const char *path, struct qb_error *err)
{
    struct qb_weights_file *file;
    if (qb_weights_add_file(weights, path, 0, &file, err))
        return err->status;
    if (qb_gguf_begins(&file->map))
        return qb_gguf_read(weights, err) ? qb_wrap(err, "%s", path) : QB_OK;
    weights->source = QB_SOURCE_OWN;
    return qb_safetensors_read(weights, err) || qb_weights_sort(weights, err) ? qb_wrap(err, "%s", path) : QB_OK;
}

enum qb_status qb_weights_open(const char *path, struct qb_weights **weights, struct qb_error *err)
{
    struct stat info;
    struct qb_weights *new = qb_alloc(1, sizeof *new, "source of weights", err);
    if (!new)
        return err->status;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode) ? qb_huggingface_read(new, path, err)
                                                        : read_one(new, path, err))
        qb_weights_free(new);
    else
        *weights = new;
    return err->status;
}
