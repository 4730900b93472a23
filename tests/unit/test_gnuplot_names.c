/* The labels of figures, whatever the names: some hundred of them through gnuplot. More of them:
 * tests/long/test_gnuplot_names.c. */
#include "gnuplot_names.h"

static void begin(void)
{
    scratch_begin();
    setenv("QINSBENCH_DATA", "data", 1); /* tests run in the tree */
}
TestSuite(gnuplot_names, .init = begin, .fini = scratch_end, .timeout = 120);

Test(gnuplot_names, are_drawn_as_they_are)
{
    plot_names(1, 400);
}
