/* Edits of bytes, to see what reads them meet the unexpected. */
#ifndef QB_TEST_MUTATE_H
#define QB_TEST_MUTATE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "base/rng.h"

static uint32_t below(struct qb_rng *rng, size_t n)
{
    return n ? qb_rng_u32(rng) % (uint32_t)n : 0;
}

/* One edit of bytes[*size], which has room for 64 more. */
static void mutate(struct qb_rng *rng, uint8_t *bytes, size_t *size)
{
    static const uint64_t values[] = {0,
                                      1,
                                      2,
                                      0x7f,
                                      0x80,
                                      0xff,
                                      0xffff,
                                      0x7fffffff,
                                      0x80000000,
                                      0xffffffff,
                                      (uint64_t)1 << 40,
                                      INT64_MAX,
                                      (uint64_t)1 << 63,
                                      UINT64_MAX};
    const size_t at = below(rng, *size), left = *size - at;
    const size_t some = 1 + below(rng, left < 16 ? left : 16);
    switch (below(rng, 7)) {
    case 0:
        bytes[at] ^= (uint8_t)(1u << below(rng, 8));
        break;
    case 1:
        bytes[at] = (uint8_t)qb_rng_u32(rng);
        break;
    case 2:
        for (size_t i = 0, v = values[below(rng, sizeof values / sizeof *values)], n = (size_t)1 << below(rng, 4);
             i < n && i < left; i++)
            bytes[at + i] = (uint8_t)(v >> (8 * i));
        break;
    case 3: /* cut short */
        *size = below(rng, 4) ? *size : at + 1;
        break;
    case 4: /* some bytes once more */
        memmove(bytes + at + some, bytes + at, left);
        *size += some;
        break;
    case 5: /* or gone */
        memmove(bytes + at, bytes + at + some, left - some);
        *size -= *size > some ? some : 0;
        break;
    default: /* a digit of text */
        if (bytes[at] >= '0' && bytes[at] <= '9')
            bytes[at] = (uint8_t)('0' + below(rng, 10));
        else
            bytes[at] = (uint8_t) " \"{}[]:,-.e\\"[below(rng, 12)];
    }
}

#endif
