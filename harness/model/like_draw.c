/* One tensor of a synthetic model: a bootstrap of the trained tensor of its role. */
#include "base/file.h"
#include "base/mem.h"
#include "base/splitmix.h"
#include "model/half.h"
#include "model/like_parts.h"

enum { TASK_ROWS = 64 };

/* The trained layer at the same relative depth: the first and the last stay so. */
static int depth_of(int layer, size_t layers, size_t trained)
{
    if (layer < 0 || layers < 2)
        return layer;
    return (int)((2 * (size_t)layer * (trained - 1) + (layers - 1)) / (2 * (layers - 1)));
}

static const struct qb_tensor *find(const struct qb_model *trained, uint32_t role, uint32_t kind, enum qb_norm_at norm,
                                    int layer)
{
    for (size_t i = 0; i < trained->tensor_count; i++) {
        const struct qb_tensor *tensor = &trained->tensors[i];
        if (tensor->layer == layer && (tensor->roles & (QB_ROLE_BIAS | QB_ROLE_NORM)) == kind && tensor->norm == norm &&
            (norm != QB_NORM_NOWHERE || (tensor->roles & role & ~kind)))
            return tensor;
    }
    return NULL;
}

/* The trained tensor that block `role` of `tensor` is like; NULL: there is none. */
static const struct qb_tensor *model_of(const struct qb_like *like, const struct qb_arch *arch,
                                        const struct qb_arch_tensor *tensor, uint32_t role)
{
    const int layer = depth_of(tensor->layer, arch->layers, like->trained->arch.layers);
    const uint32_t kind = tensor->roles & (QB_ROLE_BIAS | QB_ROLE_NORM);
    const struct qb_tensor *found = find(like->trained, role, kind, tensor->norm, layer);
    return !found && (role & QB_ROLE_MLP_GATE) ? find(like->trained, QB_ROLE_MLP_UP, kind, tensor->norm, layer) : found;
}

/* The rows [first, first + rows) of a tensor, drawn from a table of rows. */
struct drawing {
    const float *from;
    size_t from_rows, from_cols;
    float shift; /* added to each value */
    uint64_t stream;
    size_t first, rows, cols;
    size_t column; /* 0, or of a tensor that is stored by columns how long they are */
    uint16_t *out;
};

/* One of n < 2^32, from the upper half of a random word. */
static size_t below(uint64_t random, size_t n)
{
    return (size_t)((random >> 32) * n >> 32);
}

static void draw_rows(void *context, size_t index, unsigned worker)
{
    const struct drawing *d = context;
    const size_t first = index * TASK_ROWS, last = first + TASK_ROWS < d->rows ? first + TASK_ROWS : d->rows;
    (void)worker;
    for (size_t row = d->first + first; row < d->first + last; row++) {
        uint64_t counter = qb_splitmix_hash(d->stream + QB_SPLITMIX_GAMMA * (row + 1));
        const float *from = d->from + below(qb_splitmix_next(&counter), d->from_rows) * d->from_cols;
        for (size_t col = 0; col < d->cols; col++) {
            const float value = from[below(qb_splitmix_next(&counter), d->from_cols)] + d->shift;
            d->out[d->column ? col * d->column + row : row * d->cols + col] = float_to_bfloat(value);
        }
    }
}

/* A norm that does nothing, a bias that is not there. */
static enum qb_status be_neutral(const struct qb_arch *arch, const struct qb_arch_tensor *tensor, uint16_t *bfloat,
                                 struct qb_error *err)
{
    if (!(tensor->roles & (QB_ROLE_BIAS | QB_ROLE_NORM)))
        return qb_fail(err, QB_ERR_INPUT, "the trained model has no weights of this role");
    const bool weight = !(tensor->roles & QB_ROLE_BIAS);
    for (size_t i = 0; i < tensor->cols; i++)
        bfloat[i] = float_to_bfloat(weight && !arch->norm_plus_one ? 1.0f : 0.0f);
    return QB_OK;
}

/* Block i of the tensor, like the block of its role of `trained`. */
static enum qb_status draw_block(const struct qb_tensor *trained, size_t i, struct drawing *d,
                                 const struct qb_arch_tensor *tensor, struct qb_pool *pool, struct qb_error *err)
{
    const uint32_t role = qb_role_of_block(tensor->roles, i);
    size_t first = 0;
    d->rows = qb_role_rows(tensor->roles, tensor->rows, tensor->block_rows, i, &d->first);
    d->from_rows = trained->rows;
    d->from_cols = trained->cols;
    if (qb_role_blocks(trained->roles) > 1 && trained->rows > 1) {
        const uint32_t wanted = (trained->roles & role) ? role : QB_ROLE_MLP_UP;
        d->from_rows = qb_role_rows(trained->roles, trained->rows, trained->block_rows,
                                    qb_role_block(trained->roles, wanted), &first);
    }
    float *from = qb_alloc(d->from_rows * d->from_cols, sizeof *from, "a trained tensor's values", err);
    if (from && !qb_tensor_rows(trained, first, d->from_rows, from, err)) {
        d->from = from;
        qb_pool_run(pool, (d->rows + TASK_ROWS - 1) / TASK_ROWS, draw_rows, d);
    }
    qb_free(from);
    if (trained->mapped)
        qb_map_drop(trained->bytes, trained->size);
    return err->status;
}

enum qb_status like_draw(const struct qb_like *like, const struct qb_arch *arch, const struct qb_arch_tensor *tensor,
                         size_t index, struct qb_pool *pool, uint16_t *bfloat, bool *neutral, struct qb_error *err)
{
    const bool vector = tensor->roles & (QB_ROLE_BIAS | QB_ROLE_NORM), bias = tensor->roles & QB_ROLE_BIAS;
    struct drawing d = {.stream = qb_splitmix_hash(qb_splitmix_hash(like->seed + QB_SPLITMIX_GAMMA) + index + 1),
                        .cols = tensor->cols,
                        .column = tensor->rule->transposed && !vector ? tensor->rows : 0,
                        .out = bfloat};
    if (vector && !bias) /* Gemma's weights are stored less 1 */
        d.shift = (float)like->trained->arch.norm_plus_one - (float)arch->norm_plus_one;
    *neutral = false;
    for (size_t i = 0; i < (vector ? 1 : qb_role_blocks(tensor->roles)) && !err->status; i++) {
        const uint32_t role = vector ? tensor->roles : qb_role_of_block(tensor->roles, i);
        const struct qb_tensor *trained = model_of(like, arch, tensor, role);
        *neutral = !trained;
        if (trained)
            draw_block(trained, i, &d, tensor, pool, err);
        else
            be_neutral(arch, tensor, bfloat, err);
    }
    return err->status;
}
