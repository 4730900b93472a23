#!/usr/bin/env python3
"""transformers' logits, losses and greedy tokens of tiny-llama in FP32 on the CPU. Writes tiny_llama_forward.json.

Token ids are the tokenizers package's, of data/corpus/tiny.heldout. A chunk is CHUNK ids whose first is <|begin_of_text|>, as it is in llama.cpp's
chunks; chunks do not overlap. `whole` is one chunk as long as the model's context. `digest` of a position's logits holds, in float64, their sum,
the sum of their squares and their sum weighted by cos(index): values that a wrong row or order would change.
"""
import json
import math
import pathlib

import tokenizers
import torch
import torch.nn.functional as F
import transformers

HERE = pathlib.Path(__file__).resolve().parent
FOLDER = HERE.parents[1] / "data/models/tiny-llama"
CHUNK, WHOLE, STARTS = 64, 1152, (0, 50_000)


def numbers(logits):
    exact = logits.double()
    index = torch.arange(len(exact), dtype=torch.float64)
    top = logits.topk(10)
    return {"logits_head": logits[:8].tolist(), "top10": top.indices.tolist(), "top10_logits": top.values.tolist(),
            "digest": [exact.sum().item(), (exact * exact).sum().item(), (exact * index.cos()).sum().item()],
            "logsumexp": exact.logsumexp(-1).item()}


def losses(logits, tokens):
    return F.cross_entropy(logits[:-1].double(), tokens[1:], reduction="none").tolist()


def main():
    torch.set_grad_enabled(False)
    model = transformers.AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32, attn_implementation="eager")
    tokenizer = tokenizers.Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    ids = torch.tensor(tokenizer.encode((HERE.parents[1] / "data/corpus/tiny.heldout").read_text("utf-8")).ids)
    result = {"origin": f"make_tiny_llama_forward.py: transformers {transformers.__version__}, torch {torch.__version__}, tokenizers {tokenizers.__version__}; FP32, CPU, eager attention",
              "heldout": {"count": len(ids), "first": ids[:32].tolist(), "last": ids[-32:].tolist()}, "chunks": [], "greedy": []}
    for start in STARTS:
        tokens = ids[start:start + CHUNK].clone()
        tokens[0] = model.config.bos_token_id
        logits = model(tokens[None]).logits[0]
        result["chunks"].append({"tokens": tokens.tolist(), "losses": losses(logits, tokens),
                                 "positions": [{"position": p} | numbers(logits[p]) for p in (0, 1, 31, 63)]})
        prompt, picked, margins = tokens[:32], [], []
        sequence = prompt
        for _ in range(60):
            top = model(sequence[None]).logits[0, -1].topk(2)
            margins.append((top.values[0] - top.values[1]).item())
            picked.append(top.indices[0].item())
            sequence = torch.cat((sequence, top.indices[:1]))
        result["greedy"].append({"prompt": prompt.tolist(), "tokens": picked, "margin_min": min(margins)})
        print(repr(tokenizer.decode(prompt.tolist())), "->", repr(tokenizer.decode(picked)), min(margins))
    tokens = ids[:WHOLE].clone()
    tokens[0] = model.config.bos_token_id
    logits = model(tokens[None]).logits[0]
    each = losses(logits, tokens)
    result["whole"] = {"length": WHOLE, "losses_last": each[-16:], "loss": sum(each) / len(each), "perplexity": math.exp(sum(each) / len(each)),
                       "positions": [{"position": p} | numbers(logits[p]) for p in (600, WHOLE - 1)]}
    print(result["whole"]["perplexity"])
    (HERE / "tiny_llama_forward.json").write_text(json.dumps(result).replace('{"position"', '\n{"position"') + "\n")


if __name__ == "__main__":
    main()
