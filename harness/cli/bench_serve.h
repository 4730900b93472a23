/* The process of an arm of `bench model` that is a net of ours: it answers what bench_arm.h asks. */
#ifndef QB_BENCH_SERVE_H
#define QB_BENCH_SERVE_H

#include "base/error.h"
#include "model/net.h"

struct qb_arm_offer {
    struct qb_net *net;
    const char *arithmetic; /* "fp32", "forward", "fused", "split" */
    unsigned threads;
    size_t rss_before; /* bytes */
};

/* Says what the arm is, then answers until the other side closes the socket. */
void qb_serve_net(const struct qb_arm_offer *offer, int socket);
/* Says why there is none. */
void qb_serve_error(const struct qb_error *error, int socket);

#endif
