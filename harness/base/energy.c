#include "base/energy.h"

#include <dirent.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool read_number(const char *path, double *number)
{
    FILE *file = fopen(path, "re");
    const bool there = file && fscanf(file, "%lf", number) == 1 && *number >= 0 && isfinite(*number);
    if (file)
        fclose(file);
    return there;
}

/* A zone of a whole package, not one of a part of it (intel-rapl:0:1) nor of the machine (psys), which counts the
 * packages again. */
static bool is_package(const char *folder, const char *zone)
{
    char path[512], name[16] = "";
    const char *number = strncmp(zone, "intel-rapl:", 11) == 0 ? zone + 11 : "";
    if (!*number || strspn(number, "0123456789") != strlen(number) ||
        snprintf(path, sizeof path, "%s/%s/name", folder, zone) >= (int)sizeof path)
        return false;
    FILE *file = fopen(path, "re");
    const bool named = file && fgets(name, sizeof name, file);
    if (file)
        fclose(file);
    return named && strncmp(name, "package", 7) == 0;
}

/* False: it is there and cannot be read. */
static bool add_package(struct qb_energy *energy, const char *folder, const char *zone)
{
    struct qb_energy_package *package = &energy->packages[energy->count];
    char path[512];
    if (snprintf(package->path, sizeof package->path, "%s/%s/energy_uj", folder, zone) >= (int)sizeof package->path ||
        snprintf(path, sizeof path, "%s/%s/max_energy_range_uj", folder, zone) >= (int)sizeof path)
        return false;
    if (!read_number(package->path, &package->last) || !read_number(path, &package->range))
        return false;
    energy->count++;
    return true;
}

void qb_energy_start(struct qb_energy *energy, const char *folder)
{
    DIR *zones = opendir(folder);
    *energy = (struct qb_energy){.why = zones ? "it has no counters of packages" : "it has no RAPL counters"};
    const struct dirent *zone;
    bool closed = false;
    while (zones && energy->count < QB_ENERGY_PACKAGES && (zone = readdir(zones)))
        closed = (is_package(folder, zone->d_name) && !add_package(energy, folder, zone->d_name)) || closed;
    if (zones)
        closedir(zones);
    if (closed) { /* a part of the machine would pass for all of it */
        energy->count = 0;
        energy->why = "its RAPL counters cannot be read, which takes root";
    }
}

double qb_energy_joules(struct qb_energy *energy)
{
    for (size_t i = 0; i < energy->count; i++) {
        struct qb_energy_package *package = &energy->packages[i];
        double now;
        if (!read_number(package->path, &now))
            return NAN;
        energy->joules += (now - package->last + (now < package->last ? package->range : 0)) * 1e-6;
        package->last = now;
    }
    return energy->count ? energy->joules : NAN;
}
