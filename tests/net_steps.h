/* A small causal net with a pool, tokens for it, and its steps over a KV cache. */
#ifndef QB_TEST_NET_STEPS_H
#define QB_TEST_NET_STEPS_H

#include "registry_fixture.h"

enum { BATCH = 2, LENGTH = 29, H = 24, SIZE = BATCH * LENGTH * H };

static int32_t tokens[BATCH * LENGTH];
static struct qb_pool *pool;

static inline void net_steps_begin(void)
{
    registry_begin();
    support_tokens(tokens, BATCH * LENGTH, 3);
    pool = support_pool(2);
}

static inline void net_steps_end(void)
{
    qb_pool_free(pool);
    registry_end();
}

/* out[BATCH, LENGTH, H]: all positions in steps of `first`, first % 7 + 1, ... over a kv (0: all at once), of every
 * sequence. */
static inline void net_steps(struct qb_net *net, size_t first, float *out)
{
    static float hidden[SIZE];
    struct qb_kv *kv = NULL;
    MUST(qb_net_kv(net, BATCH, LENGTH, 0, &kv, &err));
    for (size_t at = 0, n = first ? first : LENGTH; at < LENGTH; at += n, n = n % 7 + 1) {
        int32_t step[BATCH * LENGTH];
        n = n < LENGTH - at ? n : LENGTH - at;
        for (size_t s = 0; s < BATCH; s++)
            memcpy(step + s * n, tokens + s * LENGTH + at, n * sizeof *step);
        MUST(qb_net_step(net, kv, &(struct qb_step){.tokens = step, .batch = BATCH, .n = n, .kept = n}, hidden, &err));
        for (size_t s = 0; s < BATCH; s++)
            memcpy(out + (s * LENGTH + at) * H, hidden + s * n * H, n * H * sizeof *out);
    }
    qb_kv_free(kv);
}

#endif
