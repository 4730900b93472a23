/* Operators that are estimated on the inputs which FP32 gives them: a net that multiplies the model's own weights runs
 * over the calibration contexts, and of each operator, when its inputs come by, the encoded one is made. These take
 * the places of the others at the end; under compensate at once, so that the next see what they give. */
#include "base/file.h"
#include "base/mem.h"
#include "model/calibrate.h"
#include "model/net_parts.h"

struct work {
    struct qb_net *net;
    struct qb_linear **made;      /* of each operator; NULL: not yet */
    const struct qb_tensor *read; /* whose pages the net has */
};

/* The net keeps the pages of one matrix at a time. */
static void drop_before(struct work *work, const struct qb_tensor *tensor)
{
    const struct qb_tensor *before = work->read;
    work->read = tensor;
    if (before && before != tensor && before->mapped)
        qb_map_drop(before->bytes, before->size);
}

static void place(struct qb_net *net, size_t index, struct qb_linear *made)
{
    if (net->linears[index].linear != made)
        qb_linear_free(net->linears[index].linear);
    net->linears[index].linear = made;
}

static enum qb_status see(void *context, size_t index, const float *x, size_t n, struct qb_error *err)
{
    struct work *work = context;
    struct qb_net *net = work->net;
    const struct qb_seen seen = {x, n, net->pool};
    drop_before(work, net->linears[index].tensor);
    return work->made[index]
               ? QB_OK
               : net_operator(net, net->linears[index].tensor, net->variant, x ? &seen : NULL, &work->made[index], err);
}

enum qb_status net_condition(struct qb_net *net, const struct qb_calibration_data *data, struct qb_error *err)
{
    const size_t n = data->contexts * data->length;
    struct work work = {.net = net};
    work.made = qb_alloc(net->linear_count, sizeof *work.made, "operators", err);
    float *hidden = work.made ? qb_alloc(n, net->model->arch.hidden * sizeof *hidden, "hidden states", err) : NULL;
    if (hidden) {
        qb_net_observe(net, see, &work);
        if (!qb_net_forward(net, data->tokens, data->contexts, data->length, hidden, err))
            see(&work, net->head.linear, hidden, n, err);
        qb_net_observe(net, NULL, NULL);
    }
    for (size_t i = 0; hidden && i < net->linear_count && !err->status; i++)
        see(&work, i, NULL, 0, err); /* an embedding, of which rows are looked up */
    for (size_t i = 0; work.made && i < net->linear_count; i++)
        if (!err->status)
            place(net, i, work.made[i]);
        else if (net->linears[i].linear != work.made[i])
            qb_linear_free(work.made[i]);
    net->unencoded = err->status != QB_OK;
    qb_free(hidden);
    qb_free(work.made);
    qb_net_drop_working(net);
    qb_weights_drop(net->model->weights);
    return err->status;
}
