/* The models of source_other_seeds.json in the published size: about a minute. */
#include "other_seeds.h"

Test(other_seeds, transformers)
{
    all_of("transformer", true);
}

Test(other_seeds, chains)
{
    all_of("chain", true);
}
