#include "base/turns.h"

size_t qb_turns_period(size_t arms)
{
    return arms % 2 ? 2 * arms : arms;
}

/* Williams's first row goes to and fro, 0, 1, n - 1, 2, n - 2 ...; the others are it plus 1, 2 ... modulo n. Of an odd
 * number of arms all are needed backwards, too; of an even one half of them are the other half backwards. */
void qb_turns_order(size_t arms, size_t repeat, size_t *order)
{
    const size_t shift = repeat / 2 % arms;
    for (size_t place = 0; place < arms; place++) {
        const size_t step = (place + 1) / 2, row = place % 2 ? step : (arms - step) % arms;
        order[repeat % 2 ? arms - 1 - place : place] = (row + shift) % arms;
    }
}
