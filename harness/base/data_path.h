/* Where the program and its data lie. */
#ifndef QB_DATA_PATH_H
#define QB_DATA_PATH_H

#include <stdbool.h>
#include "base/error.h"

/* The folder of the running program, without a slash at the end; false where the system does not tell. */
bool qb_program_folder(char folder[4096]);
/* Where shipped data lives: $QINSBENCH_DATA, else <program>/../data (a build in the tree), else
 * <program>/../share/qinsbench. Writes "<root>/<relative>" into out[4096]; an error when it is not there. */
enum qb_status qb_data_path(const char *relative, char out[4096], struct qb_error *err);

#endif
