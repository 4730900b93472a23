/* Calibration: what it takes beside the net that it makes. */
#include "net_support.h"

#include <sys/wait.h>
#include <unistd.h>
#include "base/mem.h"
#include "scratch.h"
#include "unit/sanitized.h"

enum { VOCAB = 300, HIDDEN = 512, LAYERS = 24, LENGTH = 20 };

/* 49 MB of F16, made by a process whose memory is not measured. */
static void write_model(const char *path)
{
    pid_t child = fork();
    if (child == 0) {
        struct qb_error e = {0};
        _exit(qb_model_save(support_model("chain", VOCAB, HIDDEN, LAYERS, 3), true, path, &e) ? 1 : 0);
    }
    int status = 1;
    cr_assert(waitpid(child, &status, 0) == child && status == 0);
}

TestSuite(calibrate, .init = scratch_begin, .fini = scratch_end);

Test(calibrate, the_reference_keeps_no_pages, .disabled = QB_SANITIZED)
{
    static const char text[] = "base: int8-channel\ncalibration: {scale: true, alpha: true}\n";
    const size_t mb = (size_t)1 << 20;
    struct qb_error err = {0};
    struct qb_registry *registry = support_registry();
    struct qb_pool *pool = support_pool(1);
    struct qb_yaml *root;
    struct qb_variant *variant;
    struct qb_model *model;
    struct qb_net *net;
    int32_t tokens[2 * LENGTH];
    const struct qb_calibration_data data = {tokens, 2, LENGTH};
    const char *path = scratch_path("model.safetensors");
    write_model(path);
    support_tokens(tokens, 2 * LENGTH, 4);
    MUST(qb_yaml_parse(text, strlen(text), "my.yaml", &root, &err));
    MUST(qb_variant_read(root, "mine", registry, qb_cpu()->isa, &variant, &err));
    MUST(qb_model_open(path, registry, qb_cpu()->isa, &model, &err));
    size_t before = qb_rss_bytes(), live = qb_mem_stats().live_bytes;
    MUST(qb_net_prepare(model, variant, &data, pool, &net, &err));
    size_t own = qb_mem_stats().live_bytes - live;
    cr_expect_gt(own, 24 * mb, "encoded");
    cr_expect_lt(qb_rss_bytes(), before + own + 12 * mb, "%zu MB more", (qb_rss_bytes() - before) / mb);
    cr_expect_lt(qb_peak_rss_bytes(), before + own + 24 * mb, "%zu MB more", (qb_peak_rss_bytes() - before) / mb);
    qb_net_free(net);
    qb_model_free(model);
    qb_variant_free(variant);
    qb_yaml_free(root);
    qb_pool_free(pool);
    qb_registry_free(registry);
}
