#!/usr/bin/env python3
"""The documented legacy layer: compute on coordinates instead of decoding. Writes legacy_domain.json.

c(x) = sign * stored / 255. Modes: activations y = W c(x) + b, one log range a token; weights y = c(W) x + b, one log range a matrix (the
fused 3*hidden x hidden qkv is one matrix); both y = c(W) c(x) + b. The layers' matrices only, never the head. The bias is never scaled.

calibrated = activations mode with three parts, each also measured alone:
    scale      y = S (W c(x)) + b, S = std(W x) / (std(W c(x)) + 1e-8) clamped to [0.5, 2], per output channel, unbiased std over the first
               100 rows of the reference's input activations on the calibration contexts, no bias
    alpha      logits *= alpha = std(logits_fp) / (std(logits_q) + 1e-8) clamped to [0.8, 1.2], over the first 10 contexts, with bias where the
               head has one; logits_q = the variant's projection of the reference's final hidden states. The head is not encoded, so
               logits_q = logits_fp and alpha is 1 but for the 1e-8
    qk_fp16    rows q and k of qkv are W16 x + b: x not coded, weights rounded to FP16 and widened, S = 1 for these rows. Row v stays coded
KL is over 64 positions of one pass (King James), or over the reference's own greedy steps (500 for the chain, 50 for the transformer), each
from the last position of prompt + the reference's tokens before it. perplexity_10x256: the first 10 x 256 held-out tokens.

Calibration contexts: 50 x 20 tokens; a source model's are the draws that follow the model's own (for the transformer the first 10 are
therefore the prompt); a King James model's are the first 1000 tokens of kjv.calibration. Each context starts at position 0.
"""
import json
import math
import pathlib

import tokenizers
import torch
import torch.nn.functional as F

import source_protocol as sp

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def legacy(mode, scales=None, fp16_qk=False, coded_weights=None):
    """-> the `apply` of one variant. scales: {where: S (fan_out)} or None."""

    def apply(where, x, w, b):
        if where == "head":
            return F.linear(x, w, b)
        y = F.linear(x if mode == "weights" else sp.qins_coordinates_rows(x), coded_weights[where] if mode != "activations" else w)
        if scales is not None:
            y = y * scales[where]
        if fp16_qk and w.shape[0] == 3 * w.shape[1]:
            qk = 2 * w.shape[1]
            y = torch.cat([F.linear(x, w[:qk].half().float()), y[..., qk:]], -1)
        return y + b

    return apply


def calibrate(model, contexts):
    """-> S per linear, alpha raw, from the reference's activations."""
    inputs = sp.layer_inputs(model, contexts)
    scales = {}
    for i, layer in enumerate(model["layers"]):
        for j, (w, _) in enumerate(layer):
            rows = inputs[i, j][:100]
            scales[i, j] = sp.channel_scale(rows @ w.T, sp.qins_coordinates_rows(rows) @ w.T)
    logits = sp.logits_of(model, inputs["head"][:10 * contexts.shape[1]])
    return scales, (logits.std() / (logits.std() + 1e-8)).item()


def variants(model, contexts):
    coded = {(i, j): sp.qins_coordinates(w) for i, layer in enumerate(model["layers"]) for j, (w, _) in enumerate(layer)}
    scales, raw = calibrate(model, contexts)
    alpha = min(max(raw, 0.8), 1.2)
    facts = {"alpha_raw": raw, "alpha": alpha,
             "scales": [{"layer": i, "linear": j, "first": s[:4].tolist(), "mean": s.mean().item(), "min": s.min().item(), "max": s.max().item(),
                         "clamped_low": int((s == 0.5).sum()), "clamped_high": int((s == 2.0).sum())} for (i, j), s in scales.items()]}
    return facts, {
        "activations": (legacy("activations"), 1.0), "weights": (legacy("weights", coded_weights=coded), 1.0),
        "both": (legacy("both", coded_weights=coded), 1.0), "scale_only": (legacy("activations", scales), 1.0),
        "alpha_only": (legacy("activations"), alpha), "qk_fp16_only": (legacy("activations", fp16_qk=True), 1.0),
        "calibrated": (legacy("activations", scales, True), alpha)}


def summary(ref_logits, logits, hidden):
    return {"hidden_head": hidden[-1, :8].tolist(), "hidden_rms": hidden[-1].square().mean().sqrt().item(), "logit_std": logits.std().item(),
            "kl_mean": sp.kl_exact(ref_logits, logits).mean().item(), "kl_first": sp.kl_exact(ref_logits, logits)[:4].tolist(),
            "top1_percent": 100.0 * (ref_logits.argmax(-1) == logits.argmax(-1)).double().mean().item()}


def source_case(model, contexts, prompt):
    steps = positions = 500 if model["kind"] == "chain" else 50
    run = sp.greedy(model, prompt, steps)
    forced = sp.teacher_forced_last(model, prompt, run[0], positions)
    facts, table = variants(model, contexts)
    case = {"prompt": prompt.tolist(), "calibration_head": contexts.flatten()[:12].tolist(), "kl_positions": positions, "calibration": facts,
            "reference": summary(forced, forced, sp.final_hidden(model, prompt)), "variants": {}}
    for name, (apply, alpha) in table.items():
        logits = sp.teacher_forced_last(model, prompt, run[0], positions, apply, alpha)
        case["variants"][name] = summary(forced, logits, sp.final_hidden(model, prompt, apply))
        tokens, free = sp.greedy(model, prompt, steps, apply, alpha)
        same = tokens == run[0]
        case["variants"][name] |= {"greedy_steps": steps, "match": 100.0 * same.double().mean().item(), "top10": sp.overlap10(run[1], free),
                                   "first_div": None if same.all() else int((~same).nonzero()[0]), "tokens_head": tokens[:12].tolist()}
    return case


def kjv_case(model, contexts, ids):
    tokens, chunks = ids[:64], ids[:2560].view(10, 256)
    ref_hidden = sp.final_hidden(model, tokens)
    ref_logits = sp.logits_of(model, ref_hidden)
    facts, table = variants(model, contexts)

    def perplexity(apply, alpha):
        logits = sp.logits_of(model, sp.final_hidden(model, chunks, apply), apply)[:, :-1] * alpha
        return math.exp(F.cross_entropy(logits.reshape(-1, 5000).double(), chunks[:, 1:].reshape(-1)).item())

    case = {"tokens": tokens.tolist(), "calibration_head": contexts.flatten()[:12].tolist(), "kl_positions": 64, "calibration": facts,
            "reference": summary(ref_logits, ref_logits, ref_hidden) | {"perplexity_10x256": perplexity(sp.plain, 1.0)}, "variants": {}}
    for name, (apply, alpha) in table.items():
        hidden = sp.final_hidden(model, tokens, apply)
        case["variants"][name] = summary(ref_logits, sp.logits_of(model, hidden, apply) * alpha, hidden) | {
            "perplexity_10x256": perplexity(apply, alpha)}
    return case


def main():
    tokenizer = tokenizers.Tokenizer.from_file(str(ROOT / "data/models/kjv.tokenizer.json"))
    ids = lambda name: torch.tensor(tokenizer.encode((ROOT / "data/corpus" / name).read_text()).ids)
    heldout, calibration = ids("kjv.heldout"), ids("kjv.calibration")[:1000].view(50, 20)
    result = {"origin": sp.origin("make_legacy_domain.py", f"tokenizers {tokenizers.__version__}"), "protocol": __doc__.split("\n\n", 1)[1],
              "linears": {"transformer": "0 qkv, 1 attn.out, 2 mlp.up, 3 mlp.down", "chain": "0 mlp.up"}}
    for name in ("kjv-transformer", "kjv-chain"):
        result[name] = kjv_case(sp.file_model(ROOT / f"data/models/{name}.safetensors"), calibration, heldout)
    model = sp.source_chain(42)
    contexts = sp.draw_tokens(1000, 5000).view(50, 20)
    torch.manual_seed(123)
    result["source-chain"] = source_case(model, contexts, sp.draw_tokens(20, 5000))
    model = sp.source_transformer(42)
    contexts = sp.draw_tokens(1000, 5000).view(50, 20)
    result["source-transformer"] = source_case(model, contexts, contexts.flatten()[:10].clone())
    text = json.dumps(result)
    for key in ('"activations"', '"weights"', '"both"', '"scale_only"', '"alpha_only"', '"qk_fp16_only"', '"calibrated"', '{"layer"', '"kjv-', '"source-'):
        text = text.replace(key, "\n" + key)
    json.loads(text)
    (HERE / "legacy_domain.json").write_text(text + "\n")
    for name in ("kjv-transformer", "kjv-chain", "source-chain", "source-transformer"):
        print(name, result[name]["reference"].get("perplexity_10x256"), result[name]["calibration"]["alpha_raw"])
        for v, x in result[name]["variants"].items():
            print("  ", v, {k: round(x[k], 6) if isinstance(x[k], float) else x[k] for k in ("kl_mean", "top1_percent", "logit_std", "perplexity_10x256", "match", "top10", "first_div") if k in x})


if __name__ == "__main__":
    main()
