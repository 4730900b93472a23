/* RAPL's counters, in a tree of this test's own. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/energy.h"
#include "scratch.h"

TestSuite(energy, .init = scratch_begin, .fini = scratch_end);

static void put(const char *zone, const char *file, const char *text)
{
    char path[8192];
    snprintf(path, sizeof path, "%s/%s", scratch_folder, zone);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/%s/%s", scratch_folder, zone, file);
    FILE *out = fopen(path, "w");
    cr_assert_not_null(out, "%s", path);
    fputs(text, out);
    fclose(out);
}

static void put_zone(const char *zone, const char *name, const char *energy)
{
    put(zone, "name", name);
    put(zone, "energy_uj", energy);
    put(zone, "max_energy_range_uj", "1000000\n");
}

Test(energy, packages_alone_are_counted_and_may_go_round)
{
    struct qb_energy energy;
    put_zone("intel-rapl:0", "package-0\n", "100000\n");
    put_zone("intel-rapl:1", "package-1\n", "900000\n");
    put_zone("intel-rapl:0:0", "core\n", "5\n");
    put_zone("intel-rapl:2", "psys\n", "5\n");
    put_zone("dtpm", "package-9\n", "5\n");
    qb_energy_start(&energy, scratch_folder);
    cr_expect_eq(energy.count, 2);
    cr_expect_eq(qb_energy_joules(&energy), 0);
    put("intel-rapl:0", "energy_uj", "350000\n");
    put("intel-rapl:1", "energy_uj", "100000\n"); /* round once: 200000 */
    put("intel-rapl:0:0", "energy_uj", "700000\n");
    cr_expect_float_eq(qb_energy_joules(&energy), 0.45, 1e-12);
    put("intel-rapl:0", "energy_uj", "gone\n");
    cr_expect(isnan(qb_energy_joules(&energy)));
}

Test(energy, what_cannot_be_read_is_none)
{
    struct qb_energy energy;
    qb_energy_start(&energy, scratch_folder);
    cr_expect(energy.count == 0 && energy.why && isnan(qb_energy_joules(&energy)), "an empty tree");
    put_zone("intel-rapl:0", "package-0\n", "1\n");
    put("intel-rapl:1", "name", "package-1\n"); /* its counter is missing: half of the machine */
    qb_energy_start(&energy, scratch_folder);
    cr_expect(energy.count == 0 && isnan(qb_energy_joules(&energy)), "a counter that cannot be read");
    qb_energy_start(&energy, "/nowhere/powercap");
    cr_expect(energy.count == 0 && energy.why && isnan(qb_energy_joules(&energy)), "no tree");
}
