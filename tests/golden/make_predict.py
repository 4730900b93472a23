#!/usr/bin/env python3
"""What experiment predict sums of tiny-llama in BF16 and Q4_0, a second time: transformers runs the model in FP32 and shows what each linear layer
reads, torch rounds to bfloat16, the gguf package quantises to Q4_0, NumPy sums in float64. Writes predict.json."""
import json
import pathlib

import gguf
import numpy as np
import tokenizers
import torch
import transformers

HERE = pathlib.Path(__file__).resolve().parent
FOLDER = HERE.parents[1] / "data/models/tiny-llama"
CONTEXTS, LENGTH = 2, 24
LAYER = {"self_attn.q_proj": "attn.q", "self_attn.k_proj": "attn.k", "self_attn.v_proj": "attn.v", "self_attn.o_proj": "attn.out",
         "mlp.gate_proj": "mlp.gate", "mlp.up_proj": "mlp.up", "mlp.down_proj": "mlp.down"}


def q4_0(w):
    kind = gguf.GGMLQuantizationType.Q4_0
    return gguf.quants.dequantize(gguf.quants.quantize(w, kind), kind)


def bf16(w):
    return torch.from_numpy(w).to(torch.bfloat16).float().numpy()


def own_name(name):
    if name == "lm_head":
        return "embed.weight"  # tied
    _, _, layer, rest = name.split(".", 3)
    return f"layers.{layer}.{LAYER[rest]}.weight"


def sums(w, v, x):
    w, v, x = (a.astype(np.float64) for a in (w, v, x))
    e, m, nonzero = v - w, (x * x).mean(0), w != 0
    return {"signal_power": (w * w).sum(), "error_power": (e * e).sum(), "relative_power": ((e[nonzero] / w[nonzero]) ** 2).sum(),
            "nonzero_values": int(nonzero.sum()), "weighted_signal_power": (w * w * m).sum(), "weighted_error_power": (e * e * m).sum(),
            "output_power": ((x @ w.T) ** 2).sum(), "output_error_power": ((x @ e.T) ** 2).sum()}


def main():
    torch.set_grad_enabled(False)
    model = transformers.AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32, attn_implementation="eager")
    tokenizer = tokenizers.Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    ids = tokenizer.encode((HERE.parents[1] / "data/corpus/tiny.calibration").read_text("utf-8")).ids[:CONTEXTS * LENGTH]
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, torch.nn.Linear)}
    read = {}
    for name, layer in layers.items():
        layer.register_forward_pre_hook(lambda _, args, name=name: read.update({name: args[0].reshape(-1, args[0].shape[-1]).numpy()}))
    model(torch.tensor(ids).reshape(CONTEXTS, LENGTH))
    cases = {codec: {own_name(name): sums(layer.weight.numpy(), stored(layer.weight.numpy()), read[name]) for name, layer in layers.items()}
             for codec, stored in {"bf16": bf16, "q4_0": q4_0}.items()}
    result = {"origin": f"make_predict.py: transformers {transformers.__version__}, torch {torch.__version__}, gguf, numpy {np.__version__}",
              "contexts": CONTEXTS, "length": LENGTH, "tokens": ids, "cases": cases}
    (HERE / "predict.json").write_text(json.dumps(result, indent=0) + "\n")


if __name__ == "__main__":
    main()
