/* Which kind of file a tokenizer is read from. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "base/mem.h"
#include "tokenizer/tokenizer_parts.h"
#include "weights/weights.h"

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

enum kind { KIND_OTHER, KIND_GGUF, KIND_SAFETENSORS };

/* By the first bytes. */
static enum kind kind_of(const char *path)
{
    char first[9] = "";
    struct qb_error unread = {0}; /* the reader says it */
    struct stat info;
    int file = qb_file_open(path, &info, &unread);
    if (file >= 0) {
        ssize_t size = read(file, first, sizeof first);
        if (size < (ssize_t)sizeof first)
            memset(first, 0, sizeof first);
        close(file);
    }
    if (memcmp(first, "GGUF", 4) == 0)
        return KIND_GGUF;
    /* the header's size, which is no text, then the header */
    return first[7] == '\0' && first[8] == '{' ? KIND_SAFETENSORS : KIND_OTHER;
}

static enum qb_status open_gguf(const char *path, struct qb_tokenizer **tokenizer, struct qb_error *err)
{
    struct qb_weights *weights = NULL;
    if (qb_weights_open(path, &weights, err))
        return err->status;
    if (qb_tokenizer_open_gguf(weights, tokenizer, err))
        qb_wrap(err, "%s", path);
    qb_weights_free(weights);
    return err->status;
}

static enum qb_status open_file(const char *path, struct qb_tokenizer **tokenizer, struct qb_error *err)
{
    return kind_of(path) == KIND_GGUF ? open_gguf(path, tokenizer, err) : qb_tokenizer_open_json(path, tokenizer, err);
}

/* The path of a file beside another, or of one in a folder. */
static enum qb_status open_beside(const char *path, bool folder, const char *name, struct qb_tokenizer **tokenizer,
                                  struct qb_error *err)
{
    const char *slash = folder ? path + strlen(path) : strrchr(path, '/');
    struct qb_text text = {0};
    qb_text_bytes(&text, path, slash ? (size_t)(slash - path) : 0);
    qb_text_add(&text, "%s%s", slash ? "/" : "", name);
    if (text.failed)
        qb_fail(err, QB_ERR_MEMORY, "no memory for a path");
    else
        open_file(text.data, tokenizer, err);
    qb_text_free(&text);
    return err->status;
}

/* The tokenizer that a model in our layout names. */
static enum qb_status open_named(const char *path, struct qb_tokenizer **tokenizer, struct qb_error *err)
{
    struct qb_weights *weights = NULL;
    const char *name;
    if (qb_weights_open(path, &weights, err))
        return err->status;
    if (!(name = qb_weights_meta(weights, "tokenizer")))
        qb_fail(err, QB_ERR_INPUT, "%s: the model names no tokenizer", path);
    else if (!*name || strchr(name, '/') || name[0] == '.')
        qb_fail(err, QB_ERR_INPUT, "%s: __metadata__: tokenizer is '%.*s', expected the name of a file beside this one",
                path, QB_UPTO(200, name));
    else
        open_beside(path, false, name, tokenizer, err);
    qb_weights_free(weights);
    return err->status;
}

enum qb_status qb_tokenizer_open(const char *path, struct qb_tokenizer **tokenizer, struct qb_error *err)
{
    if (is_folder(path))
        return open_beside(path, true, "tokenizer.json", tokenizer, err);
    return kind_of(path) == KIND_SAFETENSORS ? open_named(path, tokenizer, err) : open_file(path, tokenizer, err);
}
