/* Planted fault: the rows of a layout begin behind the first value, so that the last one ends past the bytes. */
#define PLANTED_LAYOUT                                                                                                 \
    {                                                                                                                  \
        .kind = QB_LAYOUT_BFLOAT, .first = 2, .row_bytes = 2 * cols                                                    \
    }
#include "layout_row.c"
