#include "run/question_files.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"

static bool ends_with(const char *name, const char *end)
{
    const size_t n = strlen(name), e = strlen(end);
    return n > e && strcmp(name + n - e, end) == 0;
}

static int is_questions(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && (ends_with(entry->d_name, ".csv") || ends_with(entry->d_name, ".jsonl"));
}

static enum qb_status read_file(const char *path, struct qb_questions *out, struct qb_hash *hash, struct qb_error *err)
{
    char *data = NULL;
    size_t size = 0;
    const size_t before = out->count;
    if (qb_file_read(path, QB_QUESTION_FILE_MAX, &data, &size, err))
        return err->status;
    qb_hash_bytes(hash, data, size);
    const size_t mark = strncmp(data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0; /* U+FEFF, which some editors put first */
    if (strlen(data) < size)
        qb_fail(err, QB_ERR_INPUT, "%s: expected text, found a NUL byte", path);
    else if (ends_with(path, ".csv"))
        qb_questions_csv(path, data + mark, size - mark, out, err);
    else
        qb_questions_json(path, data + mark, size - mark, out, err);
    qb_free(data);
    if (!err->status && out->count == before)
        qb_fail(err, QB_ERR_INPUT, "%s: no question in it", path);
    return err->status;
}

enum qb_status qb_questions_read(const char *path, struct qb_questions *out, struct qb_hash *hash, struct qb_error *err)
{
    struct stat info;
    struct dirent **entries = NULL;
    char file[4096];
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))
        return read_file(path, out, hash, err);
    const int n = scandir(path, &entries, is_questions, alphasort);
    if (n <= 0)
        qb_fail(err, QB_ERR_INPUT, "%s: expected files *.jsonl or *.csv in this folder", path);
    for (int i = 0; i < n; i++) {
        const int length = err->status ? 0 : snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);
        if (length >= (int)sizeof file)
            qb_fail(err, QB_ERR_INPUT, "%s: a path of more than %zu bytes", path, sizeof file - 1);
        else if (length > 0)
            read_file(file, out, hash, err);
        free(entries[i]);
    }
    free(entries);
    return err->status;
}
