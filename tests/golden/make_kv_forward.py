#!/usr/bin/env python3
"""tiny-llama over a KV cache in other formats, by transformers in float64 with keys and values replaced inside its attention, and with what
goes from one layer to the next replaced: KL from the same model without. Writes kv_forward.json.

The first CONTEXT tokens of data/corpus/tiny.heldout, the first of them BOS; the last position is not scored. Formats, blocks and rotation are
make_attention.py's. A key that float64 and float32 round to two codes changes what follows a little: a mean of 256 positions agrees to a
few percent of itself at 4 bits, and far better at 8."""
import json
import pathlib

import numpy
import tokenizers
import torch
import transformers
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

import make_attention as formats

HERE = pathlib.Path(__file__).resolve().parent
FOLDER = HERE.parents[1] / "data/models/tiny-llama"
CONTEXT = 257
CASES = {"fp16": (("fp16", "fp16"), 1, False), "values": (("fp16", "qins8"), 1, False), "qins8": (("qins8", "qins8"), 1, False),
         "int8-rotated": (("int8", "int8"), 1, True), "q8_0-rotated-32": (("q8_0", "q8_0"), 32, True),
         "q4_0": (("q4_0", "q4_0"), 1, False), "q4_0-32": (("q4_0", "q4_0"), 32, False), "q4_0-rotated": (("q4_0", "q4_0"), 1, True)}
ACT = ("fp16", "int8", "q8_0", "qins8")  # of what goes from one layer to the next, a position at a time
CASE = None


def attention(module, query, key, value, mask, scaling, **_):
    """[1, heads, n, dim] -> [1, n, heads, dim], as transformers' own, but that query p reads blocks that are full by then as decoded."""
    n, group = query.shape[2], module.num_key_value_groups
    raw = [x[0].transpose(0, 1).float().numpy() for x in (key, value)]  # [n, heads, dim]
    block = CASE[1] if CASE else 1
    kept = [torch.tensor(formats.kept({"formats": CASE[0], "block": block, "rotate": CASE[2]}, i, raw[i])[0]) for i in range(2)] if CASE else None
    k, v = key[0], value[0]  # [heads, n, dim]
    out = torch.empty(1, n, query.shape[1], query.shape[3], dtype=query.dtype)
    for p in range(n):
        kk, vv = k[:, :p + 1], v[:, :p + 1]
        if CASE:
            full = (p + 1) // block * block
            kk = torch.cat((kept[0][:full].transpose(0, 1), kk[:, full:]), 1)
            vv = torch.cat((kept[1][:full].transpose(0, 1), vv[:, full:]), 1)
        kk, vv = kk.repeat_interleave(group, 0), vv.repeat_interleave(group, 0)
        weights = ((kk @ query[0, :, p, :, None])[..., 0] * scaling).softmax(-1)
        out[0, p] = (weights[:, None] @ vv)[:, 0]
    return out, None


def main():
    global CASE
    torch.set_grad_enabled(False)
    ALL_ATTENTION_FUNCTIONS.register("kv", attention)
    model = transformers.AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float64, attn_implementation="kv")
    plain = transformers.AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float64, attn_implementation="eager")
    tokenizer = tokenizers.Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    ids = torch.tensor(tokenizer.encode((HERE.parents[1] / "data/corpus/tiny.heldout").read_text("utf-8")).ids[:CONTEXT])
    ids[0] = model.config.bos_token_id
    p = model(ids[None]).logits[0, :-1].log_softmax(-1)
    assert (p - plain(ids[None]).logits[0, :-1].log_softmax(-1)).abs().max() < 1e-5, "without a format it is transformers' own"
    cases = []
    for name, CASE in CASES.items():
        q = model(ids[None]).logits[0, :-1].log_softmax(-1)
        kl = (p.exp() * (p - q)).sum(-1)
        cases.append({"name": name, "formats": list(CASE[0]), "block": CASE[1], "rotate": CASE[2], "kl_mean": float(kl.mean()),
                      "top1": int((p.argmax(-1) == q.argmax(-1)).sum()), "kl_last": float(kl[-1])})
        print(f"{name}: {kl.mean():.6g}, {cases[-1]['top1']} of {CONTEXT - 1}")
    CASE = None
    for name in ACT:
        hooks = [layer.register_forward_pre_hook(lambda _, args, n=name: (torch.tensor(formats.FORMATS[n](args[0][0].float().numpy())[0]).double()[None], *args[1:]))
                 for layer in model.model.layers[1:]]
        q = model(ids[None]).logits[0, :-1].log_softmax(-1)
        for hook in hooks:
            hook.remove()
        kl = (p.exp() * (p - q)).sum(-1)
        cases.append({"name": f"act-{name}", "kl_mean": float(kl.mean()), "top1": int((p.argmax(-1) == q.argmax(-1)).sum()), "kl_last": float(kl[-1])})
        print(f"act-{name}: {kl.mean():.6g}, {cases[-1]['top1']} of {CONTEXT - 1}")
    origin = f"make_kv_forward.py: transformers {transformers.__version__}, torch {torch.__version__}, NumPy {numpy.__version__}, float64"
    text = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
    (HERE / "kv_forward.json").write_text(f'{{"origin": "{origin}", "context": {CONTEXT}, "cases": [\n{text}\n]}}\n')


if __name__ == "__main__":
    main()
