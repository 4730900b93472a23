/* Work that may crash, end or stop a process (a plugin's code, a library on a damaged file), done in a child before
 * this process trusts itself to it. */
#ifndef QB_TRIAL_H
#define QB_TRIAL_H

#include <stdint.h>
#include "base/error.h"

/* 0: no limit. */
struct qb_trial_limits {
    double seconds;     /* by the clock */
    uint64_t processor; /* seconds of a processor */
    uint64_t memory;    /* bytes of address space beyond those in use */
};

struct qb_trial_result {
    enum qb_trial_end {
        QB_TRIAL_DONE,    /* the work came to its end: `answer` is its error, or clean */
        QB_TRIAL_EXITED,  /* it ended the process: `number` is the exit code */
        QB_TRIAL_CRASHED, /* `number` is the signal; SIGXCPU: the limit on the processor */
        QB_TRIAL_LATE     /* the limit by the clock */
    } end;
    int number;
    struct qb_error answer;
};

/* Does work(context) in a child that ends with this process, prints nowhere and leaves no core file; what it has
 * started ends with it. QB_ERR_IO: the system refused a process. */
enum qb_status qb_trial(const struct qb_trial_limits *limits,
                        enum qb_status (*work)(void *context, struct qb_error *err), void *context,
                        struct qb_trial_result *result, struct qb_error *err);

#endif
