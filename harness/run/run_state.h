/* A run in progress; only the engine's files include this. */
#ifndef QB_RUN_STATE_H
#define QB_RUN_STATE_H

#include "model/effect.h"
#include "run/engine.h"
#include "run/inputs.h"
#include "run/worker.h"

enum qb_stage { QB_STAGE_WAITING, QB_STAGE_RUNNING, QB_STAGE_ENDED };

struct qb_run_cell {
    enum qb_stage stage;
    char key[QB_HASH_HEX];    /* "" until the model was loaded */
    char inputs[QB_HASH_HEX]; /* likewise */
    struct qb_cell outcome;   /* failed or skipped: the whole cell; done: state alone */
    bool taken;
    size_t old_index; /* done: cell of the old result file, or QB_PLAN_NONE for a shard */
    size_t slot;      /* running: its worker */
};

struct qb_run {
    const struct qb_suite *suite;
    const struct qb_run_options *options;
    struct qb_plan plan;
    struct qb_run_cell *cells; /* [plan.count] */
    char *folder;              /* of the shards */
    int lock;
    struct qb_old_cell { /* finished cells of earlier runs onto this file */
        char *model, *variant, *experiment;
        char key[QB_HASH_HEX];
        size_t index; /* in the result file; QB_PLAN_NONE: a shard beside it */
    } * old;
    size_t old_count, old_room;
    /* the model at hand */
    struct qb_model *model;
    size_t model_index;
    struct qb_inputs *inputs;  /* [experiment_count] */
    struct qb_effect *effects; /* [variant_count], without sizes */
    struct qb_error *input_errors;
    char (*model_hashes)[QB_HASH_HEX];     /* [model_count], "" when not loaded */
    char (*tokenizer_hashes)[QB_HASH_HEX]; /* likewise; "" when the model has no tokenizer */
    bool *noted;                           /* [model_count]: what binds nothing was said */
    struct qb_worker *workers;             /* [jobs] */
    double start;
    struct qb_provenance provenance;
    bool interrupted;
    size_t load_failures; /* cells that failed because their model could not be loaded */
};

/* ---- run_files.c: lock, folder of shards, what is finished already ---- */
enum qb_status qb_run_lock(struct qb_run *run, struct qb_error *err);
void qb_run_unlock(struct qb_run *run);
/* Checks the output path, asks before finished cells are dropped (qb_run_guard), makes the folder, removes what does
 * not belong there: without resume every shard. */
enum qb_status qb_run_prepare(struct qb_run *run, struct qb_error *err);
void qb_run_shard_path(const struct qb_run *run, const char *key, char out[4200]);
/* Marks cell i as done when a shard or the old file has it under its key. */
void qb_run_take(struct qb_run *run, size_t i);
bool qb_run_shard_name(const char *name);
/* Removes the shards and their folder: everything is in the result file. */
void qb_run_clean(struct qb_run *run);

/* ---- run_keep.c: finished cells of earlier runs are not dropped unasked ---- */
/* Fills `old` from the result file and its shards. A file that cannot be read is an error without options.force. */
enum qb_status qb_run_read_old(struct qb_run *run, struct qb_error *err);
bool qb_run_same_place(const struct qb_run *run, size_t i, const char *model, const char *variant,
                       const char *experiment);
/* Is the old cell what cell i of the plan would measure? The cell has its key. */
bool qb_run_holds(const struct qb_run *run, size_t i, const struct qb_old_cell *old);
/* Is the file `name` of the shards' folder a finished cell that this run neither took nor ran anew, and so leaves
 * there?
 */
bool qb_run_aside(const struct qb_run *run, const char *name);
/* QB_ERR_INPUT without options.force when finished cells would be dropped: every one without resume, with it those that
 * the suite does not have. */
enum qb_status qb_run_guard(struct qb_run *run, struct qb_error *err);
/* Likewise those that --only leaves out and that no longer hold. Loads models, one at a time, to know their keys. */
enum qb_status qb_run_guard_unselected(struct qb_run *run, struct qb_error *err);
/* When all has run: says which old cells ran again. Some without any outcome: *keep_old_file after an interruption (the
 * result file must then stay), else QB_ERR_INPUT without options.force. */
enum qb_status qb_run_settle_old(struct qb_run *run, bool *keep_old_file, struct qb_error *err);

/* ---- run_model.c: one model at a time ---- */
/* Loads model m of the suite, makes the inputs and keys of its cells, and takes what is finished. On failure its cells
 * have failed; QB_OK still. */
enum qb_status qb_run_load(struct qb_run *run, size_t m, struct qb_error *err);
void qb_run_unload(struct qb_run *run);

/* ---- run_notes.c ---- */
/* Notes, once a model, where variants encode different weights of it or entries of their requests are without effect.
 */
void qb_run_note_effects(struct qb_run *run);

/* ---- run_result.c ---- */
/* The outcome of a cell without a shard: failed or skipped, with flagged rows for the summary. */
enum qb_status qb_run_outcome(struct qb_run *run, size_t i, enum qb_cell_state state, bool nonfinite, double seconds,
                              const char *message, struct qb_error *err);
enum qb_status qb_run_assemble(struct qb_run *run, struct qb_error *err);
/* One warning a model whose calibrated variants were measured on text that they were calibrated on. */
void qb_run_warn_overlap(struct qb_run *run);

/* ---- engine.c ---- */
void qb_run_note(struct qb_run *run, enum qb_run_event_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void qb_run_finished(struct qb_run *run, size_t i, double seconds);

#endif
