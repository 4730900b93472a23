/* `bench model`: a model under variants, and programs of others, against FP32 by turns. */
#ifndef QB_BENCH_MODEL_H
#define QB_BENCH_MODEL_H

#include "bench_arm.h"
#include "cli.h"
#include "opened.h"

enum { QB_BENCH_NAMES = 16, QB_BENCH_LIST = 8 };

struct qb_bench_names {
    const char *list[QB_BENCH_NAMES]; /* borrowed */
    size_t count;
};

struct qb_bench_counts { /* "0,2048" */
    long list[QB_BENCH_LIST];
    size_t count;
};
enum qb_status qb_bench_counts(const char *flag, const char *text, long min, long max, struct qb_bench_counts *counts,
                               struct qb_error *err);

struct qb_bench_request {
    const char *model, *calibration, *python;
    struct qb_bench_names variants, peers; /* a peer NULL: the model's own file */
    struct qb_plugins codecs;
    bool fused;
    long prefill, decode; /* 0: not measured */
    struct qb_bench_counts depths, batches;
    long threads, repeats; /* 0: as many as there are cores, as it takes to balance 12 or more */
    long hold, peer_limit;
    enum qb_output output;
};
struct qb_bench_request qb_bench_request_default(void);

/* ---- what comes out ---- */

struct qb_bench_arm_times { /* each [repeats]; NaN: not measured, or the arm failed */
    double *seconds, *joules;
    double *limit; /* what the machine did in the same repeat: GB/s for a decode, GFLOP/s for a prefill */
    double work;   /* of the pass, in bytes or FLOP; NaN: not known */
};

struct qb_bench_test {
    enum qb_pass pass;
    size_t tokens, depth, sequences;
    char name[48]; /* llama-bench's: "pp512", "tg128 @ d2048" */
    struct qb_bench_arm_times *arms;
};

enum { QB_BENCH_FP32, QB_BENCH_SELF, QB_BENCH_FIRST }; /* arms; FIRST: of the variants, then come the peers */

struct qb_bench_result {
    const struct qb_bench_request *request;
    const struct qb_opened *opened;
    struct qb_bench_arm *arms;
    const char **files; /* [arm_count]: the model file of each */
    size_t arm_count, variant_count, repeats;
    struct qb_bench_test *tests;
    size_t test_count;
    bool held;             /* no arm decodes what it does not encode */
    double others;         /* share of the processors' time that went to other processes; NaN: not known */
    const char *no_energy; /* why there is none; NULL: there is */
};

/* The listing or the page of what was measured. */
void qb_bench_model_print(const struct qb_bench_result *result, struct qb_text *out);

/* The command: its exit code. */
int qb_bench_model(const struct qb_bench_request *request);

#endif
