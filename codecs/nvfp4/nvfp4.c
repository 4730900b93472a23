/* nvfp4: blocks of 64 values as 4-bit floats (E2M1), each 16 of them times a scale in E4M3 without sign. */
#include "gguf.h"

enum { VALUES = 64, GROUP = 16, HALF = GROUP / 2, GROUPS = VALUES / GROUP, BYTES = 36, CODES = GROUPS };
enum { LARGEST = 0x7e }; /* 448 */

/* Half of the scale, as E2M1 counts its magnitudes in halves. The codes 0 and 0x7f are 0; bit 7 means nothing. */
static float unit_of(unsigned code)
{
    const unsigned exponent = code >> 3 & 15, fraction = code & 7;
    if (code == 0 || code == 0x7f)
        return 0;
    return exponent ? ldexpf((float)(8 + fraction), (int)exponent - 11) : ldexpf((float)fraction, -10);
}

/* Rounds a magnitude to E4M3, halves up. What would get the highest exponent (248 and more) becomes 448, as in ggml. */
static unsigned scale_code(float x)
{
    if (x >= 248)
        return LARGEST;
    if (x < 0x1p-6f) /* in steps of 2^-9; 8 of them would be the least of the next exponent: 7 at most */
        return x * 512 + 0.5f < 8 ? (unsigned)(x * 512 + 0.5f) : 7;
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return ((bits >> 19) + 1) / 2 - ((127 - 7) << 3);
}

static bool encode_block(const float *restrict x, unsigned char *restrict block)
{
    for (size_t g = 0; g < GROUPS; g++) {
        const float *part = x + g * GROUP;
        block[g] = (unsigned char)scale_code(gguf_amax(part, GROUP) / 6.0f);
        const float unit = unit_of(block[g]);
        for (size_t i = 0; i < HALF; i++)
            block[CODES + g * HALF + i] =
                (unsigned char)(gguf_e2m1_nearest(part[i], unit) | gguf_e2m1_nearest(part[HALF + i], unit) << 4);
    }
    return true;
}

static size_t decode_block(const unsigned char *restrict block, float *restrict out)
{
    for (size_t g = 0; g < GROUPS; g++) {
        const float unit = unit_of(block[g]);
        for (size_t i = 0; i < HALF; i++) {
            const unsigned pair = block[CODES + g * HALF + i];
            out[g * GROUP + i] = unit * gguf_e2m1[pair & 15];
            out[g * GROUP + HALF + i] = unit * gguf_e2m1[pair >> 4];
        }
    }
    return QB_BLOCK_FINE;
}

static const struct qb_block block = {.values = VALUES, .bytes = BYTES, .encode = encode_block, .decode = decode_block};
QB_BLOCK_CODEC(
    block, .id = "nvfp4", .version = "1",
    .summary = "GGUF NVFP4, 4-bit floats (E2M1) times an 8-bit float (E4M3) for each 16 values: 4.5 bits a weight",
    .flags = QB_CODEC_KEEPS_ZERO | QB_CODEC_RESCALES,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.205, .floor_fraction = 0.5, .absolute_error = 0.16, .bias = 0.014, .sqnr_db = 19.5})
