/* codebook4: a table of 16 values for each scope (Lloyd-Max) and an index of 4 bits for each weight. */
#include "codebook.h"

CODEBOOK_CODEC(
    4, .id = "codebook4", .version = "1",
    .summary = "the index of a value in a table of 16 that Lloyd-Max fits: 4 bits a weight and the tables",
    .flags = QB_CODEC_RESCALES,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.38, .floor_fraction = 0.5, .absolute_error = 0.38, .bias = 0.00049, .sqnr_db = 20.2})
