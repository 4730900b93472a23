#!/usr/bin/env python3
"""Logits, perplexity and greedy tokens of the two King James models in FP32 on the CPU. Writes kjv_forward.json.

Chunks do not overlap; each starts at position 0 with its own first token. Prompts are the first 32 tokens of chunks of 64: 0 and 20.
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
PROMPTS = (0, 20 * 64)


def model_case(name, ids):
    model = sp.file_model(ROOT / f"data/models/{name}.safetensors")
    case = {"chunks": [], "greedy": []}
    for start in (0, 64):
        tokens = ids[start:start + 64]
        hidden = sp.final_hidden(model, tokens)
        logits = sp.logits_of(model, hidden)
        case["chunks"].append({"tokens": tokens.tolist(), "positions": [
            {"position": p, "hidden_head": hidden[p, :8].tolist(), "logits_head": logits[p, :8].tolist(), "top10": logits[p].topk(10).indices.tolist(),
             "top10_logits": logits[p].topk(10).values.tolist(), "logsumexp": logits[p].double().logsumexp(-1).item()} for p in (0, 1, 31, 63)]})
    chunks = ids[:2560].view(10, 256)
    losses = []
    for chunk in chunks:
        logits = sp.logits_of(model, sp.final_hidden(model, chunk))
        losses.append(F.cross_entropy(logits[:-1].double(), chunk[1:], reduction="mean").item())
    case["perplexity_10x256"] = {"chunk_losses": losses, "loss": sum(losses) / 10, "perplexity": math.exp(sum(losses) / 10)}
    for start in PROMPTS:
        prompt = ids[start:start + 32]
        tokens, logits = sp.greedy(model, prompt, 60)
        top = logits.topk(2, -1).values
        case["greedy"].append({"prompt": prompt.tolist(), "tokens": tokens.tolist(), "margin_min": (top[:, 0] - top[:, 1]).min().item()})
    return case


def main():
    tokenizer = tokenizers.Tokenizer.from_file(str(ROOT / "data/models/kjv.tokenizer.json"))
    ids = torch.tensor(tokenizer.encode((ROOT / "data/corpus/kjv.heldout").read_text()).ids)
    result = {"origin": sp.origin("make_kjv_forward.py", f"tokenizers {tokenizers.__version__}")}
    for name in ("kjv-transformer", "kjv-chain"):
        result[name] = model_case(name, ids)
        print(name, result[name]["perplexity_10x256"]["perplexity"], [g["margin_min"] for g in result[name]["greedy"]])
        for g in result[name]["greedy"]:
            print(repr(tokenizer.decode(g["prompt"])), "->", repr(tokenizer.decode(g["tokens"])))
    (HERE / "kjv_forward.json").write_text(json.dumps(result).replace('{"position"', '\n{"position"') + "\n")


if __name__ == "__main__":
    main()
