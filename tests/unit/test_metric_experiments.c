/* The registry, and metrics of the experiments that have no test file of their own. */
#include "metric_case.h"

Test(registry, names_are_unique_described_and_fit)
{
    size_t count = 0;
    for (const struct qb_metric *const *m = qb_metrics(); *m; m++, count++) {
        cr_expect((*m)->compute || (*m)->sample, "%s can be computed", (*m)->name);
        cr_expect(strlen((*m)->description) > 5 && strlen((*m)->unit) < 16 && strlen((*m)->name) < 40);
        cr_expect((*m)->has_identity || (*m)->identity == 0, "%s: an identity that it does not have", (*m)->name);
        cr_expect_eq(qb_metric_find((*m)->experiment, (*m)->name), *m, "%s/%s twice", (*m)->experiment, (*m)->name);
    }
    cr_assert_gt(count, 70);
    cr_assert_null(qb_metric_find("greedy", "kl_mean"));
    static const char *const promised[][2] = {
        {"greedy", "match_rate"},
        {"greedy", "top10_overlap"},
        {"greedy", "first_divergence"},
        {"greedy", "unique_tokens"},
        {"greedy", "cycle_length"},
        {"greedy", "margin_median"},
        {"greedy", "logit_std"},
        {"teacher-forced", "top1_agreement"},
        {"teacher-forced", "kl_p99"},
        {"teacher-forced", "perplexity"},
        {"memory", "weight_bits"},
        {"memory", "published_formula_bytes"},
        {"speed", "roofline_fraction"},
        {"speed", "decode_overhead"},
        {"roundtrip", "sqnr_db"},
        {"linearity", "linearity_error"},
        {"roundtrip", "relative_error"},
        {"teacher-forced", "alpha"},
        {"teacher-forced", "kl_cvar95"},
        {"teacher-forced", "kl_p_over_90"},
        {"teacher-forced", "flips"},
        {"greedy", "divergence_median"},
        {"kl", "llama_kld_p99_9"},
        {"kl", "dp_rms"},
        {"kl", "kl_mean"},
        {"kl", "perplexity_ratio"},
        {"greedy", "survival_50"},
        {"speed", "weight_decode_fraction"},
    };
    for (size_t i = 0; i < sizeof promised / sizeof promised[0]; i++)
        cr_expect_not_null(qb_metric_find(promised[i][0], promised[i][1]), "%s", promised[i][1]);
}

Test(registry, unknown_experiment_has_no_values)
{
    struct qb_error err = {0};
    struct qb_record record = {0};
    struct qb_value *values;
    size_t count = 9;
    cr_assert_eq(qb_metrics_compute("tea", &record, &values, &count, &err), QB_OK);
    cr_assert_eq(count, 0);
    qb_free(values);
}

Test(registry, flags_print_in_order)
{
    struct qb_text text = {0};
    qb_flags_print(QB_FLAG_NO_INTERVAL | QB_FLAG_DEGENERATE, &text);
    cr_assert_str_eq(text.data, "degenerate,no-interval");
    qb_text_free(&text);
    qb_flags_print(QB_FLAG_BIASED | QB_FLAG_CONTAMINATED | QB_FLAG_UNRESOLVED | QB_FLAG_FAILED, &text);
    cr_assert_str_eq(text.data, "failed,unresolved,contaminated,biased");
    qb_text_free(&text);
    qb_flags_print(0, &text);
    cr_assert_eq(text.size, 0);
    qb_text_free(&text);
}

Test(depth, by_hand)
{
    struct qb_record record = {0};
    float accumulated[] = {0.25f, 0.75f, 1, 2}, local[] = {0.25f, 0.75f, 0.5f, 1.5f};
    put(&record, "accumulated_error", QB_F32, 2, 2, accumulated);
    put(&record, "local_error", QB_F32, 2, 2, local);
    cr_assert_eq(must("depth", &record, "error_first").value, 0.5);
    cr_assert_eq(must("depth", &record, "error_last").value, 1.5);
    cr_assert_eq(must("depth", &record, "growth_ratio").value, 3);
    cr_assert_eq(must("depth", &record, "local_error_mean").value, 0.75);
    cr_assert_eq(must("depth", &record, "layers").value, 2);
    cr_assert_eq(must("depth", &record, "error_last").flags, QB_FLAG_NO_INTERVAL, "one sequence");
    qb_record_free(&record);
    float zero[4] = {0};
    put(&record, "accumulated_error", QB_F32, 2, 2, zero);
    struct qb_value growth = must("depth", &record, "growth_ratio");
    cr_assert(isnan(growth.value) && growth.flags == (QB_FLAG_ABSENT | QB_FLAG_NO_INTERVAL), "%s", growth.note);
    cr_assert_not_null(strstr(growth.note, "no error in the first layer nor in the last"));
    struct qb_value last = must("depth", &record, "error_last");
    cr_assert(last.value == 0 && last.lo == 0 && last.hi == 0, "identical arms");
    qb_record_free(&record);
}

/* One model's ladder: the errors after layers 3 and 10, absent where there are fewer. */
Test(depth, a_ladder_is_of_one_model)
{
    struct qb_record record = {0};
    float accumulated[12][2];
    for (int layer = 0; layer < 12; layer++)
        accumulated[layer][0] = accumulated[layer][1] = (float)(layer + 1);
    put(&record, "accumulated_error", QB_F32, 12, 2, accumulated);
    cr_assert_eq(must("depth", &record, "error_first").value, 1);
    cr_assert_eq(must("depth", &record, "error_layer_3").value, 3);
    cr_assert_eq(must("depth", &record, "error_layer_10").value, 10);
    cr_assert_eq(must("depth", &record, "error_last").value, 12);
    qb_record_free(&record);
    put(&record, "accumulated_error", QB_F32, 9, 2, accumulated);
    cr_assert_eq(must("depth", &record, "error_layer_3").value, 3);
    cr_assert(absent("depth", &record, "error_layer_10"));
    qb_record_free(&record);
}

/* Three sequences of two positions: means over positions, intervals over sequences. */
Test(depth, sequences_are_the_clusters)
{
    struct qb_record record = {0};
    float accumulated[] = {1, 1, 2, 2, 3, 3, 2, 4, 6, 6, 9, 9};
    int32_t sequence[] = {0, 0, 1, 1, 2, 2}, short_list[] = {0, 1};
    put(&record, "accumulated_error", QB_F32, 2, 6, accumulated);
    put(&record, "sequence", QB_I32, 6, 0, sequence);
    struct qb_value last = must("depth", &record, "error_last"), growth = must("depth", &record, "growth_ratio");
    struct qb_clusters totals = {(double[]){6, 12, 18}, (double[]){2, 2, 2}, 3};
    struct qb_interval interval;
    cr_assert(qb_mean_interval(&totals, QB_KIND_REAL, qb_interval_method_for(QB_KIND_REAL, 3), 0.95, 0, &interval));
    cr_assert(last.value == 6 && last.n == 6 && last.hi == interval.hi, "%g, %g", last.value, last.hi);
    cr_assert_not_null(strstr(last.note, "over 3 sequences"), "%s", last.note);
    cr_assert_eq(growth.value, 3);
    cr_assert_eq(growth.flags, QB_FLAG_NO_INTERVAL, "the ratio is 3 in each sequence: %s", growth.note);
    qb_record_free(&record);
    put(&record, "accumulated_error", QB_F32, 2, 6, accumulated);
    put(&record, "sequence", QB_I32, 2, 0, short_list);
    cr_assert_eq(must("depth", &record, "error_last").flags, QB_FLAG_NO_INTERVAL,
                 "another length: not these positions");
    qb_record_free(&record);
    accumulated[0] = accumulated[1] = 0;
    put(&record, "accumulated_error", QB_F32, 2, 6, accumulated);
    put(&record, "sequence", QB_I32, 6, 0, sequence);
    growth = must("depth", &record, "growth_ratio");
    cr_assert_float_eq(growth.value, 3.6, 1e-12);
    cr_assert_not_null(strstr(growth.note, "1 of 3 sequences have no error"), "%s", growth.note);
    qb_record_free(&record);
}

Test(linearity, ratio_and_verdict)
{
    struct qb_record record = {0};
    double a[] = {2, 4, 6, 8, 10, 12, 14}, h[] = {1, 1, 1, 1, 1, 1, 1}, noise[] = {2, 2, 2, 2, 2, 2, 2};
    put(&record, "additivity_error", QB_F64, 7, 0, a);
    put(&record, "homogeneity_error", QB_F64, 7, 0, h);
    put(&record, "rounding_noise", QB_F64, 7, 0, noise);
    struct qb_value ratio = must("linearity", &record, "linearity_error");
    cr_assert(ratio.value == 4 && ratio.lo == 1 && ratio.hi == 7 && ratio.n == 7);
    cr_assert_eq(must("linearity", &record, "homogeneity_ratio").value, 0.5);
    cr_assert_eq(must("linearity", &record, "is_linear").value, 0, "4 is over 3");
    cr_assert(absent("linearity", &record, "coord_is_linear"));
    for (int i = 0; i < 7; i++)
        ((double *)qb_record_find(&record, "additivity_error")->data)[i] = 6;
    cr_assert_eq(must("linearity", &record, "is_linear").value, 1, "3 is the bound");
    ((double *)qb_record_find(&record, "additivity_error")->data)[2] = NAN;
    cr_assert(must("linearity", &record, "is_linear").flags & QB_FLAG_NONFINITE, "NaN is no verdict");
    qb_record_free(&record);
    double zero[2] = {0};
    put(&record, "additivity_error", QB_F64, 2, 0, zero);
    put(&record, "homogeneity_error", QB_F64, 2, 0, zero);
    put(&record, "rounding_noise", QB_F64, 2, 0, zero);
    cr_assert_eq(must("linearity", &record, "is_linear").value, 1, "a lossless codec");
    qb_record_free(&record);
}

/* Two weights: 10 log10 of the mean of 1/100 and 3/100 is -16.9897 (log10 0.02 = -1.69897). */
Test(predict, by_hand)
{
    struct qb_record record = {0};
    double signal[] = {100, 1000, 0}, error[] = {1, 30, 0}, relative[] = {2, 6, 0};
    int64_t nonzero[] = {1, 1, 0};
    put(&record, "signal_power", QB_F64, 2, 0, signal);
    put(&record, "error_power", QB_F64, 2, 0, error);
    put(&record, "relative_power", QB_F64, 2, 0, relative);
    put(&record, "nonzero_values", QB_I64, 2, 0, nonzero);
    cr_assert_float_eq(must("predict", &record, "weight_sqnr_db").value, 16.9897000433602, 1e-12);
    cr_assert_eq(must("predict", &record, "relative_rms").value, 2);
    cr_assert(absent("predict", &record, "weighted_sqnr_db") && absent("predict", &record, "output_sqnr_db"));
    qb_record_free(&record);
    record = (struct qb_record){0};
    put(&record, "output_power", QB_F64, 3, 0, signal);
    put(&record, "output_error_power", QB_F64, 3, 0, error);
    cr_assert_float_eq(must("predict", &record, "output_sqnr_db").value, 18.7506126339171, 1e-12,
                       "a weight of zeros has no error: log10(0.04 / 3) = -1.87506126339171");
    for (int i = 0; i < 3; i++)
        ((double *)qb_record_find(&record, "output_error_power")->data)[i] = i == 2;
    struct qb_value value = must("predict", &record, "output_sqnr_db");
    cr_assert(isinf(value.value) && value.value < 0, "an error over no signal");
    for (int i = 0; i < 3; i++)
        ((double *)qb_record_find(&record, "output_error_power")->data)[i] = 0;
    value = must("predict", &record, "output_sqnr_db");
    cr_assert(isinf(value.value) && value.value > 0, "exact");
    qb_record_free(&record);
    record = (struct qb_record){0};
    put(&record, "relative_power", QB_F64, 1, 0, relative + 2);
    put(&record, "nonzero_values", QB_I64, 1, 0, nonzero + 2);
    cr_assert(must("predict", &record, "relative_rms").flags & QB_FLAG_ABSENT, "no weight but zeros");
    qb_record_free(&record);
}

Test(roundtrip, by_hand)
{
    struct qb_record record = {0};
    double signal[] = {60, 40}, error[] = {0.5, 0.5}, largest[] = {0.25, 0.5}, relative[] = {0.01, NAN};
    const char *const inputs[] = {"gaussian", "laplace"};
    int64_t codes[] = {0, 3, 1, 0};
    put(&record, "signal_power", QB_F64, 2, 0, signal);
    put(&record, "error_power", QB_F64, 2, 0, error);
    put(&record, "max_abs_error", QB_F64, 2, 0, largest);
    put(&record, "max_relative_error", QB_F64, 2, 0, relative);
    put_texts(&record, "input", inputs, 2);
    put(&record, "input_signal_power", QB_F64, 2, 0, signal);
    put(&record, "input_error_power", QB_F64, 2, 0, (double[]){0.006, 0});
    put(&record, "code_count", QB_I64, 4, 0, codes);
    cr_assert_float_eq(must("roundtrip", &record, "sqnr_db").value, 20, 1e-12);
    cr_assert_float_eq(must("roundtrip", &record, "sqnr_db_gaussian").value, 40, 1e-12);
    struct qb_value exact = must("roundtrip", &record, "sqnr_db_laplace");
    cr_assert(isinf(exact.value) && exact.value > 0 && exact.flags == QB_FLAG_NO_INTERVAL, "exact is infinite");
    cr_assert(absent("roundtrip", &record, "sqnr_db_uniform"), "not recorded");
    cr_assert_eq(must("roundtrip", &record, "max_abs_error").value, 0.5);
    cr_assert(must("roundtrip", &record, "relative_error").flags & QB_FLAG_NONFINITE);
    cr_assert_eq(must("roundtrip", &record, "codes_used").value, 2);
    qb_record_free(&record);
}

static struct qb_value of_tensors(const char *metric, const double signal[2], const double error[2],
                                  const double largest[2], const double relative[2])
{
    struct qb_record record = {0};
    put(&record, "signal_power", QB_F64, 2, 0, signal);
    put(&record, "error_power", QB_F64, 2, 0, error);
    put(&record, "max_abs_error", QB_F64, 2, 0, largest);
    put(&record, "max_relative_error", QB_F64, 2, 0, relative);
    struct qb_value value = must("roundtrip", &record, metric);
    qb_record_free(&record);
    return value;
}

/* x / 0 by the limit: an error over no signal is infinitely bad, no error infinitely good. */
Test(roundtrip, zero_signal_and_zero_error)
{
    static const double none[2] = {0, 0}, some[2] = {4, 0}, error[2] = {0, 0.0067 * 0.0067}, off[2] = {0, 0.0067};
    struct qb_value zeros = of_tensors("relative_error", some, error, off, none);
    cr_assert(isinf(zeros.value) && zeros.value > 0, "%g: a tensor of zeros came back as 0.0067", zeros.value);
    cr_assert_eq(zeros.flags, QB_FLAG_NO_INTERVAL, "a legal infinity");
    cr_assert_not_null(strstr(zeros.note, "zeros"));
    cr_assert_eq(of_tensors("relative_error", some, none, none, none).value, 0, "zeros that come back as zeros");
    cr_assert_eq(of_tensors("sqnr_db", none, error, off, none).value, -INFINITY);
    cr_assert_eq(of_tensors("sqnr_db", none, none, none, none).value, INFINITY, "exact, whatever the signal");
    cr_assert_eq(of_tensors("sqnr_db", some, none, none, none).flags, QB_FLAG_NO_INTERVAL);
    cr_assert_float_eq(of_tensors("sqnr_db", some, error, off, none).value, 10 * log10(4 / (0.0067 * 0.0067)), 1e-12);
    cr_assert(of_tensors("sqnr_db", (double[]){NAN, 1}, error, off, none).flags & QB_FLAG_NONFINITE);
}

/* The source transformer, counted (source-protocols 4): 12 matrices in 2 bytes, the rest FP32. */
Test(memory, the_source_formula_beside_the_count)
{
    struct qb_record record = {0};
    const char *const store[] = {"qins8", "fp32"};
    int64_t values[] = {2359296, 1286912}, bytes[] = {2 * 2359296, 4 * 1286912}, cache[] = {100, 0};
    put_texts(&record, "store", store, 2);
    put(&record, "values", QB_I64, 2, 0, values);
    put(&record, "bytes", QB_I64, 2, 0, bytes);
    put(&record, "cache_bytes", QB_I64, 2, 0, cache);
    put(&record, "held_bytes", QB_I64, 2, 0, (int64_t[]){2 * 2359296 + 100, 2 * 1286912}); /* a file of F16 */
    put_scalar(&record, "fp32_bytes", 14584832 + 2048); /* with the norms that the source leaves out */
    put_scalar(&record, "published_fp32_bytes", 14584832);
    put_scalar(&record, "weight_values", 3646208);
    put_scalar(&record, "published_bytes", 429056);
    put_scalar(&record, "peak_rss", 0);
    cr_assert_eq(must("memory", &record, "weight_bytes").value, 9866240);
    cr_assert_float_eq(must("memory", &record, "compression").value, 14586880.0 / 9866240, 1e-12);
    cr_assert_float_eq(must("memory", &record, "published_compression").value, 33.9928400954654, 1e-12);
    cr_assert_eq(must("memory", &record, "encoded_bits_per_weight").value, 16);
    cr_assert_float_eq(must("memory", &record, "weight_bits").value, 8 * 9866240.0 / 3646208, 1e-12);
    cr_assert_eq(must("memory", &record, "resident_bytes").value, 9866340);
    cr_assert_eq(must("memory", &record, "held_bytes").value, 7292516);
    cr_assert(must("memory", &record, "peak_rss_bytes").flags & QB_FLAG_ABSENT, "0: the system did not tell");
    cr_assert(absent("memory", &record, "rss_growth_bytes"));
    qb_record_free(&record);
}

/* What leaves its domain is absent, and says why: 1000 of 1000 values encoded give 2000 + (0 - 1000) * 4 bytes. */
Test(memory, a_size_is_never_negative)
{
    struct qb_record record = {0};
    static const char *const names[] = {"published_formula_bytes", "published_compression", "rss_growth_bytes"};
    put_scalar(&record, "published_fp32_bytes", 4000);
    put_scalar(&record, "published_bytes", -2000);
    put_scalar(&record, "rss_before", 5000);
    put_scalar(&record, "rss_after", 4000);
    for (size_t i = 0; i < 3; i++) {
        struct qb_value value = must("memory", &record, names[i]);
        cr_assert(isnan(value.value) && value.flags == (QB_FLAG_ABSENT | QB_FLAG_NO_INTERVAL), "%s", names[i]);
        cr_assert_not_null(strstr(value.note, i < 2 ? "-2000 bytes" : "1000 bytes less"), "%s", value.note);
    }
    qb_record_free(&record);
}

/* FP32 over FP32 is exactly 1, norms and all: 100 values of matrices and 4 of a norm. A scale that the variant adds is
 * bytes, but no weight. */
Test(memory, fp32_compresses_by_one)
{
    struct qb_record record = {0};
    const char *const store[] = {"fp32", "fp32", "fp32"};
    int64_t values[] = {100, 4, 0}, bytes[] = {400, 16, 0}, cache[] = {0, 0, 0};
    put_texts(&record, "store", store, 3);
    put(&record, "values", QB_I64, 3, 0, values);
    put(&record, "bytes", QB_I64, 3, 0, bytes);
    put(&record, "cache_bytes", QB_I64, 3, 0, cache);
    put_scalar(&record, "fp32_bytes", 416);
    put_scalar(&record, "published_fp32_bytes", 400);
    put_scalar(&record, "weight_values", 104);
    cr_assert_eq(must("memory", &record, "compression").value, 1);
    cr_assert_eq(must("memory", &record, "weight_bits").value, 32);
    ((int64_t *)qb_record_find(&record, "bytes")->data)[2] = 40; /* a channel scale */
    cr_assert_float_eq(must("memory", &record, "compression").value, 416.0 / 456, 1e-15);
    cr_assert_float_eq(must("memory", &record, "weight_bits").value, 8 * 456.0 / 104, 1e-12);
    qb_record_free(&record);
}

/* 1 + 2 + 4 + ... + 64 = 127. What is not told has no ratio; a file of an older program no row. */
Test(kv, the_resident_set_beside_the_sum_of_what_must_be_there)
{
    static const char *const parts[] = {"held_bytes",   "kv_bytes",      "reference_bytes", "record_bytes",
                                        "states_bytes", "scratch_bytes", "logits_bytes"};
    struct qb_record record = {0};
    put_scalar(&record, "peak_rss", 254);
    cr_expect(absent("kv", &record, "needed_bytes") && absent("kv", &record, "peak_rss_ratio"));
    for (int i = 0; i < 7; i++)
        put_scalar(&record, parts[i], 1 << i);
    cr_expect_eq(must("kv", &record, "logits_bytes").value, 64);
    cr_expect_eq(must("kv", &record, "needed_bytes").value, 127);
    cr_expect_eq(must("kv", &record, "peak_rss_bytes").value, 254);
    cr_expect_eq(must("kv", &record, "peak_rss_ratio").value, 2);
    qb_record_free(&record);
    record = (struct qb_record){0};
    for (int i = 0; i < 7; i++)
        put_scalar(&record, parts[i], 1 << i);
    put_scalar(&record, "peak_rss", 0);
    struct qb_value untold = must("kv", &record, "peak_rss_ratio");
    cr_expect(untold.flags & QB_FLAG_ABSENT && isnan(untold.value), "%s", untold.note);
    qb_record_free(&record);
}

Test(speed, ratios_are_paired_by_repeat)
{
    struct qb_record record = {0};
    double ours[] = {2, 30, 2, 2, 2, 2}, theirs[] = {1, 10, 1, 1, 1, 1}, memcpy_rate[] = {8, 8, 8, 8, 8, 8};
    put(&record, "decode_s", QB_F64, 6, 0, ours);
    put(&record, "reference_decode_s", QB_F64, 6, 0, theirs);
    put(&record, "memcpy_gbs", QB_F64, 6, 0, memcpy_rate);
    put(&record, "read_gbs", QB_F64, 6, 0, (double[]){16, 16, 16, 16, 16, 16});
    put_scalar(&record, "decode_tokens", 10);
    put_scalar(&record, "decode_bytes", 8e8);
    put_scalar(&record, "weight_decode_bytes", 0);
    put(&record, "weight_decode_s", QB_F64, 6, 0, ours);
    struct qb_value overhead = must("speed", &record, "decode_overhead");
    cr_assert(overhead.value == 2 && overhead.lo == 2 && overhead.hi == 3 && overhead.n == 6);
    cr_assert_eq(must("speed", &record, "decode_tok_s").value, 5);
    cr_assert_eq(must("speed", &record, "reference_decode_tok_s").value, 10);
    /* 10 steps of 0.8 GB in 2 s at 16 GB/s */
    cr_assert_float_eq(must("speed", &record, "roofline_fraction").value, 0.25, 1e-12);
    cr_assert_eq(must("speed", &record, "memcpy_gbs").value, 8);
    cr_assert(absent("speed", &record, "weight_decode_gbs"), "nothing to decode");
    cr_assert(absent("speed", &record, "weight_encode_gbs"), "nothing was encoded");
    put(&record, "weight_encode_s", QB_F64, 6, 0, ours);
    put_scalar(&record, "weight_encode_bytes", 4e9); /* 4 GB in 2 s */
    cr_assert_eq(must("speed", &record, "weight_encode_gbs").value, 2);
    cr_assert(absent("speed", &record, "weight_decode_fraction"), "nothing to decode");
    cr_assert(absent("speed", &record, "prefill_tok_s"));
    /* a token that reads 129 positions anew is no step that reading bounds */
    put_scalar(&record, "step_rows", 129);
    struct qb_value share = must("speed", &record, "roofline_fraction");
    cr_assert(share.flags & QB_FLAG_ABSENT && strstr(share.note, "anew"), "%s", share.note);
    cr_assert_not_null(strstr(must("speed", &record, "decode_overhead").note, "whole sequence of 129 anew"));
    cr_assert_null(strstr(must("speed", &record, "decode_overhead").note, "decodes the file's weights"));
    put_scalar(&record, "held", 0);
    cr_assert_not_null(strstr(must("speed", &record, "decode_overhead").note, "decodes the file's weights"));
    qb_record_free(&record);
}

/* A second FP32 net beside FP32: twelve ratios. The order-statistics interval of their median is the third to the tenth
 * (P(Binomial(12, 1/2) <= 2) = 79/4096 < 0.025 <= 299/4096 = P(<= 3)). */
static void put_self(struct qb_record *record, const double ratios[12])
{
    double ones[12], ours[12];
    for (int r = 0; r < 12; r++) {
        ones[r] = 1 + 0.1 * r;
        ours[r] = 2 * ones[r];
    }
    double self[12];
    for (int r = 0; r < 12; r++)
        self[r] = ratios[r] * ones[r];
    put(record, "decode_s", QB_F64, 12, 0, ours);
    put(record, "reference_decode_s", QB_F64, 12, 0, ones);
    put(record, "self_decode_s", QB_F64, 12, 0, self);
    put(record, "prefill_s", QB_F64, 12, 0, ours);
    put(record, "reference_prefill_s", QB_F64, 12, 0, ones);
    put(record, "self_prefill_s", QB_F64, 12, 0, ones);
    put(record, "read_gbs", QB_F64, 12, 0, ones);
    put(record, "sgemm_gflops", QB_F64, 12, 0, ones);
    put_scalar(record, "decode_tokens", 10);
    put_scalar(record, "decode_bytes", 1e8);
    put_scalar(record, "prefill_tokens", 10);
    put_scalar(record, "prefill_flop", 1e9);
}

Test(speed, an_arm_against_itself_is_1_or_the_times_are_flagged)
{
    static const double biased[12] = {0.9, 0.99, 1.01, 1.02, 1.02, 1.03, 1.05, 1.06, 1.07, 1.08, 1.2, 1.3};
    static const double fair[12] = {0.9, 0.99, 0.995, 1.02, 1.02, 1.03, 1.05, 1.06, 1.07, 1.08, 1.2, 1.3};
    static const char *const decode[] = {"decode_tok_s", "decode_overhead", "roofline_fraction",
                                         "reference_decode_tok_s", "self_decode_overhead"};
    static const char *const prefill[] = {"prefill_tok_s", "prefill_overhead", "prefill_flop_fraction",
                                          "reference_prefill_tok_s", "self_prefill_overhead"};
    for (int k = 0; k < 2; k++) {
        struct qb_record record = {0};
        put_self(&record, k ? fair : biased);
        struct qb_value self = must("speed", &record, "self_decode_overhead");
        cr_assert_float_eq(self.value, 1.04, 1e-12);
        cr_assert_float_eq(self.lo, k ? 0.995 : 1.01, 1e-12);
        cr_assert_float_eq(self.hi, 1.08, 1e-12);
        for (size_t i = 0; i < 5; i++) {
            struct qb_value value = must("speed", &record, decode[i]);
            cr_expect_eq(!(value.flags & QB_FLAG_BIASED), k, "%s: flags %x", decode[i], value.flags);
            cr_expect_eq(!strstr(value.note, "decode of FP32 over FP32 is 1.040 [1.010, 1.080]"), k, "%s", value.note);
            cr_expect_eq(must("speed", &record, prefill[i]).flags & QB_FLAG_BIASED, 0, "its own turns were fair");
        }
        qb_record_free(&record);
    }
}

/* Twelve repeats at 2,048 positions: 10 steps of 0.1 GB in 2 (1 + r / 10) s beside a read of (1 + r / 10) GB/s. A depth
 * has turns of its own, and says so; what the model has not is absent, what was not asked for no row. */
Test(speed, a_depth_has_its_own_turns)
{
    static const double fair[12] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    static const char *const names[] = {"decode_tok_s_2k", "decode_overhead_2k", "roofline_fraction_2k",
                                        "self_decode_overhead_2k"};
    static const char *const arrays[] = {"decode_2k_s", "reference_decode_2k_s", "self_decode_2k_s", "read_2k_gbs"};
    struct qb_record record = {0};
    put_self(&record, fair);
    for (int a = 0; a < 4; a++) {
        static const double factor[] = {2, 1, 1.25, 1};
        double x[12];
        for (int r = 0; r < 12; r++)
            x[r] = factor[a] * (1 + 0.1 * (a == 3 ? 11 - r : r)); /* the read rate falls as times rise */
        put(&record, arrays[a], QB_F64, 12, 0, x);
    }
    put_scalar(&record, "decode_2k_bytes", 1e8);
    put_scalar(&record, "depth", 8192);
    put_scalar(&record, "depth_most", 4096);
    cr_expect_float_eq(must("speed", &record, "decode_overhead_2k").value, 2, 1e-12);
    cr_expect_float_eq(must("speed", &record, "self_decode_overhead_2k").value, 1.25, 1e-12);
    cr_expect_float_eq(must("speed", &record, "decode_tok_s_2k").value, 3.229166666666667, 1e-12);
    /* Python: statistics.median(1 / (2 (1 + r / 10) (1 + (11 - r) / 10))) */
    cr_expect_float_eq(must("speed", &record, "roofline_fraction_2k").value, 0.21648672964462437, 1e-12);
    for (size_t i = 0; i < 4; i++) {
        struct qb_value value = must("speed", &record, names[i]);
        cr_expect(value.flags & QB_FLAG_BIASED && strstr(value.note, "FP32 over FP32 is 1.250"), "%s: %s", names[i],
                  value.note);
    }
    cr_expect_eq(must("speed", &record, "decode_overhead").flags & QB_FLAG_BIASED, 0, "its own turns were fair");
    struct qb_value deep = must("speed", &record, "decode_tok_s_8k");
    cr_expect(deep.flags & QB_FLAG_ABSENT && strstr(deep.note, "the model has 4096 positions"), "%s", deep.note);
    cr_expect(absent("speed", &record, "decode_tok_s_32k"), "not asked for");
    qb_record_free(&record);
}

/* Turns that hold 1 within [0.59, 2.18] are not found unfair, and say as little: the overhead's note has them. The
 * third to the tenth of the twelve ratios again, their median the mean of the sixth and the seventh. */
Test(speed, an_overhead_says_what_the_turns_are_known_to)
{
    static const double wide[12] = {0.3, 0.5, 0.59, 0.7, 0.9, 1.2, 1.32, 1.5, 1.8, 2.18, 2.5, 3};
    for (int k = 0; k < 2; k++) {
        struct qb_record record = {0};
        put_self(&record, wide);
        if (k == 1) { /* the variant, too, took 0.59 to 2.18 times as long */
            void *ours = qb_record_find(&record, "decode_s")->data;
            memcpy(ours, qb_record_find(&record, "self_decode_s")->data, 12 * sizeof(double));
        }
        struct qb_value decode = must("speed", &record, "decode_overhead"),
                        prefill = must("speed", &record, "prefill_overhead");
        cr_expect_eq(decode.flags, 0, "%x", decode.flags);
        cr_expect(strstr(decode.note, "; FP32 over FP32 here 1.260 [0.590, 2.180]"), "%s", decode.note);
        cr_expect(strstr(prefill.note, "; FP32 over FP32 here 1.000 [1.000, 1.000]"), "%s", prefill.note);
        cr_expect_eq(strstr(decode.note, "no difference from 1 can be seen") != NULL, k == 1, "%s", decode.note);
        cr_expect(!strstr(prefill.note, "no difference"), "%s", prefill.note);
        cr_expect_lt(strlen(decode.note), QB_NOTE_MAX - 60, "there is room for more");
        cr_expect(!strstr(must("speed", &record, "decode_tok_s").note, "here"), "read against no 1");
        qb_record_free(&record);
    }
}

Test(speed, too_few_repeats_to_check_the_turns_are_said)
{
    struct qb_record record = {0};
    const double ours[] = {2, 2, 2, 2, 2};
    put(&record, "decode_s", QB_F64, 5, 0, ours);
    put(&record, "reference_decode_s", QB_F64, 5, 0, ours);
    put(&record, "self_decode_s", QB_F64, 5, 0, ours);
    struct qb_value value = must("speed", &record, "decode_overhead");
    cr_assert(value.flags == QB_FLAG_NO_INTERVAL && strstr(value.note, "unchecked"), "%s", value.note);
    qb_record_free(&record);
}

/* 12 GB decoded a second beside a memcpy of 10 GB/s. */
Test(speed, a_share_over_1_is_said)
{
    struct qb_record record = {0};
    const double seconds[] = {1, 1, 1, 1, 1, 1}, rate[] = {10, 10, 10, 10, 10, 10}, fast[] = {15, 15, 15, 15, 15, 15};
    put(&record, "weight_decode_s", QB_F64, 6, 0, seconds);
    put(&record, "store_gbs", QB_F64, 6, 0, rate);
    put(&record, "lookup_gbs", QB_F64, 6, 0, fast);
    put_scalar(&record, "weight_decode_bytes", 12e9);
    struct qb_value share = must("speed", &record, "weight_decode_fraction");
    cr_assert(share.value == 1.2 && strstr(share.note, "over 1: faster than its ceiling"), "%s", share.note);
    cr_assert_null(strstr(must("speed", &record, "weight_decode_lookup_fraction").note, "over 1"));
    qb_record_free(&record);
}

/* 6e9 bytes in 1 s at 12 GB/s, and in 2 s at 6 GB/s: the machine slowed, the fraction did not. */
Test(speed, decoding_is_held_against_storing_in_the_same_repeat)
{
    struct qb_record record = {0};
    double decode[] = {1, 2, 1, 2, 1, 2, 1}, store_rate[] = {12, 6, 12, 6, 12, 6, 12};
    put(&record, "weight_decode_s", QB_F64, 7, 0, decode);
    put_scalar(&record, "weight_decode_bytes", 6e9);
    cr_assert(absent("speed", &record, "weight_decode_fraction"), "no ceiling");
    put(&record, "store_gbs", QB_F64, 7, 0, store_rate);
    struct qb_value fraction = must("speed", &record, "weight_decode_fraction");
    cr_assert(fraction.value == 0.5 && fraction.lo == 0.5 && fraction.hi == 0.5 && fraction.n == 7);
    qb_record_free(&record);
}

/* Each allocation fails once, in turn: metrics are absent or NaN, nothing leaks, and some value is there at the end. */
Test(metrics, running_out_of_memory_is_said)
{
    static const char *const experiments[] = {"greedy", "teacher-forced", "depth", "kl"};
    struct qb_record record = {0};
    struct qb_error err = {0};
    struct qb_value *values;
    int32_t tokens[4] = {1, 2, 3, 4}, chunk[4] = {0, 0, 1, 1};
    float numbers[4] = {1, 2, 3, 4};
    double kl[4] = {1, 2, 3, 4};
    put(&record, "tokens", QB_I32, 2, 2, tokens);
    put(&record, "reference_tokens", QB_I32, 2, 2, tokens);
    put(&record, "margin", QB_F32, 2, 2, numbers);
    put(&record, "accumulated_error", QB_F32, 2, 2, numbers);
    put(&record, "kl", QB_F64, 4, 0, kl);
    put(&record, "nll", QB_F64, 4, 0, kl);
    put(&record, "reference_nll", QB_F64, 4, 0, kl);
    put(&record, "llama_kld", QB_F64, 4, 0, kl);
    put(&record, "reference_top_p", QB_F32, 4, 0, (float[]){0.1f, 0.2f, 0.1f, 0.2f});
    static const char *const names[] = {"target", "top_token", "reference_top_token"};
    for (size_t i = 0; i < 3; i++)
        put(&record, names[i], QB_I32, 4, 0, tokens);
    put(&record, "chunk", QB_I32, 4, 0, chunk);
    size_t before = qb_mem_stats().live_bytes;
    for (size_t e = 0; e < 4; e++) {
        size_t whole, count, missed = 0;
        cr_assert_eq(qb_metrics_compute(experiments[e], &record, &values, &whole, &err), QB_OK);
        qb_free(values);
        for (size_t n = 1; n < 150; n++) {
            qb_mem_fail_at(n);
            enum qb_status status = qb_metrics_compute(experiments[e], &record, &values, &count, &err);
            qb_mem_fail_at(0);
            cr_assert(n == 1 ? status == QB_ERR_MEMORY : !status);
            if (status)
                continue;
            size_t nan = 0;
            for (size_t i = 0; i < count; i++)
                nan += isnan(values[i].value) && (values[i].flags & QB_FLAG_ABSENT) && strstr(values[i].note, "memory");
            missed += nan > 0 || count < whole;
            qb_free(values);
            cr_assert_eq(qb_mem_stats().live_bytes, before);
        }
        cr_assert_gt(missed, 6, "%s: %zu of the failures were met", experiments[e], missed);
    }
    qb_record_free(&record);
}
