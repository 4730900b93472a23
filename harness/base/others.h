/* How much of the machine other processes take while this one and its children measure. */
#ifndef QB_OTHERS_H
#define QB_OTHERS_H

struct qb_others { /* since qb_others_start */
    double busy, own,
        clock; /* seconds of all processors, of this process and its children, of the clock: at the start */
};

void qb_others_start(struct qb_others *others);
/* The share of the processors' time since then that went to processes other than this one and those of its children
 * that it has waited for: 0 to 1; NaN where the system does not tell (/proc/stat, proc(5)). Its clock ticks a hundred
 * times a second. */
double qb_others_share(const struct qb_others *others);

#endif
