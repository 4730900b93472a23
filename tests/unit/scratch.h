/* A folder of a test's own, removed with what is in it. For tests of files. */
#ifndef QB_TEST_SCRATCH_H
#define QB_TEST_SCRATCH_H

#include <dirent.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <criterion/criterion.h>

static char scratch_folder[PATH_MAX / 2];

static inline void scratch_begin(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(scratch_folder, sizeof scratch_folder, "%s/qb-test-XXXXXX", base ? base : "/tmp");
    cr_assert_not_null(mkdtemp(scratch_folder));
}

static inline int scratch_remove(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info;
    (void)type;
    (void)place;
    return remove(path);
}

static inline void scratch_end(void)
{
    nftw(scratch_folder, scratch_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* The path of `name` in the folder; valid until the fourth call after it. */
static inline const char *scratch_path(const char *name)
{
    static char paths[4][PATH_MAX];
    static unsigned at;
    char *path = paths[at++ % 4];
    snprintf(path, PATH_MAX, "%s/%s", scratch_folder, name);
    return path;
}

static inline const char *scratch_write(const char *name, const void *data, size_t size)
{
    const char *path = scratch_path(name);
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(data, 1, size, file), size);
    cr_assert_eq(fclose(file), 0);
    return path;
}

/* How many entries the folder has. */
static inline int scratch_count(void)
{
    int count = 0;
    DIR *folder = opendir(scratch_folder);
    for (struct dirent *entry; (entry = readdir(folder));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(folder);
    return count;
}

#endif
