/* A synthetic model in any shape, with the statistics of a trained one's weights: what a large model needs of memory,
 * disk and time can be measured without its file. It has learned nothing: what it says, its perplexity and its KL say
 * nothing of a trained model of that shape. */
#ifndef QB_LIKE_H
#define QB_LIKE_H

#include "base/threads.h"
#include "model/model.h"

struct qb_like {
    const struct qb_model *trained;
    const char *shape; /* path of a config.json as Hugging Face has it; it becomes the folder's */
    uint32_t seed;
    size_t shard_bytes; /* > 0: of a file's tensors, unless one alone has more */
};
struct qb_like_done {
    size_t tensors, weights, bytes, files; /* bytes of tensors, in `files` safetensors files */
    size_t neutral;                        /* of tensors: norms and biases that the trained model lacks: ones, zeros */
    bool tokenizer;                        /* there is one: the trained model's, or one of bytes */
    bool trained_tokenizer;                /* the trained model's */
};

/* Makes the folder, which must not be there yet (QB_ERR_INPUT), in Hugging Face's form: config.json, BF16 safetensors
 * in one file or in shards with an index, a tokenizer.
 *   Each row of a matrix is drawn, value by value and with replacement, from one row of the trained matrix of the same
 * role at the same relative depth; which row is drawn, too. So mean, standard deviation, kurtosis and how rows differ
 * are the trained matrix's but for the drawing (a bootstrap, Efron 1979) and BF16; nothing is left of the order of the
 * values, in rows or in columns. A matrix is not scaled to its width: in a wider shape products are larger. A norm's
 * weight and a bias are drawn from the trained one's values. A gate is like `up` where there is none. Where the trained
 * model has no weight of a role, QB_ERR_INPUT.
 *   The values depend on the seed, the trained model's values and the shape, not on the number of threads. In memory
 * are one tensor in BF16 and one trained one in FP32. The tokenizer is the trained model's where that is a
 * tokenizer.json of no more tokens than the shape has; else one of bytes and placeholders; none below 257 tokens.
 *   config.json, without which nobody reads the folder, is written last; when an error ends the work, the folder is
 * removed. */
enum qb_status qb_model_write_like(const struct qb_like *like, struct qb_pool *pool, const char *folder,
                                   struct qb_like_done *done, struct qb_error *err);

#endif
