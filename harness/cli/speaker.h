/* A model that continues texts: what generate and chat share. */
#ifndef QB_SPEAKER_H
#define QB_SPEAKER_H

#include "base/rng.h"
#include "cli.h"
#include "model/sampling.h"
#include "opened.h"

/* ---- options ---- */

struct qb_speaking {
    const char *variant, *calibration;
    bool fused; /* steps read encoded weights where that is faster */
    struct qb_plugins codecs;
    struct qb_sampling sampling;
    long seed, steps, context, threads;
};
/* The first entries of a command's table of flags. */
enum {
    QB_SPEAK_VARIANT,
    QB_SPEAK_TEMPERATURE,
    QB_SPEAK_TOP_K,
    QB_SPEAK_TOP_P,
    QB_SPEAK_MIN_P,
    QB_SPEAK_SEED,
    QB_SPEAK_STEPS,
    QB_SPEAK_CONTEXT,
    QB_SPEAK_CALIBRATION,
    QB_SPEAK_CODEC,
    QB_SPEAK_ARITHMETIC,
    QB_SPEAK_THREADS,
    QB_SPEAK_FLAGS
};
#define QB_SPEAKING_FLAGS(temperature)                                                                                 \
    {"variant", 'v', "NAME", "shipped variant, or a variant's .yaml; default fp32"},                                   \
        {"temperature", 0, "T", "0: always the most likely token; default " temperature},                              \
        {"top-k", 0, "N", "of the N most likely tokens; 0: of all; default 40"},                                       \
        {"top-p", 0, "P", "of the fewest whose probabilities reach P; default 0.95"},                                  \
        {"min-p", 0, "P", "of those at least P times as likely as the best; default 0.05"},                            \
        {"seed", 0, "N", "of the draws; default 42"}, {"steps", 'n', "N", "at most so many tokens; default 256"},      \
        {"context", 0, "N", "positions to make room for; default 2048, or what the model was trained for if fewer"},   \
        {"calibration", 0, "FILE", "text for a calibrated variant"},                                                   \
        {"codec", 0, "PLUGIN.so", "load a codec from outside; repeatable"},                                            \
        {"arithmetic", 0, "NAME", "fused (default): steps read encoded weights where faster; forward: as run does"},   \
    {                                                                                                                  \
        "threads", 0, "N", "default: all cores; the text does not depend on it"                                        \
    }
struct qb_speaking qb_speaking_default(double temperature);
/* Takes one of these flags, with its argument in optarg. */
enum qb_status qb_speaking_take(int flag, struct qb_speaking *speaking, struct qb_error *err);

/* ---- speaking ---- */

struct qb_speaker { /* zero-initialise; free before what it was opened from */
    struct qb_opened *opened;
    struct qb_arm arm;
    struct qb_decoder *decoder;
    struct qb_sampler *sampler;
    struct qb_rng rng;
    size_t capacity;
    int32_t *held; /* [held_count] tokens that the decoder has */
    size_t held_count;
    float *hidden, *logits;
};
enum qb_status qb_speaker_make(struct qb_opened *opened, const char *variant, const struct qb_speaking *speaking,
                               struct qb_speaker *speaker, struct qb_error *err);
void qb_speaker_free(struct qb_speaker *speaker);

/* Called with each token; false: it is the last. */
typedef bool (*qb_heard)(void *context, int32_t id);
struct qb_speech { /* what was read and said, and how long it took */
    size_t read, said;
    double read_seconds, said_seconds;
    bool full; /* no room was left */
};
/* Continues tokens[count], count >= 1, by at most speaking->steps, up to a token that ends a text or a turn (which is
 * not handed over). What the tokens have in common with those before is not read again. More tokens than there is room
 * for is QB_ERR_INPUT. */
enum qb_status qb_speaker_say(struct qb_speaker *speaker, const struct qb_speaking *speaking, const int32_t *tokens,
                              size_t count, qb_heard heard, void *context, struct qb_speech *speech,
                              struct qb_error *err);
/* Tells tokens and tokens a second on stderr. */
void qb_speech_tell(const struct qb_speech *speech, const char *variant, const struct qb_speaker *speaker);

/* ---- text that comes in tokens: characters are printed whole ---- */

struct qb_stream { /* zero-initialise with tokenizer; qb_stream_end releases */
    const struct qb_tokenizer *tokenizer;
    struct qb_text all, waiting;
    bool skip_blanks; /* at its start */
    int code;         /* of qb_print: once it failed, nothing more is printed */
};
void qb_stream_add(struct qb_stream *stream, int32_t id);
/* Prints what waits, and a newline behind it where the text is whole (line), and releases; `all` stays. */
void qb_stream_end(struct qb_stream *stream, bool line);

#endif
