/* Is a picture whole? gnuplot ends with 0 also where the disk was full. */
#include <stdio.h>
#include <string.h>

#include "figure.h"

enum { TAIL = 64 };

static const struct {
    const char *suffix, *end; /* of the file, blanks behind it aside */
    size_t size;
} endings[] = {
    {".png", "\0\0\0\0IEND\xae\x42\x60\x82", 12},
    {".svg", "</svg>", 6},
    {".pdf", "%%EOF", 5},
    {"-tex.tex", "\\endgroup", 9},
    {"-tex.pdf", "%%EOF", 5},
};

/* The last bytes of a file without the blanks at its end; how many. 0: there are none, or no file. */
static size_t read_tail(const char *path, char tail[TAIL])
{
    FILE *file = fopen(path, "rb");
    size_t size = 0;
    if (!file)
        return 0;
    if (fseek(file, -(long)TAIL, SEEK_END) == 0 || fseek(file, 0, SEEK_SET) == 0)
        size = fread(tail, 1, TAIL, file);
    fclose(file);
    while (size && memchr(" \r\n", tail[size - 1], 3))
        size--;
    return size;
}

enum qb_status qb_picture_whole(const char *folder, const char *name, const char *format, struct qb_error *err)
{
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        const char *suffix = endings[i].suffix, *end = endings[i].end;
        char path[4400], tail[TAIL];
        if (strncmp(suffix + 1, format, strlen(format)) != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s%s", folder, name, suffix);
        size_t size = read_tail(path, tail), n = endings[i].size;
        if (size < n || memcmp(tail + size - n, end, n) != 0)
            return qb_fail(err, QB_ERR_IO, "%s: gnuplot did not write all of it: is the disk full?", path);
    }
    return QB_OK;
}
