#!/usr/bin/env python3
"""Train the two King James models and save them as F16 safetensors.

    train.py kjv-transformer|kjv-chain TOKENS_DIR OUT_DIR [--steps N] [--candidates N]

TOKENS_DIR holds kjv.train.npy, kjv.validation.npy and kjv.heldout.npy (train_tokenizer.py --tokens). Every candidate below is trained
from seed 1, kept at its best validation loss (early stopping on an exponential average of the weights), and the candidate with the best
validation loss among those without dead hidden units is rounded to F16 and saved. The held-out part is measured for each model that is the best so far, after rounding, in FP32: it
chooses nothing. OUT_DIR gets NAME.safetensors and NAME.training.json.

Perplexity everywhere: non-overlapping chunks of C tokens (a short last chunk is dropped), each chunk starts from nothing, positions
1..C-1 are predicted, exp of the mean negative log-likelihood.
"""
import argparse
import copy
import hashlib
import json
import math
import pathlib
import time

import numpy
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import nn

VOCAB, HIDDEN, FFN, LAYERS, CONTEXT = 5000, 256, 1024, 3, 1056
CHAIN_SIZES = [(256, 512), (512, 512), (512, 512), (512, 256)]
SEED = 1
DEAD_UNITS_LIMIT = 10  # of 3072: a model with more is refused, its zeros would flatter or hurt a format for no reason a real model gives

CANDIDATES = {
    "kjv-transformer": [
        {"steps": 7000, "lr": 3e-3, "weight_decay": 0.8, "dropout": 0.2, "warmup": 800},
        {"steps": 7000, "lr": 3e-3, "weight_decay": 0.5, "dropout": 0.2, "warmup": 800},
    ],
    "kjv-chain": [
        {"steps": 3000, "lr": 1e-3, "weight_decay": 0.1, "dropout": 0.1},
        {"steps": 3000, "lr": 1e-3, "weight_decay": 0.3, "dropout": 0.2},
        {"steps": 3000, "lr": 1e-3, "weight_decay": 0.3, "dropout": 0.3},
        {"steps": 3000, "lr": 2e-3, "weight_decay": 1.0, "dropout": 0.2},
        {"steps": 3000, "lr": 1e-3, "weight_decay": 3.0, "dropout": 0.2},
    ],
}


class Norm(nn.LayerNorm):
    def __init__(self):
        super().__init__(HIDDEN, eps=1e-5)


class Attention(nn.Module):
    """One causal head over the whole width; scores / sqrt(HIDDEN)."""

    def __init__(self, dropout):
        super().__init__()
        self.qkv = nn.Linear(HIDDEN, 3 * HIDDEN)  # rows q, then k, then v
        self.out = nn.Linear(HIDDEN, HIDDEN)
        self.dropout = dropout

    def forward(self, x):
        q, k, v = self.qkv(x).unsqueeze(1).chunk(3, dim=-1)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=self.dropout if self.training else 0.0)
        return self.out(mixed.squeeze(1))


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Linear(HIDDEN, FFN)
        self.down = nn.Linear(FFN, HIDDEN)

    def forward(self, x):
        return self.down(F.relu(self.up(x)))


class Layer(nn.Module):
    def __init__(self, dropout):
        super().__init__()
        self.norm1, self.attn, self.norm2, self.mlp = Norm(), Attention(dropout), Norm(), Mlp()
        self.drop = nn.Dropout(dropout)

    def forward(self, h):
        h = h + self.drop(self.attn(self.norm1(h)))
        return h + self.drop(self.mlp(self.norm2(h)))


class Transformer(nn.Module):
    def __init__(self, dropout):
        super().__init__()
        self.embed, self.pos = nn.Embedding(VOCAB, HIDDEN), nn.Embedding(CONTEXT, HIDDEN)
        self.layers = nn.ModuleList(Layer(dropout) for _ in range(LAYERS))
        self.norm = Norm()
        self.drop = nn.Dropout(dropout)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                residual = name.endswith(("attn.out.weight", "mlp.down.weight"))
                nn.init.normal_(p, 0.0, 0.02 / math.sqrt(2 * LAYERS) if residual else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(p)

    def forward(self, tokens):
        h = self.drop(self.embed(tokens) + self.pos.weight[:tokens.shape[1]])
        for layer in self.layers:
            h = layer(h)
        return F.linear(self.drop(self.norm(h)), self.embed.weight)


class ChainLayer(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.mlp = nn.Module()
        self.mlp.up = nn.Linear(n_in, n_out)


class Chain(nn.Module):
    """The next token from the last one alone: a bigram model computed by an MLP."""

    def __init__(self, dropout):
        super().__init__()
        self.embed = nn.Embedding(VOCAB, HIDDEN)
        self.layers = nn.ModuleList(ChainLayer(i, o) for i, o in CHAIN_SIZES)
        self.head = nn.Linear(HIDDEN, VOCAB)
        self.drop = nn.Dropout(dropout)
        nn.init.normal_(self.embed.weight, 0.0, 0.5)
        for layer in self.layers:  # sqrt(2 / fan_in): what keeps the scale under a ReLU, near enough under GELU
            nn.init.kaiming_normal_(layer.mlp.up.weight, nonlinearity="relu")
            nn.init.zeros_(layer.mlp.up.bias)
        nn.init.normal_(self.head.weight, 0.0, 1 / math.sqrt(HIDDEN))
        nn.init.zeros_(self.head.bias)

    def forward(self, tokens):
        h = self.embed(tokens)
        for layer in self.layers:
            h = F.gelu(layer.mlp.up(self.drop(h)))  # exact erf
        return self.head(self.drop(h))


@torch.no_grad()
def loss_of(model, ids, context):
    """Mean negative log-likelihood in nat over non-overlapping chunks; in the arithmetic the caller has set up."""
    model.eval()
    chunks = ids[:len(ids) // context * context].view(-1, context)
    total = 0.0
    for part in chunks.split(max(1, 32768 // context)):
        logits = model(part[:, :-1]).float()
        total += F.cross_entropy(logits.reshape(-1, VOCAB), part[:, 1:].reshape(-1), reduction="sum").double().item()
    return total / (chunks.shape[0] * (context - 1))


def batch_of(ids, name, generator):
    """Chunks at random offsets. The transformer sees lengths 256, 512 and 1056 so that every learned position is trained."""
    if name == "kjv-chain":
        context = 256
    else:
        context = (256, 512, CONTEXT, CONTEXT)[torch.randint(4, (1,), generator=generator).item()]
    starts = torch.randint(len(ids) - context - 1, (33792 // context,), generator=generator)
    index = (starts[:, None] + torch.arange(context + 1)).to(ids.device)
    chunk = ids[index]
    return chunk[:, :-1], chunk[:, 1:]


def train(name, setting, data, device, every):
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    model = (Transformer if name == "kjv-transformer" else Chain)(setting["dropout"]).to(device)
    average = copy.deepcopy(model)
    decayed = [p for p in model.parameters() if p.dim() == 2]
    other = [p for p in model.parameters() if p.dim() != 2]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": setting["weight_decay"]}, {"params": other, "weight_decay": 0.0}],
                                  lr=setting["lr"], betas=(0.9, 0.98), fused=device.type == "cuda")
    best, best_state, best_step, curve = math.inf, None, 0, []
    began = time.time()
    for step in range(1, setting["steps"] + 1):
        rate = min(step / setting.get("warmup", 200), 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / setting["steps"])))
        for group in optimizer.param_groups:
            group["lr"] = setting["lr"] * rate
        model.train()
        x, y = batch_of(data["train"], name, generator)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
            loss = F.cross_entropy(model(x).view(-1, VOCAB).float(), y.reshape(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        decay = min(0.995, step / (step + 20))
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1 - decay)
        if step % every == 0 or step == setting["steps"]:
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
                validation = loss_of(average, data["validation"], 256)
            curve.append([step, round(loss.item(), 4), round(validation, 4)])
            if validation < best:
                best, best_step = validation, step
                best_state = {k: v.detach().cpu().clone() for k, v in average.state_dict().items()}
            elif step - best_step > 10 * every:
                break
    print(f"{name} {setting} best validation {best:.4f} (ppl {math.exp(best):.2f}) at step {best_step}, "
          f"{time.time() - began:.0f} s", flush=True)
    return best, best_step, best_state, curve


def dead_units(state):
    """Hidden units of a ReLU layer whose weights decayed to nothing (every incoming |w| under 1e-3)."""
    return sum(int((v.abs().amax(dim=1) < 1e-3).sum()) for k, v in state.items() if k.endswith("mlp.up.weight"))


def metadata(name):
    common = {"format": "qinsbench", "tokenizer": "kjv.tokenizer.json", "license": "Apache-2.0 (weights); text public domain",
              "origin": "trained for qinsbench by data/models/train.py on the King James text of Debian's bible-kjv-text; seed 1"}
    if name == "kjv-transformer":
        return common | {"architecture": "transformer", "heads": "1", "causal": "true", "positions": "learned", "norm": "pre",
                         "activation": "relu", "tied_head": "true", "context": str(CONTEXT)}
    return common | {"architecture": "chain", "activation": "gelu", "tied_head": "false", "context": "0"}


def save(name, state, data, device, out):
    """Round to F16, save, and measure what was saved, in FP32."""
    half = {k: v.to(torch.float16).contiguous() for k, v in state.items()}
    every = torch.cat([v.flatten() for v in half.values()]).float()
    if not torch.isfinite(every).all():
        raise SystemExit(f"train: {name} has weights beyond F16")
    path = out / f"{name}.safetensors"
    safetensors.torch.save_file(half, path, metadata=metadata(name))
    size = path.stat().st_size
    if size >= 8 * 1024 * 1024:
        raise SystemExit(f"train: {path.name} is {size} bytes, the limit is 8 MiB")
    model = (Transformer if name == "kjv-transformer" else Chain)(0.0).to(device)
    model.load_state_dict({k: v.float() for k, v in half.items()})
    losses = {}
    for part in ("train", "validation", "heldout"):
        for context in (256, CONTEXT):
            loss = loss_of(model, data[part][:131072], context)
            losses[f"{part}_{context}"] = {"loss": round(loss, 5), "perplexity": round(math.exp(loss), 3)}
    subnormal = ((every != 0) & (every.abs() < 2.0 ** -14)).float().mean().item()
    return {"bytes": size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "parameters": every.numel(), "max_abs": every.abs().max().item(),
            "f16_subnormal_fraction": round(subnormal, 6), "after_f16_rounding_fp32": losses}


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("name", choices=list(CANDIDATES))
    arguments.add_argument("tokens", type=pathlib.Path)
    arguments.add_argument("out", type=pathlib.Path)
    arguments.add_argument("--steps", type=int, help="replace every candidate's steps (for a trial)")
    arguments.add_argument("--candidates", type=int, help="only the first N")
    arguments.add_argument("--every", type=int, default=100, help="steps between validations")
    options = arguments.parse_args()

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    data = {part: torch.from_numpy(numpy.load(options.tokens / f"kjv.{part}.npy").astype(numpy.int64)).to(device)
            for part in ("train", "validation", "heldout")}
    options.out.mkdir(parents=True, exist_ok=True)
    best, tried, summary = math.inf, [], {}
    for setting in CANDIDATES[options.name][:options.candidates]:
        if options.steps:
            setting = setting | {"steps": options.steps}
        loss, step, state, curve = train(options.name, setting, data, device, options.every)
        tried.append(setting | {"best_validation_loss": round(loss, 4), "best_step": step, "dead_units": dead_units(state)})
        print(f"dead units {dead_units(state)}", flush=True)
        if loss < best and dead_units(state) <= DEAD_UNITS_LIMIT:
            best = loss
            summary = {"chosen": setting | {"best_step": step}, "curve_step_train_validation": curve[::2]} | save(
                options.name, state, data, device, options.out)
            print(json.dumps(summary["after_f16_rounding_fp32"]), flush=True)
        report = {"seed": SEED, "torch": torch.__version__, "candidates": tried} | summary
        (options.out / f"{options.name}.training.json").write_text(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
