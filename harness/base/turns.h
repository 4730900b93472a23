/* Whose turn it is when several arms are timed in one run. */
#ifndef QB_TURNS_H
#define QB_TURNS_H

#include <stddef.h>

/* The order of `arms` arms in repeat `repeat`: order[place] = arm. Over qb_turns_period(arms) repeats each arm stands
 * at each place equally often and directly behind each other arm equally often (Williams 1949, for any number of arms),
 * so that neither the place nor the neighbour favours one. Each repeat of an odd number is the one before it backwards.
 */
void qb_turns_order(size_t arms, size_t repeat, size_t *order);
/* Repeats until all is balanced: `arms` where these are even, else twice as many. arms >= 1. */
size_t qb_turns_period(size_t arms);

#endif
