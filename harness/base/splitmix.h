/* splitmix64 (Steele, Lea and Flood, OOPSLA 2014): output i of a stream is a hash of start + i * gamma, so streams are
 * told apart by their start alone and need no order. */
#ifndef QB_SPLITMIX_H
#define QB_SPLITMIX_H

#include <stdint.h>

#define QB_SPLITMIX_GAMMA 0x9e3779b97f4a7c15u

static inline uint64_t qb_splitmix_hash(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* The next output of the stream at *counter. */
static inline uint64_t qb_splitmix_next(uint64_t *counter)
{
    return qb_splitmix_hash(*counter += QB_SPLITMIX_GAMMA);
}

#endif
