/* Timed probes of bench: what runs once, how much work that is, and interleaved repeats of many. */
#ifndef QB_BENCH_PROBE_H
#define QB_BENCH_PROBE_H

#include <stddef.h>
#include "base/error.h"
#include "cli.h"

struct qb_probe {
    char group[24];   /* "codec", "sgemm", "forward" */
    char name[48];    /* "qins8 decode" */
    char detail[64];  /* "avx512" */
    const char *unit; /* of work / second / 1e9: "GB/s", "GFLOPS" */
    double work;      /* bytes or FLOP of one call */
    enum qb_status (*call)(void *context, struct qb_error *err);
    void (*before)(void *context); /* untimed, before each timed call; NULL: nothing */
    void *context;
    size_t
        ceiling; /* index of the probe that it is a share of, or itself; told by its name, or detail if names agree */
    double beside_work; /* 0: none; else the probe's work as that of probe `beside` is counted: a line of its own */
    size_t beside;      /* tells it as a multiple of that one's rate */
    double *seconds;    /* [repeats], filled by qb_probes_run */
};

struct qb_probes {
    struct qb_probe *items;
    size_t count;
    size_t repeats;
};

/* A new probe, zeroed but for its ceiling (itself); NULL with err set. Indices stay, pointers do not. */
struct qb_probe *qb_probes_add(struct qb_probes *probes, struct qb_error *err);
/* Each probe once untimed, then `repeats` rounds over all of them, so that a change of the machine's speed meets all:
 * to and fro, so that over an even number of rounds no probe stands earlier than another. Each timed turn follows an
 * untimed call of the same probe; a call shorter than a millisecond is repeated within its turn, each behind what goes
 * before it. */
enum qb_status qb_probes_run(struct qb_probes *probes, struct qb_error *err);
/* Rows for the listing: group, name, detail, median, min, max, unit, n, share of the ceiling; a second one for a probe
 * with work as another's. */
enum qb_status qb_probes_list(const struct qb_probes *probes, struct qb_listing *listing, struct qb_error *err);
/* Median rate of probe i in its unit. */
double qb_probes_rate(const struct qb_probes *probes, size_t i);
void qb_probes_free(struct qb_probes *probes);

/* ---- the groups ---- */
struct qb_registry;
struct qb_bench_codecs; /* buffers of the codec probes; freed after the run */
enum qb_status qb_bench_codecs(const struct qb_registry *registry, const char *glob, enum qb_isa top,
                               struct qb_probes *probes, struct qb_bench_codecs **buffers, struct qb_error *err);
void qb_bench_codecs_free(struct qb_bench_codecs *buffers);

struct qb_bench_kernels;
enum qb_status qb_bench_kernels(enum qb_isa top, struct qb_probes *probes, struct qb_bench_kernels **kernels,
                                struct qb_error *err);
void qb_bench_kernels_free(struct qb_bench_kernels *kernels);

struct qb_bench_dots;
enum qb_status qb_bench_dots(enum qb_isa top, unsigned threads, struct qb_probes *probes, struct qb_bench_dots **dots,
                             struct qb_error *err);
void qb_bench_dots_free(struct qb_bench_dots *dots);

struct qb_bench_net;
enum qb_status qb_bench_net(unsigned threads, struct qb_probes *probes, struct qb_bench_net **net,
                            struct qb_error *err);
void qb_bench_net_free(struct qb_bench_net *net);

struct qb_bench_metrics;
enum qb_status qb_bench_metrics(struct qb_probes *probes, struct qb_bench_metrics **metrics, struct qb_error *err);
void qb_bench_metrics_free(struct qb_bench_metrics *metrics);

/* Plain OpenBLAS on one square product: for children with other core types. */
enum qb_status qb_bench_square(double *gflops, struct qb_error *err);

#endif
