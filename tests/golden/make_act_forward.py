#!/usr/bin/env python3
"""transformers' logits of tiny-llama where what a layer hands to the next is encoded. Writes act_forward.json.

A forward hook on every layer but the last puts decode(encode(h)) in the place of its output, each position by itself. The formats are second
implementations: Q8_0 is the package gguf's, INT8 is written here from codecs/int8/README.md. Token ids are the tokenizers package's, of
data/corpus/tiny.heldout; LENGTH of them behind <|begin_of_text|>.

Two correct programs differ by their rounding, and a number that lies between two codes may go either way in them. So of STARTS starts the one
is taken where all numbers are farthest from such a border; `margin` says how far, as a part of a code's step.

QINS and FP16 are not here: with them no start is free of such numbers. A QINS range begins at the row's least magnitude, which takes FP32's
rounding as a large relative error and hands it to all codes; FP16 has ties among FP32's own values. QINS codes have golden values of their own
(make_qins_more_vectors.py), FP16 is held by tests/unit/test_kept_fp16.c; where the codes stand in the pass does not depend on the format.
"""
import importlib.metadata
import json
import pathlib

import gguf
import numpy as np
import tokenizers
import torch
import transformers

import source_protocol as sp

HERE = pathlib.Path(__file__).resolve().parent
FOLDER = HERE.parents[1] / "data/models/tiny-llama"
LENGTH, STARTS = 8, 400


def border(codes):
    """How far real-valued codes are from being rounded another way."""
    return (0.5 - (codes - codes.round()).abs()).min().item()


def int8(row):
    scale = row.abs().max() / 127
    return (row / scale).round().clamp(-127, 127) * scale, border(row / scale)


def q8_0(row):
    blocks = row.view(-1, 32)
    codes = 127 * blocks / blocks.abs().amax(-1, keepdim=True)
    back = gguf.quants.dequantize(gguf.quants.quantize(row.numpy(), gguf.GGMLQuantizationType.Q8_0), gguf.GGMLQuantizationType.Q8_0)
    at_largest = codes.abs() > 126.5  # is 127 by definition
    return torch.from_numpy(np.ascontiguousarray(back)), border(codes[~at_largest])


FORMATS = {"act-int8": int8, "act-q8_0": q8_0}


def run(model, tokens, format):
    """Final hidden states and logits of all positions, and the smallest margin."""
    margins = []

    def hook(module, inputs, output):
        h = output[0] if isinstance(output, tuple) else output
        rows = [format(row) for row in h[0]]
        margins.extend(m for _, m in rows)
        back = torch.stack([r for r, _ in rows])[None]
        return (back, *output[1:]) if isinstance(output, tuple) else back

    hooks = [layer.register_forward_hook(hook) for layer in model.model.layers[:-1]]
    hidden = model.model(tokens[None]).last_hidden_state[0]
    for h in hooks:
        h.remove()
    return hidden, model.lm_head(hidden), min(margins)


def main():
    torch.set_grad_enabled(False)
    model = transformers.AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32, attn_implementation="eager")
    tokenizer = tokenizers.Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    ids = torch.tensor(tokenizer.encode((HERE.parents[1] / "data/corpus/tiny.heldout").read_text("utf-8")).ids)
    result = {"origin": sp.origin("make_act_forward.py", f"transformers {transformers.__version__}", f"tokenizers {tokenizers.__version__}",
                                  f"gguf {importlib.metadata.version('gguf')}; eager attention"), "variants": {}}
    for name, format in FORMATS.items():
        best = None
        for start in range(0, STARTS * LENGTH, LENGTH):
            tokens = ids[start:start + LENGTH].clone()
            tokens[0] = model.config.bos_token_id
            hidden, logits, margin = run(model, tokens, format)
            if not best or margin > best["margin"]:
                best = {"tokens": tokens.tolist(), "margin": margin, "hidden": hidden[:, :12].tolist(), "logits": logits[:, :12].tolist(),
                        "logsumexp": logits.double().logsumexp(-1).tolist()}
                plain = model(tokens[None]).logits[0]
                best["change"] = (logits - plain).abs().max().item()  # what the format does to a logit, at most
        result["variants"][name] = best
        print(name, best["margin"], best["change"], best["tokens"])
    (HERE / "act_forward.json").write_text(json.dumps(result).replace('"act-', '\n"act-') + "\n")


if __name__ == "__main__":
    main()
