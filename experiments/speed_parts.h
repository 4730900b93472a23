/* What the files of the experiment `speed` share: the arms, the stored tensors of a variant, the ceilings of a
 * cell, and decoding behind long contexts. */
#ifndef QB_SPEED_PARTS_H
#define QB_SPEED_PARTS_H

#include "base/turns.h"
#include "common.h"
#include "compute/ceilings.h"

enum { QB_SPEED_REFERENCE, QB_SPEED_VARIANT, QB_SPEED_SELF, QB_SPEED_ARMS }; /* who takes turns (base/turns.h) */

/* ---- speed_stored.c: what a net stores encoded, for timing nothing but its decoding ---- */

struct qb_stored;
/* *stored is new, for qb_stored_free, and borrows from `net`; without entries when that stores nothing encoded. An
 * entry is a row block, or a piece of one that is larger than qb_beyond_caches() when it is decoded. `fp32`: of the
 * same model, whose weights are read while it is called. */
enum qb_status qb_stored_create(struct qb_net *net, struct qb_net *fp32, struct qb_stored **stored,
                                struct qb_error *err);
void qb_stored_free(struct qb_stored *stored);
size_t qb_stored_count(const struct qb_stored *stored);
size_t qb_stored_values(const struct qb_stored *stored, size_t i); /* weights of entry i */
size_t qb_stored_bytes(const struct qb_stored *stored);            /* encoded, all together */
size_t qb_stored_decoded(const struct qb_stored *stored);          /* FP32 bytes, all together */
/* Decodes every entry once, each into the same room, through the plugin alone (the host's NaN check left out). */
void qb_stored_decode(void *stored);
/* FP32 bytes of the sample that qb_stored_encode encodes: the first rows of the largest entry (qb_panel_rows), as FP32
 * has them; 0 without entries. */
size_t qb_stored_sample_bytes(const struct qb_stored *stored);
/* Encodes the sample once, through the plugin alone. There must be an entry. */
void qb_stored_encode(void *stored);

/* ---- speed_ceilings.c: what the machine allows, on the working sets that the cell's own passes have ---- */

struct qb_ceilings;
/* read_bytes: what a decode step reads. tokens: of a prefill. fp32: the net whose products a prefill multiplies,
 * borrowed while it is called, as `stored` is for the ceilings' life. *ceilings is new, for qb_ceilings_free. */
enum qb_status qb_ceilings_create(const struct qb_cell_env *env, struct qb_net *fp32, const struct qb_stored *stored,
                                  double read_bytes, size_t tokens, struct qb_ceilings **ceilings,
                                  struct qb_error *err);
void qb_ceilings_free(struct qb_ceilings *ceilings);

/* The fastest of several turns each, for what else runs on the machine only ever adds to a turn. */
struct qb_ceiling_rates {
    double read_gbs;        /* reading a working set of read_bytes, over the cell's threads */
    double store_gbs;       /* writing as decoding does: the same FP32 bytes into the same room */
    double memcpy_gbs;      /* likewise, copied from a buffer as large as what is stored */
    double lookup_gbs;      /* likewise, each 8-bit code looked up in a table; FP32 bytes written */
    double sgemm_gflops;    /* the products of a prefill alone, over the cell's threads */
    double weight_decode_s; /* decoding all stored weights once; NaN when there are none */
    double weight_encode_s; /* encoding qb_stored_sample_bytes of FP32; NaN likewise */
};
void qb_ceilings_measure(struct qb_ceilings *ceilings, struct qb_ceiling_rates *rates);

/* Adds the scalars that say what was measured: read_bytes, memcpy_bytes, memcpy_source_bytes, memcpy_target_bytes,
 * sgemm_flop. */
enum qb_status qb_ceilings_record(const struct qb_ceilings *ceilings, struct qb_record *out, struct qb_error *err);

/* ---- speed_depth.c: decoding behind long contexts ---- */

#define QB_SPEED_DEPTHS "none|512|2k|8k|32k" /* the choices of the option `depth` */

/* Positions of the deepest context that the model has among those up to choice `asked` of QB_SPEED_DEPTHS; 0: none, for
 * nothing is asked, the model keeps no keys and values, or has fewer positions than the first. */
size_t qb_speed_deepest(const struct qb_arch *arch, size_t asked);

struct qb_speed_depths {
    const struct qb_cell_env *env;
    struct qb_net *nets[QB_SPEED_ARMS];
    size_t asked, repeats, decode;
    const int32_t *tokens; /* [qb_speed_deepest] */
    double weight_bytes;   /* of the variant's that a step reads */
};
/* For each depth (512, 2k, 8k, 32k) up to choice `asked` that the model has, adds decode_2k_s, reference_decode_2k_s,
 * self_decode_2k_s and read_2k_gbs [repeats] and the scalar decode_2k_bytes: seconds of the last `decode` steps before
 * that many positions, and what a step of the variant reads, its weights and its keys and values as they are once they
 * are encoded. Adds the scalars depth (positions asked for) and depth_most (that the model has, where it has a limit;
 * 0: it keeps no keys and values). Everything is borrowed; each arm's cache lives as long as the call. More steps than
 * fit before the first depth are QB_ERR_INPUT. */
enum qb_status qb_record_speed_depths(const struct qb_speed_depths *depths, struct qb_record *out,
                                      struct qb_error *err);

#endif
