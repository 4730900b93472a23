/* 2,000 mutations of a valid model file of each kind. */
enum { COUNT = 2000 };
#include "mutation_tests.h"
