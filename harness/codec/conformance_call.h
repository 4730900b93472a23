/* Inside the conformance suite: inputs, and calls of a plugin whose answers are checked for form. */
#ifndef QB_CONFORMANCE_CALL_H
#define QB_CONFORMANCE_CALL_H

#include "codec/conformance_checks.h"
#include "codec/guard.h"

struct qb_shape {
    size_t rows, cols;
};
/* The shape with as many columns more as the codec's blocks need, where it refuses other numbers of columns. */
struct qb_shape qb_fitted(struct qb_check_case *c, size_t rows, size_t cols);
/* Ended by 0 x 0: one value, one row, one column, odd, even, several blocks, long; fitted. One list a process. */
const struct qb_shape *qb_shapes(struct qb_check_case *c);

/* c->message = formatted: why not, or of what passes what was measured. Returns the verdict, so that a check reads
 * `return qb_reject(c, ...)`. */
enum qb_verdict qb_judge(struct qb_check_case *c, enum qb_verdict verdict, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define qb_reject(c, ...) qb_judge((c), QB_VERDICT_FAIL, __VA_ARGS__)
#define qb_skip(c, ...) qb_judge((c), QB_VERDICT_SKIP, __VA_ARGS__)
#define qb_pass(c, ...) qb_judge((c), QB_VERDICT_PASS, __VA_ARGS__)

/* n Gaussian values, sigma 0.02, of the case's seed plus `salt`; with `side` as a guarded buffer. */
struct qb_guard qb_gaussian(const struct qb_check_case *c, size_t n, uint32_t salt, enum qb_guard_side side);
float *qb_floats(const struct qb_guard *guard);

/* Calls whose form is checked: a known status, an ended message, and a reason with a refusal. The status, or -1 with
 * c->message set when the plugin broke the form. */
int qb_call_answer(struct qb_check_case *c, const char *function, int status,
                   struct qb_codec_error *error); /* checks */
int qb_call_size(struct qb_check_case *c, struct qb_shape shape, size_t *bytes, struct qb_codec_error *error);
int qb_call_encode(struct qb_check_case *c, struct qb_shape shape, const float *x, void *out, size_t out_bytes,
                   struct qb_codec_error *error);
enum qb_reader { QB_READ_DECODE, QB_READ_COORDINATES };
int qb_call_read(struct qb_check_case *c, enum qb_reader reader, struct qb_shape shape, const void *in, size_t in_bytes,
                 size_t row, size_t count, float *out, struct qb_codec_error *error);

/* Calls that must succeed, on buffers of exact size made here (output filled with a pattern first: bytes 0xa5, floats
 * that are NaN); guards and inputs must be untouched and decoded values finite. False with c->message set when not. */
bool qb_encode_case(struct qb_check_case *c, struct qb_shape shape, const struct qb_guard *x, enum qb_guard_side side,
                    struct qb_guard *bytes);
bool qb_read_case(struct qb_check_case *c, enum qb_reader reader, struct qb_shape shape, const struct qb_guard *bytes,
                  enum qb_guard_side side, struct qb_guard *values);

#endif
