/* Inside the conformance suite: the list of checks and what a check gets. */
#ifndef QB_CONFORMANCE_CHECKS_H
#define QB_CONFORMANCE_CHECKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "codec/codec.h"
#include "codec/conformance.h"

#define QB_CHECK_MESSAGE 512
#define QB_BLOCK_MAX 4096 /* values of a block that the suite looks for */

struct qb_check_case { /* made by the suite, read by a check in its own process */
    const struct qb_codec *codec;
    struct qb_codec_config config;
    bool defaults; /* the options are the codec's defaults: its tolerances hold */
    uint32_t seed;
    size_t block; /* 0: not asked yet; the values of a codec's blocks, 1 where it takes any number of columns */
    char message[QB_CHECK_MESSAGE]; /* written by the check: why it failed or was skipped */
};

struct qb_check {
    const char *name;
    enum qb_verdict (*run)(struct qb_check_case *c);
};

extern const struct qb_check qb_checks[]; /* ended by a NULL name */

/* conformance_buffers.c */
enum qb_verdict qb_check_sizes(struct qb_check_case *c);
enum qb_verdict qb_check_round_trip(struct qb_check_case *c);
enum qb_verdict qb_check_exact_buffers(struct qb_check_case *c);
enum qb_verdict qb_check_small_buffers(struct qb_check_case *c);
enum qb_verdict qb_check_large_buffers(struct qb_check_case *c);
enum qb_verdict qb_check_truncated(struct qb_check_case *c);
enum qb_verdict qb_check_random_bytes(struct qb_check_case *c);

/* conformance_offered.c: what a codec may offer */
enum qb_verdict qb_check_parts(struct qb_check_case *c);
enum qb_verdict qb_check_gemv(struct qb_check_case *c);
enum qb_verdict qb_check_gemm_tile(struct qb_check_case *c);
enum qb_verdict qb_check_layout(struct qb_check_case *c);

#endif
