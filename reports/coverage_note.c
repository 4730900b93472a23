#include "coverage_note.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool qb_coverage_note(const char *note, char text[QB_COVERAGE_NOTE_MAX], double *percent)
{
    static const char words[] = "such intervals cover ";
    const char *at = strstr(note, words);
    char *end = NULL;
    if (!at)
        return false;
    snprintf(text, QB_COVERAGE_NOTE_MAX, "%.*s", (int)strcspn(at, ";"), at);
    *percent = strtod(at + strlen(words), &end);
    if (end == at + strlen(words))
        *percent = NAN;
    return true;
}
