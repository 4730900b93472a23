/* Random numbers bit-compatible with PyTorch's CPU generator (MT19937, at::CPUGeneratorImpl; source-protocols 1).
 * One generator is one stream; it is not shared between threads. */
#ifndef QB_RNG_H
#define QB_RNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct qb_rng {
    uint32_t state[624];
    unsigned next;  /* index of the next word; 624: the state must be turned */
    bool has_spare; /* the cached sample of normal's path for n < 16 */
    double spare;
};

/* Seeds as Matsumoto and Nishimura's init_genrand(seed). */
void qb_rng_seed(struct qb_rng *rng, uint32_t seed);

/* The next 32-bit output, tempered. */
uint32_t qb_rng_u32(struct qb_rng *rng);

/* torch.Tensor.uniform_(low, high), float32: (u32 & (2^24-1)) * 2^-24 * (high-low) + low; one output a value. */
void qb_rng_uniform(struct qb_rng *rng, float low, float high, float *out, size_t n);

/* torch.Tensor.normal_(mean, std), float32 contiguous: for n >= 16 Box-Muller over blocks of 16 (the last block
 * drawn again when n is no multiple of 16), for n < 16 torch's scalar path in double with a cached second sample. */
void qb_rng_normal(struct qb_rng *rng, float mean, float std, float *out, size_t n);

/* torch.randint(0, bound): u32 % bound. bound is in [1, 2^32). */
uint32_t qb_rng_randint(struct qb_rng *rng, uint32_t bound);

#endif
