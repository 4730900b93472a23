/* The populations of the coverage simulation: draws of clustered data whose mean is known exactly. */
#ifndef QB_POPULATION_H
#define QB_POPULATION_H

#include "metric/stats.h"

enum { QB_POPULATION_CLUSTER = 128 }; /* positions of a cluster: what a chunk of 256 tokens scores */

double qb_population_mean(enum qb_population population);

/* Draws `clusters` clusters: sum[g], and the sum of squares over all positions about the population's mean (0 for a
 * share). The stream is told by (population, clusters, trial): the same for every method. */
void qb_population_draw(const struct qb_coverage_design *design, size_t trial, double *sum, double *squares);

#endif
