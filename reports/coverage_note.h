/* What a value's note says of its interval's real coverage. */
#ifndef QB_COVERAGE_NOTE_H
#define QB_COVERAGE_NOTE_H

#include <stdbool.h>

enum { QB_COVERAGE_NOTE_MAX = 64 };
/* "such intervals cover 93.1% in simulation", cut from the note; false when the note says nothing of the kind: the
 * interval covers about what it promises. *percent is the number, NaN when it cannot be read. */
bool qb_coverage_note(const char *note, char text[QB_COVERAGE_NOTE_MAX], double *percent);

#endif
