/* A suite: models x variants x experiments as the user wrote them, read strictly. Every error names file, line, key
 * and what was expected. */
#ifndef QB_SUITE_H
#define QB_SUITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/only.h"
#include "base/text.h"
#include "base/yaml.h"
#include "codec/variant.h"
#include "model/model.h"
#include "run/experiment.h"
#include "run/task_words.h"
#include "run/words.h"

#define QB_SUITE_SIDE_MAX 1024 /* models, variants or experiments of one suite */

struct qb_suite_experiment;

/* models.<name>: {generator, vocab, hidden, layers, seed} or {file}, and optionally prompt, corpus, calibration (which
 * win over the experiment's and the suite's), options (experiment -> options that win likewise), experiments and
 * variants (lists of names or globs that restrict), tokenizer (a file, in place of the model's own), optional (true: a
 * suite whose file is not there runs without the model, and says so). */
struct qb_suite_model {
    char *name;
    const struct qb_yaml *node;
    char *generator; /* or NULL */
    struct qb_generator_options generated;
    char *file, *tokenizer; /* resolved paths, or NULL */
    bool optional;          /* its file need not be there */
    bool absent;            /* optional, or left out, and its file is not there: of no model of a suite that was read */
    struct qb_words prompt, corpus, calibration;
    const struct qb_yaml *experiments, *variants, *options;
    struct qb_suite_experiment *own; /* experiments under this model's options */
    size_t own_count;
};

/* experiments.<name>: the descriptor's options, and the inputs prompt, corpus, context, chunks, offset, spread and
 * tasks, and variants (a list of names or globs that restrict). */
struct qb_suite_experiment {
    const struct qb_experiment *experiment;
    const struct qb_yaml *node, *over; /* over: a model's options, which win; or NULL */
    union qb_option_value *values;     /* one an option */
    char *canonical;                   /* "steps=500", in the descriptor's order */
    struct qb_words prompt, corpus;    /* owned by the suite's own entry, not by a model's */
    struct qb_task_words *tasks;       /* likewise */
    size_t task_count;
    const struct qb_yaml *variants; /* names or globs that restrict it, or NULL */
    size_t context, chunks, offset; /* of a corpus; defaults 256, 40 and 0 */
    enum qb_words_spread spread;    /* likewise; EVEN, or NONE where it reads as llama.cpp does */
};

struct qb_suite_absent {
    const struct qb_yaml *node; /* the model's entry */
    bool optional;              /* else --only leaves it out */
};

struct qb_suite_limits {
    double seconds;  /* of one cell; default 300 */
    double unsaved;  /* seconds of a cell's work that may go unsaved beyond a piece (parts.h); default 1 */
    uint64_t memory; /* bytes that a worker may take beyond the loaded model; 0: no limit */
    size_t cells;    /* largest plan; default 100000 */
};

struct qb_suite {
    char *name;
    char *path;   /* of the file */
    char *folder; /* it is in: relative paths are looked up there first */
    struct qb_yaml *root;
    struct qb_text text; /* the suite after --set, canonical */
    uint32_t seed;       /* for random test vectors; default 0 */
    struct qb_suite_model *models;
    size_t model_count;
    struct qb_suite_absent *absent; /* models whose files need not be there and are not */
    size_t absent_count;
    struct qb_variant **variants;
    size_t variant_count;
    struct qb_suite_experiment *experiments;
    size_t experiment_count;
    struct qb_words calibration; /* for models without their own */
    struct qb_suite_limits limits;
    struct qb_registry *registry; /* for models' files, borrowed; the suite's plugins are added to it */
    enum qb_isa isa;
};

struct qb_suite_options {
    struct qb_registry *registry; /* plugins: of the suite are added to it */
    enum qb_isa isa;
    const char *const *set;     /* "key=value", NULL-terminated, or NULL: put into the tree before it is read */
    const struct qb_only *only; /* or NULL; the `file` of a model that it leaves out need not be there */
};

/* Reads path. `--set models.*.<generator key>` reaches generated models only. The caller frees with qb_suite_free. */
enum qb_status qb_suite_load(const char *path, const struct qb_suite_options *options, struct qb_suite **suite,
                             struct qb_error *err);
void qb_suite_free(struct qb_suite *suite);

/* The file that `node` (a scalar) names: relative paths are tried from the suite's folder, the current folder and the
 * shipped data ("data/..." there too). Writes out[4096]. */
enum qb_status qb_suite_file(const struct qb_suite *suite, const struct qb_yaml *node, char out[4096],
                             struct qb_error *err);

/* Experiment e as model m runs it: with the model's own options where it has some. */
const struct qb_suite_experiment *qb_suite_experiment_of(const struct qb_suite *suite, size_t m, size_t e);

/* The experiment whose corpus, context, chunks and offset are those of `experiment`: itself where it has a corpus, else
 * teacher-forced where the suite has that. A model's own corpus wins over its corpus. */
const struct qb_suite_experiment *qb_suite_texts(const struct qb_suite *suite,
                                                 const struct qb_suite_experiment *experiment);

/* The words of experiment e's prompts on the model: its own, the experiment's, or those lent by greedy. */
const struct qb_words *qb_suite_prompts(const struct qb_suite *suite, const struct qb_suite_model *model,
                                        const struct qb_suite_experiment *experiment);

/* Opens or generates the model, with the tokenizer that the suite names for it, which must not have more tokens; it is
 * called by the suite's name for it, in messages too. The caller frees it. */
enum qb_status qb_suite_open_model(const struct qb_suite *suite, const struct qb_suite_model *entry,
                                   struct qb_model **model, struct qb_error *err);

/* Does this model run under this variant, this experiment (the restrictions of both)? variant NULL: the reference. */
bool qb_suite_allows(const struct qb_suite_model *model, const struct qb_variant *variant,
                     const struct qb_suite_experiment *experiment);

#endif
