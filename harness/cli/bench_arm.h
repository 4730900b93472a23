/* An arm of `bench model`: a process of its own that keeps a model ready and is asked for one pass at a time, over a
 * socket, by lines of text; it answers each with a line of JSON. Our nets under a variant and programs of others are
 * asked the same questions (docs/speed.md has them). */
#ifndef QB_BENCH_ARM_H
#define QB_BENCH_ARM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "base/error.h"

enum qb_pass { QB_PASS_PREFILL, QB_PASS_DECODE, QB_PASSES };
const char *qb_pass_name(enum qb_pass pass); /* "prefill", as it is asked for */

/* What an arm says of itself; numbers are NaN and texts "" where it says nothing. */
struct qb_arm_facts {
    char program[32], build[512]; /* of a build: version, and what it was built for */
    char arithmetic[16]; /* "fp32", "forward", "fused", "split", "split2"; "fused, no copy": of a matrix, for want of
                            memory */
    char type_k[16], type_v[16]; /* of its cache */
    char model_type[64];
    double model_size, model_params; /* bytes of its weights, and how many they are */
    double n_threads, n_batch, n_ubatch;
    double step_bytes;       /* of weights that a decode step reads */
    double kv_value_bytes;   /* of one value of its cache, */
    double position_bytes;   /* or of one position of one sequence, all layers, both sides */
    double rss_before_bytes; /* resident before there was a model */
};

struct qb_bench_arm { /* zero-initialise; qb_arm_end releases */
    const char *name; /* borrowed */
    bool peer;        /* a program of others */
    double limit;     /* seconds for an answer; 0: no limit */
    struct qb_arm_facts facts;
    double peak_rss_bytes;  /* as of its last pass; NaN: not said */
    struct qb_error failed; /* why it is asked no more; clean: it is ready */
    pid_t pid;              /* 0: there is no process */
    int socket, chatter;    /* chatter: a file of what it printed, where that is a peer's */
};

/* Forks this process: the child calls serve(context, socket) and ends. The caller may have no threads. */
typedef void (*qb_arm_serve)(void *context, int socket);
enum qb_status qb_arm_fork(struct qb_bench_arm *arm, qb_arm_serve serve, void *context, struct qb_error *err);
/* Starts a program, argv[0] looked for in $PATH, that reads questions from stdin and answers on stdout. */
enum qb_status qb_arm_spawn(struct qb_bench_arm *arm, const char *const *argv, struct qb_error *err);

/* Waits for the facts that an arm begins with. What is wrong with the request, as the arm says it, is QB_ERR_INPUT; an
 * arm that ended, was late or said what is no answer is QB_ERR_IO. */
enum qb_status qb_arm_facts(struct qb_bench_arm *arm, struct qb_error *err);

/* Questions. What goes wrong ends the arm and stands in arm->failed: it is asked no more. False: it did. */
/* An empty cache of `sequences` sequences with room for so many positions each. */
bool qb_arm_open(struct qb_bench_arm *arm, size_t sequences, size_t positions);
/* Untimed: fills each sequence to exactly `depth` positions, and does a bit of the pass. */
bool qb_arm_prepare(struct qb_bench_arm *arm, enum qb_pass pass, size_t tokens, size_t depth);
/* The pass that was prepared: its seconds. */
bool qb_arm_time(struct qb_bench_arm *arm, double *seconds);

void qb_arm_end(struct qb_bench_arm *arm);

#endif
