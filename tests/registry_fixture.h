/* A test suite's registry over this build's plugins, and an error that is clean when a test begins. */
#ifndef QB_TEST_REGISTRY_FIXTURE_H
#define QB_TEST_REGISTRY_FIXTURE_H

#include "base/yaml.h"
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

/* The variant of a YAML map, for qb_variant_free. */
static inline struct qb_variant *variant_named(const char *name, const char *text)
{
    struct qb_yaml *root = NULL;
    struct qb_variant *v = NULL;
    err = (struct qb_error){0};
    MUST(qb_yaml_parse(text, strlen(text), "my.yaml", &root, &err));
    MUST(qb_variant_read(root, name, registry, QB_ISA_PORTABLE, &v, &err));
    qb_yaml_free(root);
    return v;
}

static inline struct qb_variant *variant_of(const char *text)
{
    return variant_named("mine", text);
}

#endif
