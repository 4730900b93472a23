/* What fuzzing calls: one function a kind of input, in one table. docs/fuzzing.md says how to run it. */
#ifndef QB_FUZZ_H
#define QB_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "codec/registry.h"

struct fuzz_target {
    const char *name; /* of its seeds and corpus, too */
    /* Reads data[size] as a stranger's input, whole. What it refuses is an error in err; everything else that goes
     * wrong ends the process (fuzz_found). */
    void (*run)(const uint8_t *data, size_t size, struct qb_error *err);
};
extern const struct fuzz_target fuzz_targets[]; /* ended by a NULL name */

/* A finding that no sanitizer would see: says what and aborts. */
_Noreturn void fuzz_found(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The plugins of this build. */
struct qb_registry *fuzz_registry(void);
/* A folder of this process's own, and data[size] as the file `name` in it; the path is valid until the next call. */
const char *fuzz_folder(void);
const char *fuzz_file(const char *name, const void *data, size_t size);
/* What is live now stays: no leak of this input. */
void fuzz_keep_live(void);

/* Bytes of one buffer: no header may ask for more than small files justify. */
#define FUZZ_MEMORY ((size_t)64 << 20)

/* ---- the targets, by what they read ---- */

void fuzz_yaml(const uint8_t *data, size_t size, struct qb_error *err);
void fuzz_suite(const uint8_t *data, size_t size, struct qb_error *err);
void fuzz_variant(const uint8_t *data, size_t size, struct qb_error *err);
void fuzz_rules(const uint8_t *data, size_t size, struct qb_error *err);
void fuzz_claims(const uint8_t *data, size_t size, struct qb_error *err);
void fuzz_baseline(const uint8_t *data, size_t size, struct qb_error *err);
void fuzz_tokens(const uint8_t *data, size_t size, struct qb_error *err);
void fuzz_questions(const uint8_t *data, size_t size, struct qb_error *err);

void fuzz_safetensors(const uint8_t *data, size_t size, struct qb_error *err);
void fuzz_gguf(const uint8_t *data, size_t size, struct qb_error *err);
void fuzz_config(const uint8_t *data, size_t size, struct qb_error *err);
void fuzz_index(const uint8_t *data, size_t size, struct qb_error *err);
void fuzz_tokenizer(const uint8_t *data, size_t size, struct qb_error *err);
void fuzz_text(const uint8_t *data, size_t size, struct qb_error *err);
void fuzz_chat(const uint8_t *data, size_t size, struct qb_error *err);

void fuzz_result(const uint8_t *data, size_t size, struct qb_error *err);
void fuzz_logits(const uint8_t *data, size_t size, struct qb_error *err);
void fuzz_decode(const uint8_t *data, size_t size, struct qb_error *err);

#endif
