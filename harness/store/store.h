/* The result file and the shards it is made of (HDF5). A shard holds one finished (or failed) cell; the result file
 * holds every cell of a run under one roof. Files appear by rename only: what exists under its final name is whole.
 * Both carry a SHA-256 of their content, which is checked before HDF5 sees a byte: libhdf5 has known crashes on
 * damaged files, and a flipped bit in an array would go unseen. Not thread-safe, as libhdf5 is not: one thread of a
 * process calls into the store. */
#ifndef QB_STORE_H
#define QB_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/hash.h"
#include "base/record.h"
#include "metric/metric.h"

/* What result files and shards begin with, before anything else in them is right. */
#define QB_FILE_START "qinsbench file;"

enum qb_cell_state { QB_CELL_DONE, QB_CELL_FAILED, QB_CELL_SKIPPED };

/* What the cell's variant encodes of the model (model/effect.h: struct qb_effect). */
struct qb_reach {
    bool known; /* false: files of older programs, failed cells, references; the rest is then 0 and NULL */
    uint64_t tensors, weights, bytes;
    char *unbound; /* entries of the variant's request that reach nothing, comma-separated; "" when all do */
    /* Where the variant's codec does not take the shape of some: what is stored in it and what in the variant's
     * `otherwise`; ids of both. Else 0 and NULL, as in files of older programs. */
    char *codec, *otherwise;
    uint64_t codec_tensors, codec_weights, otherwise_tensors, otherwise_weights;
};

void qb_reach_free(struct qb_reach *reach); /* the content; not the struct */

struct qb_text;
/* "q4_k: 26542080 weights in 30 matrices; otherwise q5_0: 107937792 in 181"; nothing where nothing is otherwise. */
void qb_reach_print_otherwise(const struct qb_reach *reach, struct qb_text *out);

/* Ordered (name, value) pairs. */
struct qb_provenance {
    struct qb_pair {
        char *name, *value;
    } * pairs;
    size_t count;
};

struct qb_cell {
    char *model, *variant, *experiment; /* variant "reference" for a reference's shard */
    char key[QB_HASH_HEX];              /* content key */
    char inputs[QB_HASH_HEX];           /* SHA-256 of the cell's token inputs; "" in files of older programs */
    char *options;                      /* the experiment's options in force, "steps=500"; likewise "" */
    enum qb_cell_state state;
    char *message;  /* failed or skipped: why; "" otherwise */
    char *warnings; /* lines shown to the user once, e.g. the deprecation of legacy; "" when none */
    double seconds; /* wall */
    double cpu_seconds;
    double prepare_seconds; /* wall, of the process that built the variant's net for this and its sibling cells; 0:
                               none, or a file of an older program */
    uint64_t peak_rss;      /* bytes */
    enum qb_floor floor;    /* that the variant is by definition; the reference is none */
    struct qb_reach reach;
    struct qb_record record; /* raw arrays; empty when read without them */
    struct qb_value *values; /* summary rows */
    size_t value_count;
    struct qb_provenance facts; /* of the run that measured it (qb_cell_fact_names); none: those of the file */
};
void qb_cell_free(struct qb_cell *cell); /* the content; not the struct */

/* May `name` stand for a model, variant or experiment in a result file's paths? 1 to 100 of [A-Za-z0-9._-], but not "."
 * or "..". */
bool qb_name_ok(const char *name);

/* Writes a shard atomically, over a file that may be there; on a full disk the temporary file is removed and the error
 * says so. */
enum qb_status qb_shard_write(const char *path, const struct qb_cell *cell, struct qb_error *err);
/* Reads a shard back, arrays included when `arrays`; a truncated or foreign file is an error, never a crash. */
enum qb_status qb_shard_read(const char *path, bool arrays, struct qb_cell *cell, struct qb_error *err);
/* Reads one that was found, not made by this run, whole in a child first, as qb_result_open does: whatever libhdf5 does
 * on a damaged one is an error that names it. */
enum qb_status qb_shard_try(const char *path, struct qb_error *err);

/* The same of a part of a cell (run/parts.h), which holds rows of its arrays and no values; always with arrays. Neither
 * is read as the other. */
enum qb_status qb_part_write(const char *path, const struct qb_cell *part, struct qb_error *err);
enum qb_status qb_part_read(const char *path, struct qb_cell *part, struct qb_error *err);
enum qb_status qb_part_try(const char *path, struct qb_error *err);

/* Provenance is stored as attributes of /provenance, long values as datasets. */
/* Names are of [A-Za-z0-9._-]; adding a name again replaces its value. Values are cleaned, lines stay (base/utf8.h);
 * NULL counts as "". */
enum qb_status qb_provenance_add(struct qb_provenance *p, const char *name, const char *value, struct qb_error *err);
enum qb_status qb_provenance_addf(struct qb_provenance *p, struct qb_error *err, const char *name, const char *format,
                                  ...) __attribute__((format(printf, 4, 5)));
const char *qb_provenance_get(const struct qb_provenance *p, const char *name); /* NULL: none */
void qb_provenance_free(struct qb_provenance *p);

/* What the caller knows and the store cannot ask for (it includes no room but base and metric); strings may be NULL. */
struct qb_run_facts {
    const char *isa;         /* level in use: qb_isa_name */
    const char *blas_config; /* qb_blas_config() */
    const char *blas_core;   /* qb_blas_core() */
    unsigned threads;        /* compute threads a worker; 0: not said */
};
/* Adds what every run states: program version, compiler and flags, CPU model and features, cores, ISA level in use,
 * OpenBLAS config and core name, HDF5 version, host kernel, start time (UTC, now). The host's name is left out. Names
 * are listed in docs/result-file.md. */
enum qb_status qb_provenance_collect(struct qb_provenance *p, const struct qb_run_facts *facts, struct qb_error *err);

/* What a cell says of the run that measured it, NULL-terminated: program_version, cpu, cores, threads, isa, blas_core,
 * started. A result file may hold cells of several runs, so its own provenance does not speak for all of them. */
extern const char *const qb_cell_fact_names[];
/* Copies these of `from` to `to`; those that it lacks stay away. */
enum qb_status qb_cell_facts_take(struct qb_provenance *to, const struct qb_provenance *from, struct qb_error *err);

/* Assembles the result file from shards and from cells of an older result file, in the order given, and puts it in
 * place by rename. The floors (metric.h) flag the summary's rows on the way; shards keep theirs as they are. Each
 * source is a shard path (cell = SIZE_MAX) or (old result file, cell index). Failed and skipped cells come as in-memory
 * cells. Arrays are copied without being recomputed. A cell of an older result file that says nothing of the run that
 * measured it is given that file's facts. */
struct qb_cell_source {
    const char *shard;           /* path, or NULL */
    const struct qb_result *old; /* with old_index */
    size_t old_index;
    const struct qb_cell *cell; /* in memory */
};
struct qb_result;
enum qb_status qb_result_assemble(const char *path, const struct qb_provenance *provenance,
                                  const struct qb_cell_source *sources, size_t count, struct qb_error *err);

/* Opens a result file for reading, after a child has read all of it: damage that would crash libhdf5 or take its memory
 * is QB_ERR_INPUT as any other. Layout (docs/result-file.md): /provenance, /summary (compound table: model, variant,
 * experiment, metric, value, lo, hi, n, unit, flags, note), /cells/<model>/<variant>/<experiment>/{arrays}. */
enum qb_status qb_result_open(const char *path, struct qb_result **result, struct qb_error *err);
void qb_result_close(struct qb_result *result);
const char *qb_result_path(const struct qb_result *result);
size_t qb_result_count(const struct qb_result *result);
/* Cell `index` without arrays, owned by the result; its values are there. */
const struct qb_cell *qb_result_cell(const struct qb_result *result, size_t index);
/* Index of a cell, or SIZE_MAX. */
size_t qb_result_find(const struct qb_result *result, const char *model, const char *variant, const char *experiment);
/* The metric's value of a cell, or NULL. */
const struct qb_value *qb_result_value(const struct qb_result *result, const char *model, const char *variant,
                                       const char *experiment, const char *metric);
/* A fact of the run that measured a cell: its own, or the file's where it has none. NULL: neither says. */
const char *qb_result_fact(const struct qb_result *result, size_t index, const char *name);
/* Reads the raw arrays of a cell into a zeroed record; the caller frees it. */
enum qb_status qb_result_record(const struct qb_result *result, size_t index, struct qb_record *record,
                                struct qb_error *err);
const struct qb_provenance *qb_result_provenance(const struct qb_result *result);
/* Was the run stopped before all of its cells had run? */
bool qb_result_interrupted(const struct qb_result *result);

#endif
