/* Stored bytes and decoded values of a small matrix, worked out by hand. It pins the format: when this fails and the
 * change was meant, work the numbers out again and give the codec a new version.
 *
 * group=4, so a row of 5 values has the groups {56, -24, 12, 4} and {-7}. A group's largest magnitude gets code -7:
 *
 *   56 / -7 = -8 is the scale. 56 -> -7, -24 -> 3, 12 / -8 = -1.5 -> -2 (tie to even), 4 / -8 = -0.5 -> 0 (likewise).
 *   -7 / -7 =  1 is the scale. -7 -> -7.
 *   Stored is code + 8: 1, 11, 6, 8 and 1; two a byte, the first in the low half: b1 86 01.
 *   -8.0f is 00 00 00 c1 and 1.0f is 00 00 80 3f, little-endian. Row 1 is zeros: scales 0, codes 0, stored 8. */
#include "codec.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

enum { ROWS = 2, COLS = 5, BYTES = 22 };

static const float values[ROWS * COLS] = {56, -24, 12, 4, -7, 0, 0, 0, 0, 0};
static const unsigned char stored[BYTES] = {
    0x00, 0x00, 0x00, 0xc1, 0x00, 0x00, 0x80, 0x3f, 0xb1, 0x86, 0x01, /* row 0: scale, scale, codes */
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x88, 0x88, 0x08, /* row 1 */
};
static const float decoded[ROWS * COLS] = {56, -24, 16, 0, -7, 0, 0, 0, 0, 0};

static int failed;

static void check(int good, const char *what, size_t at, double found, double expected)
{
    if (good)
        return;
    fprintf(stderr, "FAIL  %s [%zu]: %g, expected %g\n", what, at, found, expected);
    failed = 1;
}

static void test(const struct qb_codec *codec)
{
    const union qb_option_value group = {.i = 4};
    const struct qb_codec_config config = {.struct_size = sizeof config, .isa = QB_ISA_PORTABLE, .options = &group};
    struct qb_codec_error error = {.index = 0, .message = ""};
    unsigned char bytes[BYTES] = {0};
    float back[ROWS * COLS] = {0};
    size_t size = 0;
    int status = codec->encoded_size(&config, ROWS, COLS, &size, &error);
    check(status == QB_CODEC_OK, "status of encoded_size", 0, status, QB_CODEC_OK);
    check(size == BYTES, "encoded size", 0, (double)size, BYTES);
    if (failed)
        return;
    status = codec->encode(&config, ROWS, COLS, values, bytes, sizeof bytes, &error);
    check(status == QB_CODEC_OK, "status of encode", 0, status, QB_CODEC_OK);
    for (size_t i = 0; i < BYTES; i++)
        check(bytes[i] == stored[i], "stored byte", i, bytes[i], stored[i]);
    status = codec->decode(&config, ROWS, COLS, bytes, sizeof bytes, 0, ROWS, back, &error);
    check(status == QB_CODEC_OK, "status of decode", 0, status, QB_CODEC_OK);
    for (size_t i = 0; i < ROWS * COLS; i++)
        check(back[i] == decoded[i], "decoded value", i, (double)back[i], (double)decoded[i]);
}

int main(int argc, char **argv)
{
    void *plugin = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    void *symbol = plugin ? dlsym(plugin, QB_CODEC_ENTRY_NAME) : NULL;
    if (!symbol) {
        fprintf(stderr, "FAIL  expected the path of a plugin that exports %s\n", QB_CODEC_ENTRY_NAME);
        return 1;
    }
    qb_codec_entry_fn entry;
    memcpy(&entry, &symbol, sizeof entry); /* ISO C has no cast from an object's to a function's address */
    test(entry());
    puts(failed ? "round trip   failed" : "round trip   passed");
    return failed;
}
