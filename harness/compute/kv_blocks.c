#include "compute/kv_blocks.h"

#include <string.h>
#include "base/mem.h"
#include "compute/hadamard.h"

struct room {
    size_t slots;     /* blocks of a sequence: block i is in slot i % slots */
    size_t offset[2]; /* of each side's in `bytes`: [batch][slots] */
    size_t window;
};

struct qb_kv_blocks {
    struct room *rooms; /* [layers] */
    unsigned char *bytes;
    size_t sizes[2]; /* of a block, each side */
    size_t step;     /* the most positions of an append */
    /* The block that is not full, [layers][side][batch][block - 1][width], twice: what it is at `length`, and what it
     * will be when the step is done. */
    float *newest[2];
    unsigned now;               /* which of them is at `length` */
    struct qb_scratch appended; /* [side][batch][count][width]: that block, and behind it what was appended last */
    size_t fresh, count;        /* the first of these positions, and how many there are */
    struct qb_scratch packed;   /* a block in the order that is encoded */
};

static size_t width_of(const struct qb_kv *kv)
{
    return kv->heads * kv->head_dim;
}

/* Sets a block's size of each side, and checks that the formats take it. */
static enum qb_status set_sizes(const struct qb_kv *kv, size_t sizes[2], struct qb_error *err)
{
    const size_t rows = kv->heads * kv->options.block;
    for (size_t side = 0; side < 2; side++) {
        const struct qb_format *format = kv->options.format[side];
        sizes[side] = rows * kv->head_dim * sizeof(float);
        if (format && qb_encoded_size(format, rows, kv->head_dim, &sizes[side], err))
            return qb_wrap(err, "KV cache, %s", side ? "values" : "keys");
    }
    return QB_OK;
}

/* Blocks that a sequence of the layer needs: all, or, of a window, those that a step's first query sees, the step's
 * own, and one at each end that is cut. */
static size_t slots_of(const struct qb_kv_shape *shape, size_t block, size_t window)
{
    size_t all = (shape->capacity + block - 1) / block;
    if (window == 0 || shape->step == 0)
        return all;
    size_t ring = (window + shape->step + block - 1) / block + 1;
    return ring < all ? ring : all;
}

/* Values of the block that is not full, in one of the two places that it has. */
static size_t newest_values(const struct qb_kv *kv)
{
    return kv->layers * 2 * kv->batch * (kv->options.block - 1) * width_of(kv);
}

/* Adds count * size to *total; false where no size_t holds it. */
static bool add_up(size_t *total, size_t count, size_t size)
{
    size_t bytes;
    return !__builtin_mul_overflow(count, size, &bytes) && !__builtin_add_overflow(*total, bytes, total);
}

/* Bytes of a layer's slots, both sides. */
static bool add_slots(const struct qb_kv *kv, size_t slots, const size_t sizes[2], size_t *total)
{
    size_t all;
    return !__builtin_mul_overflow(kv->batch, slots, &all) && add_up(total, all, sizes[0]) &&
           add_up(total, all, sizes[1]);
}

enum qb_status kv_blocks_need(const struct qb_kv *kv, const struct qb_kv_shape *shape, size_t *bytes,
                              struct qb_error *err)
{
    size_t sizes[2];
    if (set_sizes(kv, sizes, err))
        return err->status;
    *bytes = 0;
    bool fits = true;
    for (size_t layer = 0; layer < kv->layers && fits; layer++)
        fits =
            add_slots(kv, slots_of(shape, kv->options.block, shape->windows ? shape->windows[layer] : 0), sizes, bytes);
    if (!fits || !add_up(bytes, newest_values(kv), 2 * sizeof(float)))
        *bytes = SIZE_MAX;
    return QB_OK;
}

enum qb_status kv_blocks_create(struct qb_kv *kv, const struct qb_kv_shape *shape, struct qb_error *err)
{
    struct qb_kv_blocks *blocks = kv->blocks = qb_alloc(1, sizeof *blocks, "KV cache", err);
    if (!blocks)
        return err->status;
    if (kv->options.block == 0)
        return qb_fail(err, QB_ERR_INTERNAL, "KV cache: blocks of no position");
    blocks->step = shape->step ? shape->step : shape->capacity;
    blocks->rooms = qb_alloc(kv->layers, sizeof *blocks->rooms, "KV cache", err);
    if (!blocks->rooms || set_sizes(kv, blocks->sizes, err))
        return err->status;
    size_t total = 0;
    for (size_t layer = 0; layer < kv->layers; layer++) {
        struct room *room = &blocks->rooms[layer];
        room->window = shape->windows ? shape->windows[layer] : 0;
        room->slots = slots_of(shape, kv->options.block, room->window);
        room->offset[0] = total;
        if (!add_slots(kv, room->slots, blocks->sizes, &total))
            return qb_fail(err, QB_ERR_MEMORY, "KV cache: %zu positions of %zu layers are too large", kv->capacity,
                           kv->layers);
        room->offset[1] = room->offset[0] + kv->batch * room->slots * blocks->sizes[0];
    }
    blocks->bytes = qb_alloc_sparse(total, 1, "KV cache", err);
    for (size_t i = 0; i < 2 && !err->status; i++)
        blocks->newest[i] = qb_alloc(newest_values(kv), sizeof(float), "KV cache", err);
    return err->status;
}

void kv_blocks_free(struct qb_kv_blocks *blocks)
{
    if (!blocks)
        return;
    qb_free(blocks->rooms);
    qb_free(blocks->bytes);
    qb_free(blocks->newest[0]);
    qb_free(blocks->newest[1]);
    qb_scratch_free(&blocks->appended);
    qb_scratch_free(&blocks->packed);
    qb_free(blocks);
}

size_t kv_blocks_bytes(const struct qb_kv *kv)
{
    const struct qb_kv_blocks *blocks = kv->blocks;
    return qb_size_of(blocks->bytes) + qb_size_of(blocks->newest[0]) + qb_size_of(blocks->newest[1]);
}

size_t kv_blocks_held_bytes(const struct qb_kv *kv)
{
    const struct qb_kv_blocks *blocks = kv->blocks;
    const size_t full = kv->length / kv->options.block;
    size_t bytes = qb_size_of(blocks->newest[0]) + qb_size_of(blocks->newest[1]);
    for (size_t layer = 0; layer < kv->layers; layer++) {
        const size_t slots = blocks->rooms[layer].slots;
        bytes += kv->batch * (full < slots ? full : slots) * (blocks->sizes[0] + blocks->sizes[1]);
    }
    return bytes;
}

size_t kv_blocks_working_bytes(const struct qb_kv *kv)
{
    return qb_size_of(kv->blocks->appended.data) + qb_size_of(kv->blocks->packed.data);
}

size_t kv_blocks_working_need(const struct qb_kv *kv, size_t length)
{
    const size_t block = kv->options.block, most = length < block ? length : block;
    size_t room = 0;
    for (size_t count = 1; count <= most; count++)
        if (2 * kv->batch * count * width_of(kv) > room)
            room = qb_scratch_room(2 * kv->batch * count * width_of(kv));
    if (length >= block)
        room += qb_scratch_room(block * width_of(kv));
    return room * sizeof(float);
}

double kv_blocks_position_bytes(const struct qb_kv *kv)
{
    return (double)(kv->layers * (kv->blocks->sizes[0] + kv->blocks->sizes[1])) / (double)kv->options.block;
}

static size_t border_of(const struct qb_kv *kv, size_t length)
{
    return length / kv->options.block * kv->options.block;
}

static float *newest_of(const struct qb_kv *kv, unsigned which, size_t layer, size_t side, size_t seq)
{
    const size_t one = (kv->options.block - 1) * width_of(kv);
    return kv->blocks->newest[which] + ((layer * 2 + side) * kv->batch + seq) * one;
}

static float *appended_of(const struct qb_kv *kv, size_t side, size_t seq)
{
    return kv->blocks->appended.data + (side * kv->batch + seq) * kv->blocks->count * width_of(kv);
}

static unsigned char *bytes_of(const struct qb_kv *kv, size_t layer, size_t side, size_t seq, size_t block)
{
    const struct room *room = &kv->blocks->rooms[layer];
    return kv->blocks->bytes + room->offset[side] + (seq * room->slots + block % room->slots) * kv->blocks->sizes[side];
}

/* ---- append ---- */

/* A full block, x[block, width], encoded into its slot. */
static enum qb_status encode(struct qb_kv *kv, size_t layer, size_t side, size_t seq, size_t number, const float *x,
                             struct qb_error *err)
{
    const size_t dim = kv->head_dim, block = kv->options.block, rows = kv->heads * block;
    unsigned char *out = bytes_of(kv, layer, side, seq, number);
    float *packed = qb_scratch_get(&kv->blocks->packed, rows * dim, err);
    if (!packed)
        return err->status;
    for (size_t i = 0; i < rows; i++)
        memcpy(packed + i * dim, x + (i % block) * width_of(kv) + i / block * dim, dim * sizeof *packed);
    if (!kv->options.format[side])
        memcpy(out, packed, kv->blocks->sizes[side]);
    else if (qb_encode(kv->options.format[side], rows, dim, packed, out, kv->blocks->sizes[side], err))
        qb_wrap(err, "KV cache, %s from position %zu", side ? "values" : "keys", number * block);
    if (err->status == QB_ERR_INPUT)
        err->status = QB_ERR_NUMERIC;
    return err->status;
}

/* Side `side` of the sequence: the block that is not full, and the n new positions, rotated, behind each other. */
static void gather(struct qb_kv *kv, size_t layer, size_t side, size_t seq, size_t n, const struct qb_heads *from)
{
    const size_t width = width_of(kv), old = kv->length - kv->blocks->fresh;
    float *to = appended_of(kv, side, seq);
    if (old > 0)
        memcpy(to, newest_of(kv, kv->blocks->now, layer, side, seq), old * width * sizeof *to);
    to += old * width;
    for (size_t i = 0; i < n; i++)
        memcpy(to + i * width, from->data + seq * from->batch_stride + i * from->stride, width * sizeof *to);
    if (kv->options.rotate)
        qb_hadamard(to, n * kv->heads, kv->head_dim);
}

enum qb_status kv_blocks_append(struct qb_kv *kv, size_t layer, size_t n, const struct qb_heads from[2],
                                struct qb_error *err)
{
    struct qb_kv_blocks *blocks = kv->blocks;
    const size_t width = width_of(kv), block = kv->options.block, end = border_of(kv, kv->length + n);
    if (n > blocks->step)
        return qb_fail(err, QB_ERR_INTERNAL, "%zu positions at once: the KV cache takes %zu", n, blocks->step);
    blocks->fresh = border_of(kv, kv->length);
    blocks->count = kv->length + n - blocks->fresh;
    if (!qb_scratch_get(&blocks->appended, 2 * kv->batch * blocks->count * width, err))
        return err->status;
    for (size_t i = 0; i < 2 * kv->batch; i++) {
        const size_t side = i / kv->batch, seq = i % kv->batch;
        gather(kv, layer, side, seq, n, &from[side]);
        const float *x = appended_of(kv, side, seq);
        for (size_t at = blocks->fresh; at < end; at += block, x += block * width)
            if (encode(kv, layer, side, seq, at / block, x, err))
                return err->status;
        if (kv->options.tally && kv->options.format[side]) {
            kv->options.tally->kept += n;
            kv->options.tally->encoded += end > blocks->fresh ? end - blocks->fresh : 0;
        }
        if (end < kv->length + n)
            memcpy(newest_of(kv, 1 - blocks->now, layer, side, seq), x, (kv->length + n - end) * width * sizeof *x);
    }
    return QB_OK;
}

void kv_blocks_advance(struct qb_kv *kv)
{
    kv->blocks->now = 1 - kv->blocks->now;
}

void kv_blocks_repeat(struct qb_kv *kv, size_t length)
{
    const size_t there = kv->length / kv->options.block, all = length / kv->options.block;
    for (size_t i = 0; i < kv->layers * 2 * kv->batch; i++) {
        const size_t layer = i / (2 * kv->batch), side = i / kv->batch % 2, seq = i % kv->batch;
        for (size_t b = there; b < all && kv->blocks->rooms[layer].slots > 1; b++)
            memcpy(bytes_of(kv, layer, side, seq, b), bytes_of(kv, layer, side, seq, b - 1), kv->blocks->sizes[side]);
    }
}

size_t kv_blocks_kept(const struct qb_kv *kv, size_t length)
{
    if (length == kv->length)
        return length;
    for (size_t layer = 0; layer < kv->layers; layer++) {
        const struct room *room = &kv->blocks->rooms[layer];
        if (room->slots * kv->options.block < border_of(kv, kv->length))
            return 0;
    }
    return length >= border_of(kv, kv->length) ? length : border_of(kv, length);
}

/* ---- view ---- */

/* Rows of a head in consecutive blocks -> out. */
static enum qb_status read_tile(const void *context, size_t seq, size_t side, size_t head, size_t from, size_t count,
                                float *out, struct qb_error *err)
{
    const struct qb_kv_view *view = context;
    const struct qb_kv *kv = view->kv;
    const struct qb_format *format = kv->options.format[side];
    const size_t block = kv->options.block, dim = kv->head_dim;
    while (count > 0) {
        size_t first = from % block, n = block - first < count ? block - first : count, row = head * block + first;
        const unsigned char *bytes = bytes_of(kv, view->layer, side, seq, from / block);
        if (!format)
            memcpy(out, bytes + row * dim * sizeof *out, n * dim * sizeof *out);
        else if (qb_decode_again(format, kv->heads * block, dim, bytes, kv->blocks->sizes[side], row, n, out, err))
            return qb_wrap(err, "KV cache, position %zu", from);
        from += n;
        count -= n;
        out += n * dim;
    }
    return QB_OK;
}

void kv_blocks_view(const struct qb_kv *kv, struct qb_kv_view *view)
{
    const struct qb_kv_blocks *blocks = kv->blocks;
    const size_t width = width_of(kv), apart = blocks->count * width;
    view->fresh = blocks->fresh;
    view->k = (struct qb_heads){appended_of(kv, QB_KV_KEYS, 0), width, apart};
    view->v = (struct qb_heads){appended_of(kv, QB_KV_VALUES, 0), width, apart};
    view->tiled = true;
    view->tiles = (struct qb_tiles){.context = view, .read = read_tile, .block = kv->options.block};
}
