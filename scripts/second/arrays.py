"""What the raw arrays of a cell say of each other: CHECKS[experiment] is a list of (sentence, function), a function of the cell and
the model's reference cell (None where there is none): does the sentence hold? None: the arrays for it are not there."""
import numpy as np


def has(cell, *names):
    return cell is not None and all(name in cell for name in names)


def when(names, holds):
    return lambda c, r: bool(np.all(holds(c))) if has(c, *names) else None


def same_as_reference(ours, theirs):
    return lambda c, r: bool(np.array_equal(c[ours], r[theirs])) if has(c, ours) and has(r, theirs) else None


def combination(c, text):
    rows = np.flatnonzero(c["combination"] == text)
    return c["kl"][rows[0]] if len(rows) else None


def stored_by(c, fp32):
    return (c["store"] == b"fp32") == fp32


def likelihoods_fit(c, _):
    """At the positions that have a target which the reference gives a probability (max_logit_diff leaves others out); None where none
    has."""
    if not has(c, "nll", "target", "max_logit_diff"):
        return None
    kept = (c["target"] >= 0) & (np.exp(-c["reference_nll"]) > 0)
    if not kept.any():
        return None
    ratio = np.abs(c["nll"] - c["reference_nll"])[kept]
    return bool(np.all(ratio <= 2 * c["max_logit_diff"][kept].astype(float) * (1 + 1e-6) + 1e-12))


def heap_fits(c):
    """What came on the heap while chunks went through: keys and values, logits, and scratch, of which a part may be there twice while it
    grows."""
    return c["accounted_peak"] - c["accounted_before"] <= c["kv_bytes"] + c["logits_bytes"] + 2 * c["scratch_bytes"] + 2**18


# Arrays that do not depend on the variant: the same in all cells of a model and experiment.
SAME = {
    "greedy": ("prompt", "reference_tokens", "reference_margin", "reference_logit_std"),
    "teacher-forced": ("chunk", "position", "target", "reference_nll", "reference_top_token", "reference_top_p", "margin", "logit_std"),
    "kl": ("chunk", "position", "target", "reference_nll", "reference_top_token", "reference_top_p", "margin", "logit_std", "llama_nll_base"),
    "kv": ("chunk", "position", "target", "reference_nll", "reference_top_token", "reference_top_p", "margin", "logit_std", "kv_fp16_bytes_per_token"),
    "recall": ("reference_tokens", "target", "chunk", "length"),
    "choice": ("reference_sum", "choice_item", "choice_tokens", "choice_bytes", "choice_characters", "choice_occurrences", "item_task", "item_subject",
               "item_line", "item_answer"),
    "attribute": ("chunk",),
    "depth": ("sequence",),
    "memory": ("weight_values", "fp32_bytes", "published_fp32_bytes"),
    "speed": ("prefill_tokens", "decode_tokens", "prefill_flop"),
}

CHECKS = {
    "roundtrip": [
        ("codes counted are the tensors' values, those in other codecs left out", when(("code_count", "tensor_values"), lambda c: c["code_count"].sum() == (c["tensor_values"] - sum(c[name] for name in ("tensor_fp16_values", "tensor_otherwise_values", "tensor_other_values") if name in c)).sum())),
        ("no mean square of errors is above the largest squared",
         when(("error_power", "max_abs_error"), lambda c: c["error_power"] <= c["tensor_values"] * c["max_abs_error"] ** 2 * (1 + 1e-12))),
    ],
    "predict": [
        ("nothing is lost where nothing is wrong: without an error of weights no other is there",
         when(("error_power", "relative_power", "weighted_error_power"),
              lambda c: (c["error_power"] > 0) | ((c["relative_power"] == 0) & (c["weighted_error_power"] == 0)))),
    ],
    "depth": [
        ("errors are not negative", when(("local_error", "accumulated_error"), lambda c: np.append(c["local_error"], c["accumulated_error"]) >= 0)),
    ],
    "greedy": [
        ("reference_tokens are the reference's tokens", same_as_reference("reference_tokens", "tokens")),
        ("reference_margin is the reference's margin", same_as_reference("reference_margin", "margin")),
        ("reference_logit_std is the reference's logit_std", same_as_reference("reference_logit_std", "logit_std")),
        ("no step earns a match by another token", when(("match_share",), lambda c: (c["match_share"] >= 0) & (c["match_share"] <= (c["tokens"] == c["reference_tokens"])))),
        ("shares of overlap are in [0, 1]", when(("top10_share",), lambda c: np.abs(c["top10_share"] - 0.5) <= 0.5)),
        ("margins are not negative", when(("margin", "reference_margin"), lambda c: (c["margin"] >= 0).all() and (c["reference_margin"] >= 0).all())),
    ],
    "teacher-forced": [
        ("top1 says whether top_token is reference_top_token",
         when(("top1", "top_token", "reference_top_token"), lambda c: c["top1"] == (c["top_token"] == c["reference_top_token"]))),
        ("both nll are NaN where target is -1, and only there",
         when(("nll", "reference_nll", "target"), lambda c: (np.isnan(c["nll"]) == (c["target"] < 0)) & (np.isnan(c["reference_nll"]) == (c["target"] < 0)))),
        ("shares of agreement are in [0, 1]", when(("top1_share", "top10_share", "hit"), lambda c: np.abs(np.r_[c["top1_share"], c["top10_share"], c["hit"]] - 0.5) <= 0.5)),
        ("nothing is earned by ranking other tokens first, unless logits are equal",
         when(("top1_share", "top1"), lambda c: (c["top1_share"] <= c["top1"]) | (c["top1_share"] < 1))),
        ("KL is not negative beyond rounding", when(("kl",), lambda c: c["kl"] >= -1e-15)),
        ("equal logits have KL 0", when(("kl", "max_logit_diff"), lambda c: (c["kl"] == 0) | (c["max_logit_diff"] > 0))),
        ("|log likelihood ratio| is at most twice the largest logit difference", likelihoods_fit),
    ],
    "recall": [
        ("reference_tokens are the reference's tokens", same_as_reference("reference_tokens", "tokens")),
        ("an item's answer is a part of it", when(("target", "length"), lambda c: c["length"] > 2 * c["target"].shape[1])),
    ],
    "choice": [
        ("reference_sum is the reference's sum", same_as_reference("reference_sum", "sum")),
        ("log-likelihoods are not above 0", when(("sum", "reference_sum"), lambda c: (c["sum"] <= 0) & (c["reference_sum"] <= 0))),
        ("a character is 1 to 4 bytes", when(("choice_bytes", "choice_characters"),
         lambda c: (c["choice_characters"] >= 1) & (c["choice_bytes"] >= c["choice_characters"]) & (c["choice_bytes"] <= 4 * c["choice_characters"]))),
    ],
    "attribute": [
        ("no part on is no divergence", lambda c, r: None if combination(c, b"none") is None else not combination(c, b"none").any()),
        ("storage on is all tensors rounded",
         lambda c, r: bool(np.array_equal(combination(c, b"storage"), c["all_kl"])) if has(c, "all_kl") and len(c["kl"]) == 2 else None),
    ],
    "memory": [
        ("fp32_bytes is 4 weight_values", when(("fp32_bytes", "weight_values"), lambda c: c["fp32_bytes"] == 4 * c["weight_values"])),
        ("encoded_values are those of buffers with a codec",
         when(("encoded_values", "store"), lambda c: c["encoded_values"] == c["values"][stored_by(c, False)].sum())),
        ("FP32 buffers of weights hold 4 bytes a value",
         when(("store",), lambda c: ((c["bytes"] == 4 * c["values"]) | (c["values"] == 0))[stored_by(c, True)])),
        ("a cache grows by its bytes a token and no more, a block being full or not",
         when(("generation_cache_bytes", "generation_position", "kv_bytes_per_token"),
              lambda c: np.diff(c["generation_cache_bytes"]) <= c["kv_bytes_per_token"] * (np.diff(c["generation_position"]) + c["generation_block"]))),
        ("the samples' weights are held_bytes", when(("generation_weight_bytes", "held_bytes"), lambda c: c["generation_weight_bytes"] == c["held_bytes"].sum())),
        ("what fits into the budget is within it, and one more is not",
         when(("budget_cache",), lambda c: ((c["budget_weight_bytes"] + c["budget_cache"] + c["budget_working"] <= c["budget_bytes"]) | (c["budget_cache"] == 0))
              & ((c["budget_next"] > c["budget_bytes"]) | (c["budget_next"] == 0)))),
        ("the buffers of a run hold what was computed", when(("budget_counted",), lambda c: (c["budget_counted"] == 0)
         | (c["budget_counted"] == c["budget_weight_bytes"] + c["budget_cache"] + c["budget_working"]))),
        ("the buffers hold weight_values", when(("values", "weight_values"), lambda c: c["values"].sum() == c["weight_values"])),
    ],
    "speed": [
        ("every time is positive", when(("prefill_s", "decode_s"), lambda c: all((c[n] > 0).all() for n in c if n.endswith("_s")))),
    ],
}

CHECKS["kl"] = CHECKS["teacher-forced"] + [
    ("every scored position has a target", when(("target",), lambda c: c["target"] >= 0)),
    ("positions are scored from scored_from on", when(("position", "scored_from"), lambda c: c["position"] >= c["scored_from"])),
    ("llama_nll is nll in float32", when(("nll", "llama_nll"), lambda c: np.abs(c["llama_nll"] - c["nll"]) <= 1e-5 * (1 + c["nll"]))),
    ("llama_dp is the difference of exp(-llama_nll)", when(("llama_dp", "llama_nll", "llama_nll_base"),
     lambda c: np.abs(c["llama_dp"] - (np.exp(-c["llama_nll"].astype(float)) - np.exp(-c["llama_nll_base"].astype(float)))) <= 1e-6)),
]

CHECKS["kv"] = CHECKS["teacher-forced"] + [
    ("every position has a target", when(("target",), lambda c: c["target"] >= 0)),
    ("errors are not negative", when(("key_error", "value_error", "attention_error"),
     lambda c: np.r_[c["key_error"], c["value_error"], c["attention_error"]] >= 0)),
    ("logits exist for 32 positions of both arms, whatever the context", when(("logits_bytes", "vocabulary"), lambda c: c["logits_bytes"] == 2 * 32 * 4 * c["vocabulary"])),
    ("the heap grew by no more than cache, logits and scratch explain", when(("accounted_peak", "accounted_before"), heap_fits)),
    ("a cache of FP32 has no error in keys and values", when(("kv_bytes_per_token", "kv_fp16_bytes_per_token", "key_error", "value_error"),
     lambda c: c["kv_bytes_per_token"] != 2 * c["kv_fp16_bytes_per_token"] or not np.any(np.r_[c["key_error"], c["value_error"]]))),
]
