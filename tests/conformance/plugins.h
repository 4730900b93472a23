/* Finding and loading the plugins of the build that a test program belongs to: BUILD/tests/<tier>/<program> finds
 * BUILD/codecs, BUILD/planted and BUILD/outside. */
#ifndef QB_TEST_PLUGINS_H
#define QB_TEST_PLUGINS_H

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <criterion/criterion.h>
#include "codec/registry.h"

/* BUILD/name; valid until the fourth call after it. */
static inline const char *plugin_path(const char *name)
{
    static char paths[4][PATH_MAX];
    static unsigned at;
    char self[PATH_MAX / 2];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    cr_assert_gt(size, 0);
    self[size] = '\0';
    for (int i = 0; i < 3; i++)
        *strrchr(self, '/') = '\0';
    char *path = paths[at++ % 4];
    snprintf(path, PATH_MAX, "%s/%s", self, name);
    return path;
}

/* The folder of the shipped codecs. */
static inline const char *codecs_path(void)
{
    const char *set = getenv("QINSBENCH_CODECS");
    return set && *set ? set : plugin_path("codecs");
}

/* A registry of one plugin; fails the test when it does not load. */
static inline struct qb_registry *load_plugin(const char *path)
{
    struct qb_registry *registry = NULL;
    struct qb_error err = {0};
    const char *const extra[] = {path, NULL};
    cr_assert_eq(qb_registry_open(NULL, extra, &registry, &err), QB_OK, "%s", err.message);
    cr_assert_eq(qb_registry_count(registry), 1);
    return registry;
}

#endif
