#include "registry_fixture.h"

TestSuite(net, .init = registry_begin, .fini = registry_end);

/* Feeding in pieces must give what one forward pass gives, but for sums in another order; two BF16 terms keep 16 bits
 * of an input, so that what differs in its last bit may there differ by 2^-17 of it. */
static void decoder_agrees(const char *generator, bool causal, const char *variant_name)
{
    const double within = variant_name && strcmp(variant_name, "fp32-split2") == 0 ? 2e-5 + 0x1p-14 : 2e-5;
    enum { BATCH = 3, LENGTH = 13, H = 24 };
    int32_t tokens[BATCH * LENGTH], part[BATCH * LENGTH];
    float hidden[BATCH * LENGTH * H], last[BATCH * H];
    static const size_t pieces[] = {5, 1, 1, 4, 2};
    struct qb_model *model = support_small(generator, causal);
    struct qb_variant *variant = variant_name ? support_variant(registry, variant_name) : NULL;
    struct qb_pool *pool = support_pool(2);
    struct qb_net *net = support_net(model, variant, NULL, pool);
    struct qb_decoder *decoder;
    support_tokens(tokens, BATCH * LENGTH, 1);
    MUST(qb_decoder_create(net, BATCH, LENGTH, &decoder, &err));
    cr_expect_eq(qb_decoder_position_bytes(decoder) > 0, causal && model->arch.attention);
    size_t at = 0;
    for (size_t p = 0; p < 5; p++) {
        for (size_t s = 0; s < BATCH; s++)
            memcpy(part + s * pieces[p], tokens + s * LENGTH + at, pieces[p] * sizeof *part);
        MUST(qb_decoder_feed(decoder, part, pieces[p], last, &err));
        at += pieces[p];
        for (size_t s = 0; s < BATCH; s++)
            memcpy(part + s * at, tokens + s * LENGTH, at * sizeof *part);
        MUST(qb_net_forward(net, part, BATCH, at, hidden, &err));
        for (size_t s = 0; s < BATCH; s++)
            for (size_t i = 0; i < H; i++)
                cr_assert_float_eq(last[s * H + i], hidden[(s * at + at - 1) * H + i], within,
                                   "%s%s, after %zu tokens: %g, %g", generator, causal ? " causal" : "", at,
                                   (double)last[s * H + i], (double)hidden[(s * at + at - 1) * H + i]);
    }
    cr_expect_eq(qb_decoder_feed(decoder, part, 1, last, &err), QB_ERR_INTERNAL, "the decoder is full");
    err = (struct qb_error){0};
    qb_decoder_free(decoder);
    qb_net_free(net);
    qb_pool_free(pool);
    qb_variant_free(variant);
    qb_model_free(model);
}

/* What is read after going back is what is read by a decoder that never had the rest. */
static void decoder_goes_back(const char *generator, bool causal)
{
    struct qb_model *model = support_small(generator, causal);
    struct qb_pool *pool = support_pool(1);
    struct qb_net *net = NULL;
    struct qb_decoder *decoder = NULL, *fresh = NULL;
    int32_t tokens[12];
    float here[64], there[64];
    size_t left = 5;
    const size_t H = model->arch.hidden;
    support_tokens(tokens, 12, 3);
    MUST(qb_net_create(model, NULL, pool, &net, &err));
    MUST(qb_decoder_create(net, 1, 12, &decoder, &err));
    MUST(qb_decoder_create(net, 1, 12, &fresh, &err));
    MUST(qb_decoder_feed(decoder, tokens, 9, here, &err));
    MUST(qb_decoder_rewind(decoder, &left, &err));
    cr_expect_eq(left, causal || !model->arch.attention ? 5 : 0);
    MUST(qb_decoder_feed(fresh, tokens, 5, there, &err));
    if (left < 5)
        MUST(qb_decoder_feed(decoder, tokens, 5, here, &err));
    MUST(qb_decoder_feed(decoder, tokens + 9, 3, here, &err));
    MUST(qb_decoder_feed(fresh, tokens + 9, 3, there, &err));
    cr_expect_eq(memcmp(here, there, H * sizeof *here), 0, "%s", generator);
    left = 20;
    MUST(qb_decoder_rewind(decoder, &left, &err));
    cr_expect_eq(left, causal || !model->arch.attention ? 8 : 0, "%zu positions are left", left);
    qb_decoder_free(decoder);
    qb_decoder_free(fresh);
    qb_net_free(net);
    qb_pool_free(pool);
    qb_model_free(model);
}

Test(net, a_decoder_goes_back)
{
    decoder_goes_back("transformer", true);
    decoder_goes_back("transformer", false);
    decoder_goes_back("chain", true);
}

Test(net, decoder_agrees_with_forward)
{
    decoder_agrees("transformer", true, NULL);
    decoder_agrees("transformer", false, NULL);
    decoder_agrees("transformer", true, "pattern-a");
    decoder_agrees("transformer", false, "int8-channel");
    decoder_agrees("transformer", true, "fp32-reordered");
    decoder_agrees("transformer", false, "fp32-reordered");
    decoder_agrees("transformer", true, "fp32-split");
    decoder_agrees("transformer", true, "fp32-split2");
    decoder_agrees("chain", false, NULL);
}

/* A plain forward pass in double: what the transformer protocol says, without any of the engine's code. */
static void plain_linear(const struct qb_model *model, const char *prefix, const double *x, size_t n, double *y)
{
    char name[80];
    snprintf(name, sizeof name, "%s.weight", prefix);
    const struct qb_tensor *w = qb_model_named(model, name);
    snprintf(name, sizeof name, "%s.bias", prefix);
    const struct qb_tensor *b = qb_model_named(model, name);
    for (size_t i = 0; i < n; i++)
        for (size_t r = 0; r < w->rows; r++) {
            double sum = b ? (double)tensor_floats(b)[r] : 0;
            for (size_t c = 0; c < w->cols; c++)
                sum += x[i * w->cols + c] * (double)tensor_floats(w)[r * w->cols + c];
            y[i * w->rows + r] = sum;
        }
}

static void plain_attention(const double *qkv, size_t n, size_t h, size_t heads, bool causal, double *out)
{
    size_t d = h / heads;
    for (size_t head = 0; head < heads; head++)
        for (size_t i = 0; i < n; i++) {
            double score[64], sum = 0;
            size_t seen = causal ? i + 1 : n;
            for (size_t j = 0; j < seen; j++) {
                score[j] = 0;
                for (size_t c = 0; c < d; c++)
                    score[j] += qkv[i * 3 * h + head * d + c] * qkv[j * 3 * h + h + head * d + c];
                sum += score[j] = exp(score[j] / sqrt((double)d));
            }
            for (size_t c = 0; c < d; c++) {
                out[i * h + head * d + c] = 0;
                for (size_t j = 0; j < seen; j++)
                    out[i * h + head * d + c] += score[j] / sum * qkv[j * 3 * h + 2 * h + head * d + c];
            }
        }
}

static void plain_transformer(const struct qb_model *model, const int32_t *tokens, size_t n, double *h)
{
    size_t width = model->arch.hidden;
    double qkv[9 * 3 * 24], mixed[9 * 24], back[9 * 24], inner[9 * 96];
    for (size_t i = 0; i < n * width; i++)
        h[i] = (double)tensor_floats(&model->tensors[0])[(size_t)tokens[i / width] * width + i % width];
    for (int l = 0; l < 2; l++) {
        char name[64];
        snprintf(name, sizeof name, "layers.%d.attn.qkv", l);
        plain_linear(model, name, h, n, qkv);
        plain_attention(qkv, n, width, model->arch.heads, model->arch.causal, mixed);
        snprintf(name, sizeof name, "layers.%d.attn.out", l);
        plain_linear(model, name, mixed, n, back);
        for (size_t i = 0; i < n * width; i++)
            h[i] += back[i];
        snprintf(name, sizeof name, "layers.%d.mlp.up", l);
        plain_linear(model, name, h, n, inner);
        for (size_t i = 0; i < n * 4 * width; i++)
            inner[i] = inner[i] > 0 ? inner[i] : 0;
        snprintf(name, sizeof name, "layers.%d.mlp.down", l);
        plain_linear(model, name, inner, n, back);
        for (size_t i = 0; i < n * width; i++)
            h[i] += back[i];
    }
    for (size_t i = 0; i < n; i++) {
        double mean = 0, variance = 0, *row = h + i * width;
        for (size_t c = 0; c < width; c++)
            mean += row[c] / (double)width;
        for (size_t c = 0; c < width; c++)
            variance += (row[c] - mean) * (row[c] - mean) / (double)width;
        for (size_t c = 0; c < width; c++)
            row[c] = (row[c] - mean) / sqrt(variance + 1e-5);
    }
}

Test(net, forward_agrees_with_plain_loops)
{
    for (int causal = 0; causal < 2; causal++) {
        int32_t tokens[9];
        double expected[9 * 24];
        float hidden[9 * 24];
        struct qb_model *model = support_small("transformer", causal);
        struct qb_pool *pool = support_pool(1);
        struct qb_net *net = support_net(model, NULL, NULL, pool);
        support_tokens(tokens, 9, 2);
        MUST(qb_net_forward(net, tokens, 1, 9, hidden, &err));
        plain_transformer(model, tokens, 9, expected);
        for (size_t i = 0; i < 9 * 24; i++)
            cr_expect_float_eq(hidden[i], expected[i], 2e-5, "causal %d: %g, expected %g", causal, (double)hidden[i],
                               expected[i]);
        qb_net_free(net);
        qb_pool_free(pool);
        qb_model_free(model);
    }
}

Test(net, steps_are_the_forward_pass_and_threads_do_not_matter)
{
    enum { BATCH = 2, LENGTH = 70 };
    static const char *const generators[] = {"transformer", "chain"};
    for (size_t g = 0; g < 2; g++) {
        int32_t tokens[BATCH * LENGTH];
        static float whole[3][BATCH * LENGTH * 24], x[2][BATCH * LENGTH * 96];
        struct qb_model *model = support_small(generators[g], false);
        struct qb_variant *variant = support_variant(registry, "legacy-both");
        support_tokens(tokens, BATCH * LENGTH, 4);
        for (unsigned threads = 1; threads <= 3; threads++) {
            struct qb_pool *pool = support_pool(threads);
            struct qb_net *net = support_net(model, variant, NULL, pool);
            MUST(qb_net_forward(net, tokens, BATCH, LENGTH, whole[threads - 1], &err));
            if (threads == 3) {
                cr_assert_leq(qb_net_width(net), 96);
                MUST(qb_net_embed(net, tokens, BATCH, LENGTH, x[0], &err));
                for (size_t l = 0; l < qb_net_layers(net); l++)
                    MUST(qb_net_block(net, l, x[l % 2], BATCH, LENGTH, x[1 - l % 2], &err));
                if (!model->arch.attention) /* no final norm: the last block is the hidden state */
                    cr_expect_eq(memcmp(x[qb_net_layers(net) % 2], whole[2], sizeof whole[2]), 0);
            }
            qb_net_free(net);
            qb_pool_free(pool);
        }
        cr_expect_eq(memcmp(whole[0], whole[1], sizeof whole[0]), 0, "%s: 2 threads differ", generators[g]);
        cr_expect_eq(memcmp(whole[0], whole[2], sizeof whole[0]), 0, "%s: 3 threads differ", generators[g]);
        qb_variant_free(variant);
        qb_model_free(model);
    }
}

Test(net, the_fp32_variant_is_the_reference_bit_for_bit)
{
    int32_t tokens[40];
    float a[40 * 24], b[40 * 24], la[40 * 50], lb[40 * 50];
    struct qb_model *model = support_small("transformer", true);
    struct qb_variant *variant = support_variant(registry, "fp32");
    struct qb_pool *pool = support_pool(1);
    struct qb_net *x = support_net(model, NULL, NULL, pool), *y = support_net(model, variant, NULL, pool);
    support_tokens(tokens, 40, 5);
    MUST(qb_net_forward(x, tokens, 2, 20, a, &err));
    MUST(qb_net_forward(y, tokens, 2, 20, b, &err));
    MUST(qb_net_logits(x, a, 40, la, &err));
    MUST(qb_net_logits(y, b, 40, lb, &err));
    cr_expect_eq(memcmp(a, b, sizeof a), 0);
    cr_expect_eq(memcmp(la, lb, sizeof la), 0);
    qb_net_free(x);
    qb_net_free(y);
    qb_pool_free(pool);
    qb_variant_free(variant);
    qb_model_free(model);
}

Test(net, bytes_are_counted_from_what_is_stored)
{
    struct qb_model *model = support_model("transformer", 5000, 256, 3, 42);
    struct qb_pool *pool = support_pool(1);
    static const struct {
        const char *name;
        size_t encoded; /* of the 12 matrices */
    } cases[] = {{NULL, 4 * 2359296},
                 {"pattern-a", 2 * 2359296 + 12 * 8},
                 {"pattern-a-packed", 9 * 2359296 / 8 + 12 * 8},
                 {"legacy", 4 * 2359296}};
    for (size_t i = 0; i < 4; i++) {
        struct qb_variant *v = cases[i].name ? support_variant(registry, cases[i].name) : NULL;
        struct qb_net *net = support_net(model, v, NULL, pool);
        struct qb_net_buffer rows[64];
        size_t count = qb_net_buffers(net, rows, 64), matrices = 0, values = 0, rest = 0;
        cr_assert_leq(count, 64);
        for (size_t r = 0; r < count; r++) {
            bool matrix = !(rows[r].roles & (QB_ROLE_BIAS | QB_ROLE_NORM | QB_ROLE_EMBED));
            matrices += matrix ? rows[r].bytes : 0;
            rest += matrix || rows[r].roles & QB_ROLE_NORM ? 0 : rows[r].bytes;
            values += rows[r].roles & QB_ROLE_NORM ? 0 : rows[r].values;
        }
        cr_expect_eq(values, 3646208, "%zu values", values);
        cr_expect_eq(matrices, cases[i].encoded, "%s: %zu bytes", cases[i].name ? cases[i].name : "fp32", matrices);
        cr_expect_eq(rest, 4 * 1286912, "%zu bytes", rest);
        cr_expect_eq(qb_net_buffers(net, rows, 3), count, "a small array gets the count all the same");
        qb_net_free(net);
        qb_variant_free(v);
    }
    qb_pool_free(pool);
    qb_model_free(model);
}

Test(net, wrong_inputs_are_errors)
{
    struct qb_model *model = support_small("transformer", true);
    struct qb_variant *calibrated = support_variant(registry, "calibrated");
    struct qb_pool *pool = support_pool(1);
    struct qb_net *net = NULL;
    float hidden[4 * 24];
    struct qb_error e = {0};
    cr_expect_eq(qb_net_prepare(model, calibrated, NULL, pool, &net, &e), QB_ERR_INPUT);
    cr_expect(strstr(e.message, "transformer") && strstr(e.message, "calibration"), "%s", e.message);
    net = support_net(model, NULL, NULL, pool);
    e = (struct qb_error){0};
    cr_expect_eq(qb_net_forward(net, (const int32_t[]){1, 50}, 1, 2, hidden, &e), QB_ERR_INPUT);
    cr_expect(strstr(e.message, "50"), "%s", e.message);
    e = (struct qb_error){0};
    cr_expect_eq(qb_net_forward(net, (const int32_t[]){-1}, 1, 1, hidden, &e), QB_ERR_INPUT);
    model->arch.context = 3;
    e = (struct qb_error){0};
    cr_expect_eq(qb_net_forward(net, (const int32_t[]){1, 2, 3, 4}, 1, 4, hidden, &e), QB_ERR_INPUT);
    model->arch.context = 0;
    tensor_floats(&model->tensors[0])[24] = NAN;
    e = (struct qb_error){0};
    cr_expect_eq(qb_net_forward(net, (const int32_t[]){0, 1}, 1, 2, hidden, &e), QB_ERR_NUMERIC);
    qb_net_free(net);
    qb_variant_free(calibrated);
    qb_pool_free(pool);
    qb_model_free(model);
}

Test(net, no_allocation_failure_leaks_or_crashes)
{
    struct qb_model *model = support_small("transformer", true);
    struct qb_variant *variant = support_variant(registry, "calibrated");
    struct qb_pool *pool = support_pool(1);
    int32_t tokens[40];
    float hidden[2 * 24];
    support_tokens(tokens, 40, 6);
    struct qb_calibration_data data = {tokens, 4, 10};
    size_t live = qb_mem_stats().live_bytes, n = 0;
    enum qb_status status = QB_ERR_MEMORY;
    while (status == QB_ERR_MEMORY && n < 2000) {
        struct qb_error e = {0};
        struct qb_net *net = NULL;
        struct qb_decoder *decoder = NULL;
        qb_mem_fail_at(++n);
        status = qb_net_prepare(model, variant, &data, pool, &net, &e);
        if (!status)
            status = qb_decoder_create(net, 2, 8, &decoder, &e);
        if (!status)
            status = qb_decoder_feed(decoder, tokens, 3, hidden, &e);
        qb_mem_fail_at(0);
        qb_decoder_free(decoder);
        qb_net_free(net);
        cr_assert(!status || status == QB_ERR_MEMORY, "%s", e.message);
        cr_assert_eq(qb_mem_stats().live_bytes, live, "leak when allocation %zu fails", n);
    }
    cr_expect_eq(status, QB_OK);
    cr_expect_gt(n, 50);
    qb_variant_free(variant);
    qb_pool_free(pool);
    qb_model_free(model);
}
