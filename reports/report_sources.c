/* Which arrays a metric is computed from, and which metrics a table shows first. Arrays are described in
 * docs/result-file.md; a test drops each array in turn and compares. */
#include "report_sources.h"

#include <string.h>

/* Flips and accuracy: each arm's chance of the target, and the tokens that tell how many positions there are. */
#define HITS "hit reference_hit top1_share top_token reference_top_token target chunk"

/* llama.cpp's sums are made in one go. */
#define LLAMA "llama_kld llama_nll llama_nll_base llama_dp llama_same_top"

/* What tells the answer of each arm, and the items' subjects. */
#define RECALLED "tokens target chunk length"
#define CHOICE "sum reference_sum choice_item item_answer item_subject"

/* What must be in memory at once in a cell of kv. */
#define NEEDED "held_bytes kv_bytes reference_bytes record_bytes states_bytes scratch_bytes logits_bytes"

static const struct source {
    const char *experiment, *metric; /* metric is a glob; the first match counts */
    bool headline;
    const char *arrays;
} sources[] = {
    {"roundtrip", "sqnr_db", true, "signal_power error_power"},
    {"roundtrip", "sqnr_db_*", false, "input input_signal_power input_error_power"},
    {"roundtrip", "max_abs_error", true, "max_abs_error"},
    {"roundtrip", "relative_error", true, "max_relative_error"},
    {"roundtrip", "codes_used", true, "code_count"},
    {"predict", "weight_sqnr_db", true, "signal_power error_power"},
    {"predict", "weighted_sqnr_db", true, "weighted_signal_power weighted_error_power"},
    {"predict", "output_sqnr_db", true, "output_power output_error_power"},
    {"predict", "relative_rms", true, "relative_power nonzero_values"},
    {"linearity", "linearity_error", true, "additivity_error rounding_noise"},
    {"linearity", "is_linear", true, "additivity_error homogeneity_error rounding_noise"},
    {"linearity", "coord_is_linear", true, "coord_additivity_error coord_homogeneity_error coord_rounding_noise"},
    {"linearity", "coord_additivity_ratio", true, "coord_additivity_error coord_rounding_noise"},
    {"linearity", "coord_homogeneity_ratio", false, "coord_homogeneity_error coord_rounding_noise"},
    {"linearity", "additivity_ratio", false, "additivity_error rounding_noise"},
    {"linearity", "homogeneity_ratio", false, "homogeneity_error rounding_noise"},
    {"linearity", "additivity_error", false, "additivity_error"},
    {"linearity", "homogeneity_error", false, "homogeneity_error"},
    {"depth", "local_error_mean", true, "local_error sequence"},
    {"depth", "layers", false, "accumulated_error"},
    {"depth", "*", true, "accumulated_error sequence"},
    {"greedy", "match_rate", true, "match_share tokens reference_tokens"},
    {"greedy", "match_rate_*", false, "match_share tokens reference_tokens"},
    {"greedy", "top10_overlap", true, "top10_share tokens reference_tokens"},
    {"greedy", "divergence_median", true, "match_share tokens reference_tokens"},
    {"greedy", "diverged_share", true, "match_share tokens reference_tokens"},
    {"greedy", "unique_tokens", true, "tokens reference_tokens"},
    {"greedy", "survival_50", true, "match_share tokens reference_tokens"},
    {"greedy", "survival_*", false, "match_share tokens reference_tokens"},
    {"greedy", "*diverg*", false, "match_share tokens reference_tokens"},
    {"greedy", "margin_median", false, "margin"},
    {"greedy", "reference_margin_median", false, "reference_margin"},
    {"greedy", "logit_std", false, "logit_std"},
    {"greedy", "reference_logit_std", false, "reference_logit_std"},
    {"*", "calibration_overlap", false, "calibration_overlap"},
    {"*", "alpha", false, "alpha"},
    {"*", "alpha_raw", false, "alpha_raw"},
    {"greedy", "*", false, "tokens reference_tokens"},
    {"teacher-forced", "top1_agreement", true, "top1_share chunk"},
    {"teacher-forced", "kl_mean", true, "kl chunk"},
    {"teacher-forced", "kl_cvar95", true, "kl chunk"},
    {"teacher-forced", "kl_p99", true, "kl chunk"},
    {"teacher-forced", "perplexity_ratio", true, "nll reference_nll target chunk"},
    {"teacher-forced", "flips", true, HITS},
    {"teacher-forced", "flips_*", false, HITS},
    {"teacher-forced", "kl_max", false, "kl"},
    {"teacher-forced", "kl_median", false, "kl chunk"},
    {"teacher-forced", "kl_p_*", false, "kl reference_top_p chunk"},
    {"teacher-forced", "accuracy", false, HITS},
    {"teacher-forced", "accuracy_change", false, HITS},
    {"teacher-forced", "reference_accuracy", false, HITS},
    {"teacher-forced", "top10_overlap", true, "top10_share chunk"},
    {"teacher-forced", "perplexity", false, "nll target chunk"},
    {"teacher-forced", "reference_perplexity", false, "reference_nll target chunk"},
    {"teacher-forced", "max_logit_diff", false, "max_logit_diff"},
    {"teacher-forced", "reference_margin_median", false, "margin chunk"},
    {"teacher-forced", "reference_logit_std", false, "logit_std chunk"},
    {"kl", "kl_mean", true, "kl chunk"},
    {"kl", "kl_p99", true, "kl chunk"},
    {"kl", "perplexity", true, "nll target chunk"},
    {"kl", "kl_p_*", false, "kl reference_top_p chunk"},
    {"kl", "kl_p*", false, "kl chunk"},
    {"kl", "kl_min", false, "kl"},
    {"kl", "dp_max", false, "nll reference_nll"},
    {"kl", "dp_min", false, "nll reference_nll"},
    {"kl", "dp_rms", true, "nll reference_nll chunk"},
    {"kl", "dp_*", false, "nll reference_nll chunk"},
    {"kl", "log_perplexity_ratio", false, "nll reference_nll target chunk"},
    {"kl", "perplexity_difference", false, "nll reference_nll target chunk"},
    {"kl", "likelihood_correlation", false, "nll reference_nll target chunk"},
    {"kl", "llama_kld_mean*", false, LLAMA},
    {"kl", "llama_kld_*", false, "llama_kld"},
    {"kl", "llama_dp_mean*", false, LLAMA},
    {"kl", "llama_dp_rms*", false, LLAMA},
    {"kl", "llama_dp_*", false, "llama_dp"},
    {"kl", "llama_*", false, LLAMA},
    {"recall", "recall", true, RECALLED},
    {"recall", "reference_recall", true, "reference_tokens target chunk length"},
    {"recall", "recall_change", true, RECALLED " reference_tokens"},
    {"recall", "mcnemar_p", true, RECALLED " reference_tokens"},
    {"recall", "token_match", true, "tokens reference_tokens chunk"},
    {"recall", "token_accuracy", true, "tokens target chunk"},
    {"recall", "reference_token_accuracy", false, "reference_tokens target chunk"},
    {"recall", "recall_*", false, RECALLED " reference_tokens"},
    {"recall", "reference_recall_*", false, "reference_tokens target chunk length"},
    {"recall", "*", false, RECALLED " reference_tokens"},
    {"choice", "acc", true, CHOICE},
    {"choice", "acc_norm", true, CHOICE " choice_characters"},
    {"choice", "acc_change", true, CHOICE},
    {"choice", "mde", true, CHOICE},
    {"choice", "mcnemar_p", true, CHOICE},
    {"choice", "flips", true, CHOICE},
    {"choice", "acc_bytes", false, CHOICE " choice_bytes"},
    {"choice", "acc_token", false, CHOICE " choice_tokens"},
    {"choice", "acc_tasks", false, CHOICE " item_task"},
    {"choice", "answer_in_prompt", false, CHOICE " choice_occurrences"},
    {"choice", "*norm*", false, CHOICE " choice_characters"},
    {"choice", "*", false, CHOICE},
    {"memory", "weight_bytes", true, "store bytes"},
    {"memory", "weight_bits", true, "store bytes weight_values"},
    {"memory", "encoded_bits_per_weight", true, "store bytes values"},
    {"memory", "compression", true, "store bytes fp32_bytes"},
    {"memory", "peak_rss_bytes", true, "peak_rss"},
    {"kv", "kl_under_512", true, "kl position chunk"},
    {"kv", "kl_512_2k", true, "kl position chunk"},
    {"kv", "kl_2k_8k", true, "kl position chunk"},
    {"kv", "kl_over_8k", true, "kl position chunk"},
    {"kv", "kv_bytes", false, "kv_bytes"},
    {"kv", "kv_bytes_per_token", true, "kv_bytes_per_token"},
    {"kv", "kv_bits", true, "kv_bytes_per_token kv_fp16_bytes_per_token"},
    {"kv", "kv_saving", true, "kv_bytes_per_token kv_fp16_bytes_per_token"},
    {"kv", "key_error", false, "key_error"},
    {"kv", "value_error", false, "value_error"},
    {"kv", "attention_error", false, "attention_error"},
    {"kv", "logits_bytes", false, "logits_bytes"},
    {"kv", "needed_bytes", false, NEEDED},
    {"kv", "peak_rss_bytes", false, "peak_rss"},
    {"kv", "peak_rss_ratio", false, "peak_rss " NEEDED},
    {"memory", "cache_bytes", false, "store cache_bytes"},
    {"memory", "held_bytes", false, "store held_bytes"},
    {"memory", "resident_bytes", false, "store bytes cache_bytes"},
    {"memory", "published_formula_bytes", false, "published_bytes"},
    {"memory", "published_compression", false, "published_bytes published_fp32_bytes"},
    {"memory", "rss_growth_bytes", false, "rss_before rss_after"},
    {"memory", "kv_bytes_per_token", false, "kv_bytes_per_token"},
    {"memory", "memory_growth", false, "generation_position generation_cache_bytes"},
    {"memory", "memory_growth_measured", false, "generation_position generation_rss generation_scratch_bytes"},
    {"memory", "memory_growth_beyond", false,
     "generation_position generation_rss generation_scratch_bytes generation_cache_bytes"},
    {"memory", "context_at_budget", true, "budget_context budget_next"},
    {"memory", "batch_at_budget", true, "budget_batch budget_next"},
    {"memory", "budget_peak_rss_bytes", false, "budget_peak"},
    {"memory", "act_bytes_per_token", false, "act_bytes_per_token"},
    {"speed", "decode_tok_s", true, "decode_s decode_tokens"},
    {"speed", "decode_overhead", true, "decode_s reference_decode_s"},
    {"speed", "prefill_overhead", true, "prefill_s reference_prefill_s"},
    {"speed", "self_decode_overhead", true, "self_decode_s reference_decode_s"},
    {"speed", "self_prefill_overhead", true, "self_prefill_s reference_prefill_s"},
    {"speed", "roofline_fraction", true, "decode_s decode_tokens decode_bytes read_gbs"},
    {"speed", "weight_decode_fraction", true, "weight_decode_s weight_decode_bytes store_gbs"},
    {"speed", "weight_decode_lookup_fraction", true, "weight_decode_s weight_decode_bytes lookup_gbs"},
    {"speed", "lookup_gbs", false, "lookup_gbs"},
    {"speed", "prefill_tok_s", false, "prefill_s prefill_tokens"},
    {"speed", "prefill_flop_fraction", false, "prefill_s prefill_flop sgemm_gflops"},
    {"speed", "weight_decode_gbs", false, "weight_decode_s weight_decode_bytes"},
    {"speed", "weight_encode_gbs", false, "weight_encode_s weight_encode_bytes"},
    {"speed", "reference_decode_tok_s", false, "reference_decode_s decode_tokens"},
    {"speed", "reference_prefill_tok_s", false, "reference_prefill_s prefill_tokens"},
    {"speed", "read_gbs", false, "read_gbs"},
    {"speed", "store_gbs", false, "store_gbs"},
    {"speed", "memcpy_gbs", false, "memcpy_gbs"},
    {"speed", "sgemm_gflops", false, "sgemm_gflops"},
    {"speed", "decode_tok_s_512", true, "decode_512_s decode_tokens"},
    {"speed", "decode_overhead_512", true, "decode_512_s reference_decode_512_s"},
    {"speed", "self_decode_overhead_512", false, "self_decode_512_s reference_decode_512_s"},
    {"speed", "roofline_fraction_512", false, "decode_512_s decode_tokens decode_512_bytes read_512_gbs"},
    {"speed", "decode_tok_s_2k", true, "decode_2k_s decode_tokens"},
    {"speed", "decode_overhead_2k", true, "decode_2k_s reference_decode_2k_s"},
    {"speed", "self_decode_overhead_2k", false, "self_decode_2k_s reference_decode_2k_s"},
    {"speed", "roofline_fraction_2k", false, "decode_2k_s decode_tokens decode_2k_bytes read_2k_gbs"},
    {"speed", "decode_tok_s_8k", true, "decode_8k_s decode_tokens"},
    {"speed", "decode_overhead_8k", true, "decode_8k_s reference_decode_8k_s"},
    {"speed", "self_decode_overhead_8k", false, "self_decode_8k_s reference_decode_8k_s"},
    {"speed", "roofline_fraction_8k", false, "decode_8k_s decode_tokens decode_8k_bytes read_8k_gbs"},
    {"speed", "decode_tok_s_32k", true, "decode_32k_s decode_tokens"},
    {"speed", "decode_overhead_32k", true, "decode_32k_s reference_decode_32k_s"},
    {"speed", "self_decode_overhead_32k", false, "self_decode_32k_s reference_decode_32k_s"},
    {"speed", "roofline_fraction_32k", false, "decode_32k_s decode_tokens decode_32k_bytes read_32k_gbs"},
    {"attribute", "total_kl", true, "combination kl chunk"},
    {"attribute", "shapley_*", true, "combination kl chunk"},
    {"attribute", "alone_*", false, "combination kl chunk"},
    {"attribute", "interaction*", false, "combination kl chunk"},
    {"attribute", "tensor_additivity_ratio", true, "swap_tensor swap_kl all_kl chunk"},
    {"attribute", "largest_tensor_share", false, "swap_tensor swap_kl chunk"},
};

static const struct source *find(const char *experiment, const char *metric)
{
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        if (qb_glob(sources[i].experiment, experiment) && qb_glob(sources[i].metric, metric))
            return &sources[i];
    return strcmp(experiment, "kl") == 0 || strcmp(experiment, "kv") == 0 ? find("teacher-forced", metric)
                                                                          : NULL; /* which it shares */
}

const char *qb_metric_sources(const char *experiment, const char *metric)
{
    const struct source *source = find(experiment, metric);
    return source ? source->arrays : "";
}

bool qb_metric_headline(const char *experiment, const char *metric)
{
    const struct source *source = find(experiment, metric);
    return source && source->headline;
}

void qb_source_paths(struct qb_text *out, const struct qb_cell *cell, const char *metric, const char *between)
{
    const char *at = qb_metric_sources(cell->experiment, metric);
    if (!*at)
        qb_text_add(out, "/cells/%s/%s/%s/", cell->model, cell->variant, cell->experiment);
    for (size_t i = 0; *at; i++) {
        size_t length = strcspn(at, " ");
        qb_text_add(out, "%s/cells/%s/%s/%s/%.*s", i ? between : "", cell->model, cell->variant, cell->experiment,
                    (int)length, at);
        at += length + (at[length] == ' ');
    }
}
