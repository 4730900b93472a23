/* codebook8: a table of 256 values for each scope (Lloyd-Max) and an index of 8 bits for each weight. */
#include "codebook.h"

CODEBOOK_CODEC(
    8, .id = "codebook8", .version = "1",
    .summary = "the index of a value in a table of 256 that Lloyd-Max fits: 8 bits a weight and the tables",
    .flags = QB_CODEC_RESCALES,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.015, .floor_fraction = 0.5, .absolute_error = 0.012, .bias = 1.2e-05, .sqnr_db = 44.5})
