/* The conformance suite: what every codec has to hold to, shipped or from outside. Each check runs in a process of its
 * own with a time limit, so that a plugin that crashes, hangs or writes where it must not is reported as that. */
#ifndef QB_CONFORMANCE_H
#define QB_CONFORMANCE_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "codec/registry.h"

enum qb_verdict { QB_VERDICT_PASS, QB_VERDICT_FAIL, QB_VERDICT_SKIP };

struct qb_conformance_result {
    const char *check;   /* "row ranges" */
    const char *options; /* as qb_format_print writes them; "" for a codec without options */
    enum qb_verdict verdict;
    const char *message; /* why it failed or was skipped; passed: what was measured, or "". One line. */
};

/* Called once for each check and combination of options, in the caller's process. The result lives during the call. */
typedef void qb_conformance_report(void *context, const struct qb_conformance_result *result);

struct qb_conformance_limits {
    double seconds; /* a check's time limit for one combination; 0: 10 */
    uint32_t seed;  /* of random inputs and random bytes; named in messages that depend on it */
};

struct qb_conformance_summary {
    size_t passed, failed, skipped;
};

/* Runs every check over the default options, then over each scope, choice and switch (all combinations while they are
 * few, else one at a time) and the ends of each numeric option, at instruction set level `isa`, which the CPU must
 * have. limits may be NULL (10 seconds, seed 1), report may be NULL. QB_OK: the suite ran, what it found is in
 * *summary; an error: it could not run (no memory, no process). Forks: call it where no lock is held by another thread
 * of this process. */
enum qb_status qb_conformance(const struct qb_plugin *plugin, enum qb_isa isa,
                              const struct qb_conformance_limits *limits, qb_conformance_report *report, void *context,
                              struct qb_conformance_summary *summary, struct qb_error *err);

#endif
