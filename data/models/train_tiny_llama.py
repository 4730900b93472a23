#!/usr/bin/env python3
"""Make tiny-llama: a Llama model with a byte-level BPE tokenizer, saved as a Hugging Face folder with F16 weights.

    train_tiny_llama.py tokens TEXT_DIR TOKENS_DIR                            # needs tokenizers
    train_tiny_llama.py train TOKENS_DIR OUT_DIR [--candidates I,J] [--steps N] [--seconds S]    # needs torch, safetensors

`tokens` reads tiny.train and tiny.validation (data/corpus/make_tiny_corpus.py --training TEXT_DIR; documents end with a form feed), trains the
tokenizer on the training part alone, writes tiny-llama/tokenizer.json beside this script and TOKENS_DIR/{train,validation,heldout}.npy (uint16).
Every document stands there between <|begin_of_text|> and <|end_of_text|>; the held-out file is one document.

`train` trains every candidate below from seed 1 and keeps each at its best validation loss (an exponential average of the weights; evaluation in
BF16). The one with the best validation loss is rounded to F16 and saved, and then measured in FP32 before and after rounding. The
held-out part chooses nothing. OUT_DIR gets model.safetensors and training.json.

Loss everywhere: non-overlapping chunks of C tokens whose first token is replaced by <|begin_of_text|> (llama.cpp's chunks), positions 1..C-1
predicted, mean negative log-likelihood in nat a token.
"""
import argparse
import copy
import hashlib
import json
import math
import pathlib
import time

import numpy

VOCAB, HIDDEN, FFN, LAYERS, HEADS, KV_HEADS, CONTEXT = 3072, 256, 512, 6, 8, 2, 1152
HEAD, THETA, EPS = HIDDEN // HEADS, 10000.0, 1e-5
BEGIN, END = 0, 1
SEED, BATCH, EMA = 1, 64, 0.998
HERE = pathlib.Path(__file__).resolve().parent
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")

CANDIDATES = [
    {"steps": 9500, "lr": 1e-2, "weight_decay": 0.3, "dropout": 0.1, "warmup": 500},
    {"steps": 9500, "lr": 1e-2, "weight_decay": 0.6, "dropout": 0.1, "warmup": 500},
]


def make_tokens(text_dir, out):
    import tokenizers
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    specials = ["<|begin_of_text|>", "<|end_of_text|>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
                                                       pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=VOCAB, special_tokens=specials, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    documents = {part: (text_dir / f"tiny.{part}").read_text("utf-8").split("\f") for part in ("train", "validation")}
    documents["heldout"] = [(HERE.parent / "corpus/tiny.heldout").read_text("utf-8")]
    tokenizer.train_from_iterator(documents["train"], trainer)
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A <|begin_of_text|> $B",
                                      special_tokens=[("<|begin_of_text|>", BEGIN)])])
    if tokenizer.get_vocab_size() != VOCAB or [tokenizer.token_to_id(s) for s in specials] != [BEGIN, END]:
        raise SystemExit("train_tiny_llama: the tokenizer has another vocabulary than asked for")
    path = HERE / "tiny-llama/tokenizer.json"
    path.parent.mkdir(exist_ok=True)
    tokenizer.save(str(path), pretty=False)
    print(f"tokenizers {tokenizers.__version__}: tokenizer.json {path.stat().st_size} bytes, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}")
    out.mkdir(parents=True, exist_ok=True)
    for part, texts in documents.items():
        encoded = [e.ids for e in tokenizer.encode_batch(texts)]
        if any(ids[0] != BEGIN or tokenizer.decode(ids) != text for ids, text in zip(encoded, texts)):
            raise SystemExit(f"train_tiny_llama: {part} does not survive a round trip")
        ids = numpy.array([i for e in encoded for i in e + [END]], dtype=numpy.uint16)
        numpy.save(out / f"{part}.npy", ids)
        print(f"{part}: {len(texts)} documents, {sum(len(t.encode()) for t in texts)} bytes, {len(ids)} tokens, {len(set(ids.tolist()))} distinct")


def build(dropout):
    """A Llama with the tensor names of Hugging Face; query and key rows in its half-split order."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.q_proj = nn.Linear(HIDDEN, HIDDEN, bias=False)
            self.k_proj = nn.Linear(HIDDEN, KV_HEADS * HEAD, bias=False)
            self.v_proj = nn.Linear(HIDDEN, KV_HEADS * HEAD, bias=False)
            self.o_proj = nn.Linear(HIDDEN, HIDDEN, bias=False)

        def forward(self, x, cos, sin):
            def turn(y, heads):
                y = y.view(*x.shape[:2], heads, HEAD).transpose(1, 2)
                first, second = y.float().chunk(2, dim=-1)
                return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1).to(y.dtype)
            q, k = turn(self.q_proj(x), HEADS), turn(self.k_proj(x), KV_HEADS)
            v = self.v_proj(x).view(*x.shape[:2], KV_HEADS, HEAD).transpose(1, 2)
            k, v = (y.repeat_interleave(HEADS // KV_HEADS, dim=1) for y in (k, v))
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            return self.o_proj(mixed.transpose(1, 2).reshape(x.shape))

    class Mlp(nn.Module):
        def __init__(self):
            super().__init__()
            self.gate_proj = nn.Linear(HIDDEN, FFN, bias=False)
            self.up_proj = nn.Linear(HIDDEN, FFN, bias=False)
            self.down_proj = nn.Linear(FFN, HIDDEN, bias=False)

        def forward(self, x):
            return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.self_attn, self.mlp = Attention(), Mlp()
            self.input_layernorm, self.post_attention_layernorm = nn.RMSNorm(HIDDEN, eps=EPS), nn.RMSNorm(HIDDEN, eps=EPS)
            self.drop = nn.Dropout(dropout)

        def forward(self, h, cos, sin):
            h = h + self.drop(self.self_attn(self.input_layernorm(h), cos, sin))
            return h + self.drop(self.mlp(self.post_attention_layernorm(h)))

    class Llama(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = nn.Module()
            self.model.embed_tokens = nn.Embedding(VOCAB, HIDDEN)
            self.model.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
            self.model.norm = nn.RMSNorm(HIDDEN, eps=EPS)
            self.drop = nn.Dropout(dropout)
            for name, p in self.named_parameters():
                if p.dim() == 2:
                    residual = name.endswith(("o_proj.weight", "down_proj.weight"))
                    nn.init.normal_(p, 0.0, 0.02 / math.sqrt(2 * LAYERS) if residual else 0.02)
            angle = torch.arange(CONTEXT)[:, None] * THETA ** (-torch.arange(0, HEAD, 2, dtype=torch.float64) / HEAD)
            self.register_buffer("cos", angle.cos().float(), persistent=False)
            self.register_buffer("sin", angle.sin().float(), persistent=False)

        def forward(self, tokens):
            n = tokens.shape[1]
            h = self.drop(self.model.embed_tokens(tokens))
            for layer in self.model.layers:
                h = layer(h, self.cos[:n], self.sin[:n])
            return F.linear(self.drop(self.model.norm(h)), self.model.embed_tokens.weight)

    return Llama()


def loss_of(model, ids, context):
    """See the head of this file; in the arithmetic the caller has set up."""
    import torch
    import torch.nn.functional as F
    model.eval()
    chunks = ids[:len(ids) // context * context].view(-1, context).clone()
    chunks[:, 0] = BEGIN
    total = 0.0
    with torch.no_grad():
        for part in chunks.split(max(1, 65536 // context)):
            logits = model(part[:, :-1]).float()
            total += F.cross_entropy(logits.reshape(-1, VOCAB), part[:, 1:].reshape(-1), reduction="sum").double().item()
    return total / (chunks.shape[0] * (context - 1))


def batch_of(ids, generator):
    """Windows at random offsets; the first half of them begin with <|begin_of_text|>, as an evaluated chunk does."""
    import torch
    starts = torch.randint(len(ids) - CONTEXT - 1, (BATCH,), generator=generator)
    window = ids[(starts[:, None] + torch.arange(CONTEXT + 1)).to(ids.device)]
    window[:BATCH // 2, 0] = BEGIN
    return window[:, :-1], window[:, 1:]


def train(setting, data, device, every, seconds):
    import torch
    import torch.nn.functional as F
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    model = build(setting["dropout"]).to(device)
    average = copy.deepcopy(model)
    decayed = [p for p in model.parameters() if p.dim() == 2]
    other = [p for p in model.parameters() if p.dim() != 2]
    cuda = device.type == "cuda"
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": setting["weight_decay"]}, {"params": other, "weight_decay": 0.0}],
                                  lr=setting["lr"], betas=(0.9, 0.98), fused=cuda)
    run = torch.compile(model) if cuda else model
    best, best_state, best_step, curve, seen = math.inf, None, 0, [], []
    began = time.time()
    for step in range(1, setting["steps"] + 1):
        rate = min(step / setting["warmup"], 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / setting["steps"])))
        for group in optimizer.param_groups:
            group["lr"] = setting["lr"] * rate
        model.train()
        x, y = batch_of(data["train"], generator)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=cuda):
            loss = F.cross_entropy(run(x).view(-1, VOCAB).float(), y.reshape(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        seen.append(loss.detach())
        decay = min(EMA, step / (step + 20))
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1 - decay)
        if step % every == 0 or step == setting["steps"]:
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=cuda):
                validation = loss_of(average, data["validation"], CONTEXT)
            curve.append([step, round(torch.stack(seen).mean().item(), 4), round(validation, 4)])
            seen = []
            print(f"{setting} {curve[-1]} {time.time() - began:.0f} s", flush=True)
            if validation < best:
                best, best_step = validation, step
                best_state = {k: v.detach().cpu().clone() for k, v in average.state_dict().items()}
            if step - best_step > 10 * every or (seconds and time.time() - began > seconds):
                break
    return best, best_step, best_state, curve


def losses(state, data, device):
    model = build(0.0).to(device)
    model.load_state_dict(state)
    result = {}
    for part in ("train", "validation", "heldout"):
        for context in (256, CONTEXT):
            loss = loss_of(model, data[part][:131072], context)
            result[f"{part}_{context}"] = {"loss": round(loss, 5), "perplexity": round(math.exp(loss), 3)}
    return result


def save(state, data, device, out):
    """Round to F16, save, and measure before and after in FP32."""
    import safetensors.torch
    import torch
    half = {k: v.to(torch.float16).contiguous() for k, v in state.items()}
    every = torch.cat([v.flatten() for v in half.values()]).float()
    if not torch.isfinite(every).all():
        raise SystemExit("train_tiny_llama: weights beyond F16")
    path = out / "model.safetensors"
    safetensors.torch.save_file(half, path, metadata={"format": "pt"})
    quiet = sum(int((v.abs().amax(dim=1) < 1e-3).sum()) for k, v in state.items() if "_proj" in k)
    return {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "parameters": every.numel(),
            "max_abs": every.abs().max().item(), "f16_zeros": int((every == 0).sum()), "rows_under_1e-3": quiet,
            "f16_subnormal_fraction": round(((every != 0) & (every.abs() < 2.0 ** -14)).float().mean().item(), 6),
            "before_rounding_fp32": losses(state, data, device),
            "after_f16_rounding_fp32": losses({k: v.float() for k, v in half.items()}, data, device)}


def train_all(options):
    import torch
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    files = {part: options.tokens / f"{part}.npy" for part in ("train", "validation", "heldout")}
    data = {part: torch.from_numpy(numpy.load(path).astype(numpy.int64)).to(device) for part, path in files.items()}
    options.out.mkdir(parents=True, exist_ok=True)
    best, tried, summary = math.inf, [], {}
    for index in options.candidates or range(len(CANDIDATES)):
        setting = CANDIDATES[index] | ({"steps": options.steps} if options.steps else {})
        loss, step, state, curve = train(setting, data, device, options.every, options.seconds)
        tried.append(setting | {"best_validation_loss": round(loss, 4), "best_step": step})
        if loss < best:
            best = loss
            summary = {"chosen": setting | {"best_step": step}, "curve_step_train_validation": curve} | save(state, data, device, options.out)
            print(json.dumps(summary["after_f16_rounding_fp32"]), flush=True)
        report = {"seed": SEED, "batch": BATCH, "context": CONTEXT, "torch": torch.__version__, "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
                  "tokens_sha256": {part: hashlib.sha256(path.read_bytes()).hexdigest() for part, path in files.items()}, "candidates": tried} | summary
        (options.out / "training.json").write_text(json.dumps(report) + "\n")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = arguments.add_subparsers(dest="command", required=True)
    tokens = commands.add_parser("tokens")
    tokens.add_argument("text", type=pathlib.Path)
    tokens.add_argument("out", type=pathlib.Path)
    training = commands.add_parser("train")
    training.add_argument("tokens", type=pathlib.Path)
    training.add_argument("out", type=pathlib.Path)
    training.add_argument("--candidates", type=lambda s: [int(i) for i in s.split(",")], help="only these, by index")
    training.add_argument("--steps", type=int, help="replace every candidate's steps (for a trial)")
    training.add_argument("--seconds", type=float, help="stop a candidate after so long")
    training.add_argument("--every", type=int, default=250, help="steps between validations")
    options = arguments.parse_args()
    if options.command == "tokens":
        make_tokens(options.text, options.out)
    else:
        train_all(options)


if __name__ == "__main__":
    main()
