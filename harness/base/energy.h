/* What the processor packages take, by their own counters (RAPL), where the system shows them: Linux's powercap tree,
 * Documentation/power/powercap/powercap.rst. Often for root alone, and not at all on most virtual machines. */
#ifndef QB_ENERGY_H
#define QB_ENERGY_H

#include <stddef.h>
#include "base/error.h"

#define QB_ENERGY_FOLDER "/sys/class/powercap"
enum { QB_ENERGY_PACKAGES = 16 };

struct qb_energy { /* zero-initialise; nothing to free */
    struct qb_energy_package {
        char path[512];     /* of energy_uj */
        double last, range; /* microjoules: what it said last, and where it begins again from 0 */
    } packages[QB_ENERGY_PACKAGES];
    size_t count;    /* of packages whose counter can be read; 0: there is no energy to tell */
    double joules;   /* of all packages since the start */
    const char *why; /* with a count of 0: why; static */
};

/* Looks for packages under `folder` (QB_ENERGY_FOLDER): zones intel-rapl:N whose name begins with "package". */
void qb_energy_start(struct qb_energy *energy, const char *folder);
/* Joules of all packages since the start; NaN where none can be read (any more). To be asked more often than a counter
 * goes round, which takes minutes. */
double qb_energy_joules(struct qb_energy *energy);

#endif
