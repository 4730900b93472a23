/* Damaged metadata under a right checksum, in thousands. */
#include "result_flips.h"

TestSuite(store_flips, .init = scratch_begin, .fini = scratch_end, .timeout = 3600);

Test(store_flips, flipped_and_cut_files_are_read_or_refused)
{
    flips_test(false, 5000, 42);
}

Test(store_flips, shards_that_are_found_likewise)
{
    flips_test(true, 2500, 43);
}
