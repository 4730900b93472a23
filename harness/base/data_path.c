#include "base/data_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"

bool qb_program_folder(char folder[4096])
{
    ssize_t size = readlink("/proc/self/exe", folder, 4095);
    if (size <= 0)
        return false;
    folder[size] = '\0';
    char *slash = strrchr(folder, '/');
    if (!slash)
        return false;
    *slash = '\0';
    return true;
}

static bool joined(char out[4096], const char *root, const char *between, const char *relative)
{
    int size = snprintf(out, 4096, "%s%s/%s", root, between, relative);
    return size > 0 && size < 4096 && qb_file_exists(out);
}

enum qb_status qb_data_path(const char *relative, char out[4096], struct qb_error *err)
{
    const char *set = getenv("QINSBENCH_DATA");
    if (set && *set) {
        if (joined(out, set, "", relative))
            return QB_OK;
        return qb_fail(err, QB_ERR_INPUT, "no %s in the data folder %s (QINSBENCH_DATA)", relative, set);
    }
    char folder[4096];
    if (!qb_program_folder(folder))
        return qb_fail(err, QB_ERR_IO, "cannot tell where the program lies, set QINSBENCH_DATA to the data folder");
    if (joined(out, folder, "/../data", relative) || joined(out, folder, "/../share/qinsbench", relative))
        return QB_OK;
    return qb_fail(err, QB_ERR_INPUT, "no %s in %s/../data or %s/../share/qinsbench, set QINSBENCH_DATA to the folder",
                   relative, folder, folder);
}
