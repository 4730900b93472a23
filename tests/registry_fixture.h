/* A test suite's registry over this build's plugins, and an error that is clean when a test begins. */
#ifndef QB_TEST_REGISTRY_FIXTURE_H
#define QB_TEST_REGISTRY_FIXTURE_H

#include "net_support.h"

static struct qb_registry *registry;
static struct qb_error err;

static inline void registry_begin(void)
{
    registry = support_registry();
    err = (struct qb_error){0};
}

static inline void registry_end(void)
{
    qb_registry_free(registry);
}

#endif
