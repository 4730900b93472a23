/* The small models of source_other_seeds.json; tests/long has the large ones. */
#include "other_seeds.h"

Test(other_seeds, small_transformers)
{
    all_of("transformer", false);
}

Test(other_seeds, small_chains)
{
    all_of("chain", false);
}
