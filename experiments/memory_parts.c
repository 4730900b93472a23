#include "memory_parts.h"

#include "base/mem.h"

#define BUFFERS_MAX 8192

struct qb_net_buffer *qb_memory_buffers(const struct qb_net *net, size_t *n, struct qb_error *err)
{
    struct qb_net_buffer *rows = qb_alloc(BUFFERS_MAX, sizeof *rows, "buffer table", err);
    *n = rows ? qb_net_buffers(net, rows, BUFFERS_MAX) : 0;
    if (*n <= BUFFERS_MAX)
        return rows;
    qb_fail(err, QB_ERR_INTERNAL, "%zu stored buffers, at most %d fit", *n, BUFFERS_MAX);
    qb_free(rows);
    return NULL;
}

enum qb_status qb_memory_held(const struct qb_net *net, size_t *bytes, struct qb_error *err)
{
    size_t n;
    struct qb_net_buffer *rows = qb_memory_buffers(net, &n, err);
    *bytes = 0;
    for (size_t i = 0; rows && i < n; i++)
        *bytes += rows[i].held_bytes;
    qb_free(rows);
    return err->status;
}
