/* Damaged metadata under a right checksum; the long tier has thousands. */
#include "result_flips.h"

TestSuite(store_flips, .init = scratch_begin, .fini = scratch_end, .timeout = 600);

Test(store_flips, flipped_and_cut_files_are_read_or_refused)
{
    flips_test(false, 300, 20240607);
}

Test(store_flips, shards_that_are_found_likewise)
{
    flips_test(true, 100, 7);
}
