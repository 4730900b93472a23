"""A second implementation, in PyTorch on the CPU, of the codecs and protocols behind the published numbers.

Imported by the make_*.py scripts beside it; nothing of the product is used. FP32 throughout, KL in float64. It follows the project's
protocol notes; where those leave a choice, the choice made is said here and was checked against source_protocols.json
(make_source_other_seeds.py fails when a number of that file is not reproduced).
"""
import math
import platform

import numpy
import torch
import torch.nn.functional as F

torch.set_grad_enabled(False)
FLOOR = 1e-8


def origin(script, *more):
    """The text every golden file carries under "origin"."""
    parts = [f"tests/golden/{script}", f"torch {torch.__version__.split('+')[0]} (CPU)", f"numpy {numpy.__version__}",
             f"python {platform.python_version()}", *more]
    return ", ".join(parts)


# --- QINS -----------------------------------------------------------------------------------------------------------------------

def qins_encode(x, epsilon=0.0):
    """x: any shape, one log range for all of it -> stored (uint8), sign (+-1), log_min, log_max.

    The range is taken over |x| > 1e-8 (none such: -10 and 0); smaller magnitudes are clamped to 1e-8 and land on 255. Rounding is half
    to even of 255 - 254 n, n = (ln|x| - log_min) / (log_max - log_min + epsilon) clamped to [0, 1]. n = 0.5 (stored 128) when that
    divisor is 0 or no value is above the floor. The sign of both zeros is +1.
    """
    x = x.float()
    magnitude = x.abs()
    above = magnitude > FLOOR
    if above.any():
        logs = magnitude[above].log()
        log_min, log_max = logs.min(), logs.max()
    else:
        log_min, log_max = torch.tensor(-10.0), torch.tensor(0.0)
    width = log_max - log_min + epsilon
    if not above.any() or width == 0:
        n = torch.full_like(x, 0.5)
    else:
        n = ((magnitude.clamp_min(FLOOR).log() - log_min) / width).clamp(0, 1)
    stored = (255 - n * 254).round().clamp(1, 255).to(torch.uint8)
    sign = torch.where(x < 0, -1.0, 1.0)
    return stored, sign, log_min, log_max


def qins_decode(stored, sign, log_min, log_max):
    n = (255 - stored.float()) / 254
    return sign * torch.exp(log_min + n * (log_max - log_min))


def qins_coordinates(x):
    """c(x) = sign * stored / 255, one log range for all of x."""
    stored, sign, _, _ = qins_encode(x)
    return sign * stored.float() / 255


def qins_coordinates_rows(x):
    """c(x) with one log range a row of the last dimension (a token). Same arithmetic as qins_coordinates, row by row."""
    magnitude = x.abs()
    above = magnitude > FLOOR
    logs = magnitude.clamp_min(FLOOR).log()
    log_min = torch.where(above, logs, math.inf).amin(-1, keepdim=True)
    log_max = torch.where(above, logs, -math.inf).amax(-1, keepdim=True)
    width = log_max - log_min
    n = ((logs - log_min) / width).clamp(0, 1)
    n = torch.where((width == 0) | ~above.any(-1, keepdim=True), torch.tensor(0.5), n)
    stored = (255 - n * 254).round().clamp(1, 255)
    return torch.where(x < 0, -1.0, 1.0) * stored / 255


def qins_roundtrip(w):
    return qins_decode(*qins_encode(w))


# --- INT8 -----------------------------------------------------------------------------------------------------------------------

def int8_encode(x, dim=None):
    """Symmetric absmax: scale = absmax / 127, q = round half to even(x / scale) clamped to [-127, 127]; scale 0 gives q 0."""
    absmax = x.abs().amax() if dim is None else x.abs().amax(dim, keepdim=True)
    scale = absmax / 127
    q = torch.where(scale > 0, (x / torch.where(scale > 0, scale, torch.ones_like(scale))).round().clamp(-127, 127), torch.zeros(()))
    return q.to(torch.int8), scale


def int8_roundtrip(w, dim=None):
    q, scale = int8_encode(w, dim)
    return q.float() * scale


# --- generated models -----------------------------------------------------------------------------------------------------------

def _uniform(rows, cols, bias=True):
    bound = 1 / math.sqrt(cols)
    w = torch.empty(rows, cols).uniform_(-bound, bound)
    return w, (torch.empty(rows).uniform_(-bound, bound) if bias else torch.zeros(rows))


def source_transformer(seed, vocab=5000, hidden=256, layers=3):
    """-> model dict; torch's generator is left where the prompt's draws begin."""
    torch.manual_seed(seed)
    shapes = [(3 * hidden, hidden), (hidden, hidden), (4 * hidden, hidden), (hidden, 4 * hidden)]
    embed = torch.empty(vocab, hidden).normal_(0, 1)
    linears = [[_uniform(*shape) for shape in shapes] for _ in range(layers)]
    _uniform(vocab, hidden, bias=False)  # the head: drawn, then tied
    embed.normal_(0, 0.02)
    for layer in linears:
        for w, _ in layer:
            w.normal_(0, 0.02)
    return {"kind": "transformer", "embed": embed, "layers": linears, "head": (embed, None), "causal": False, "pos": None, "norms": None,
            "final_norm": (torch.ones(hidden), torch.zeros(hidden))}


def source_chain(seed, vocab=5000, hidden=256):
    torch.manual_seed(seed)
    sizes = [(2 * hidden, hidden), (2 * hidden, 2 * hidden), (2 * hidden, 2 * hidden), (hidden, 2 * hidden), (vocab, hidden)]
    embed = torch.empty(vocab, hidden).normal_(0, 1)
    linears = [_uniform(*size) for size in sizes]
    embed.normal_(0, 0.02)
    for w, b in linears:
        w.normal_(0, 0.02)
        b.zero_()
    return {"kind": "chain", "embed": embed, "layers": [[linear] for linear in linears[:-1]], "head": linears[-1]}


def draw_tokens(n, vocab):
    return torch.randint(0, vocab, (n,))


def file_model(path):
    """A safetensors model of data/models (architecture from its metadata), weights widened to FP32."""
    from safetensors import safe_open
    with safe_open(path, "pt") as f:
        meta = f.metadata()
        t = {k: f.get_tensor(k).float() for k in f.keys()}
    pair = lambda name: (t[name + ".weight"], t[name + ".bias"])
    count = 1 + max(int(k.split(".")[1]) for k in t if k.startswith("layers."))
    if meta["architecture"] == "chain":
        return {"kind": "chain", "embed": t["embed.weight"], "layers": [[pair(f"layers.{i}.mlp.up")] for i in range(count)],
                "head": pair("head")}
    names = ("attn.qkv", "attn.out", "mlp.up", "mlp.down")
    return {"kind": "transformer", "embed": t["embed.weight"], "pos": t["pos.weight"], "causal": meta["causal"] == "true",
            "layers": [[pair(f"layers.{i}.{n}") for n in names] for i in range(count)],
            "norms": [[pair(f"layers.{i}.norm{j}") for j in (1, 2)] for i in range(count)],
            "final_norm": pair("norm"), "head": (t["embed.weight"], None)}


# --- forward --------------------------------------------------------------------------------------------------------------------
# A linear is called through `apply(where, x, w, b)`, where = (layer, index in layer) or "head", so that a variant is one function.

def plain(where, x, w, b):
    return F.linear(x, w, b)


def final_hidden(model, tokens, apply=plain):
    """tokens: (..., T) -> (..., T, hidden), what the head sees."""
    h = model["embed"][tokens]
    if model["kind"] == "chain":
        for i, ((w, b),) in enumerate(model["layers"]):
            h = F.gelu(apply((i, 0), h, w, b))
        return h
    length, hidden = tokens.shape[-1], h.shape[-1]
    norm = lambda x, wb: F.layer_norm(x, (hidden,), wb[0], wb[1], 1e-5)
    if model["pos"] is not None:
        h = h + model["pos"][:length]
    for i, (qkv, out, up, down) in enumerate(model["layers"]):
        x = norm(h, model["norms"][i][0]) if model["norms"] else h
        q, k, v = apply((i, 0), x, *qkv).chunk(3, dim=-1)
        scores = q @ k.transpose(-1, -2) / math.sqrt(hidden)
        if model["causal"]:
            scores = scores.masked_fill(torch.ones(length, length, dtype=torch.bool).triu(1), -math.inf)
        h = h + apply((i, 1), scores.softmax(-1) @ v, *out)
        x = norm(h, model["norms"][i][1]) if model["norms"] else h
        h = h + apply((i, 3), F.relu(apply((i, 2), x, *up)), *down)
    return norm(h, model["final_norm"])


def logits_of(model, hidden, apply=plain):
    return apply("head", hidden, *model["head"])


def encode_weights(model, roundtrip, head=False):
    """A copy of the model with the layers' matrices (and the head's, if asked) through `roundtrip`."""
    copy = dict(model)
    copy["layers"] = [[(roundtrip(w), b) for w, b in layer] for layer in model["layers"]]
    if head:
        copy["head"] = (roundtrip(model["head"][0]), model["head"][1])
    return copy


# --- metrics --------------------------------------------------------------------------------------------------------------------

def kl(logits_ref, logits_var):
    """KL(ref || var) in nat along the last dimension, float64 from float32 logits."""
    p, q = logits_ref.double().log_softmax(-1), logits_var.double().log_softmax(-1)
    return (p.exp() * (p - q)).sum(-1)


def kl_exact(logits_ref, logits_var):
    """The same quantity as log E_p[exp(-(d - E_p d))], d = ref - var: no cancellation when the two are close (1e-13 nat, the chain).

    kl() there carries about 1e-15 nat of noise a position, 1% of the value. Only for differences under 1 everywhere; else kl().
    """
    a, b = logits_ref.double(), logits_var.double()
    p, d = a.softmax(-1), a - b
    d = d - (p * d).sum(-1, keepdim=True)
    return torch.log1p((p * torch.expm1(-d)).sum(-1)) if d.abs().max() < 1 else kl(a, b)


def overlap10(a, b):
    """Mean size of the common part of the two top-10 sets, in percent. a, b: (n, vocab)."""
    ta, tb = a.topk(10, -1).indices, b.topk(10, -1).indices
    return 10.0 * (ta[:, :, None] == tb[:, None, :]).any(-1).sum(-1).double().mean().item()


def greedy(model, prompt, steps, apply=plain, alpha=1.0):
    """-> tokens (steps), logits (steps, vocab). The whole sequence is recomputed each step; the chain needs its last token only."""
    tokens, rows = prompt.clone(), []
    for _ in range(steps):
        context = tokens[-1:] if model["kind"] == "chain" else tokens
        logits = logits_of(model, final_hidden(model, context, apply)[-1:], apply)[0] * alpha
        rows.append(logits)
        tokens = torch.cat([tokens, logits.argmax().view(1)])
    return tokens[len(prompt):], torch.stack(rows)


def teacher_forced_last(model, prompt, reference_tokens, positions, apply=plain, alpha=1.0):
    """Logits (positions, vocab) that predict reference_tokens[0..positions): each from prompt + the reference's tokens before it."""
    sequence = torch.cat([prompt, reference_tokens])
    n = len(prompt)
    if model["kind"] == "chain":
        return logits_of(model, final_hidden(model, sequence[n - 1:n - 1 + positions], apply), apply) * alpha
    return torch.cat([logits_of(model, final_hidden(model, sequence[:n + t], apply)[-1:], apply) for t in range(positions)]) * alpha


def teacher_forced(model, prompt, reference_tokens, apply=plain, alpha=1.0):
    """What the given golden file compares. Chain: the 500 steps' logits on the reference's tokens. Transformer: one pass over the first
    50 tokens of prompt + reference (the prompt is in it), logits at all 50 positions, each seeing all 50 (no causal mask)."""
    if model["kind"] == "chain":
        return teacher_forced_last(model, prompt, reference_tokens, len(reference_tokens), apply, alpha)
    sequence = torch.cat([prompt, reference_tokens])[:50]
    return logits_of(model, final_hidden(model, sequence, apply), apply) * alpha


def compare(reference, variant, prompt, reference_run, steps=500, apply=plain, alpha=1.0):
    """The free-running and teacher-forced numbers of one variant."""
    ref_tokens, ref_logits = reference_run
    tokens, logits = greedy(variant, prompt, steps, apply, alpha)
    same = tokens == ref_tokens
    forced_ref = teacher_forced(reference, prompt, ref_tokens)
    forced = teacher_forced(variant, prompt, ref_tokens, apply, alpha)
    divergence = kl(forced_ref, forced)
    return {
        "match": 100.0 * same.double().mean().item(),
        "top10": overlap10(ref_logits, logits),
        "first_div": None if same.all() else int((~same).nonzero()[0]),
        "tf_positions": len(forced),
        "tf_top1": 100.0 * (forced_ref.argmax(-1) == forced.argmax(-1)).double().mean().item(),
        "tf_kl_mean": divergence.mean().item(),
        "tf_kl_max": divergence.max().item(),
        "tf_kl_mean_exact": kl_exact(forced_ref, forced).mean().item(),
        "logit_std": logits.std().item(),
        "unique_tokens": len(set(tokens.tolist())),
        "tokens_head": tokens[:40].tolist(),
    }


# --- calibration of the chain, as the source ran it -----------------------------------------------------------------------------

def layer_inputs(model, contexts):
    """Input rows of every linear of the reference on the contexts: {where: (n_contexts * length, fan_in)}; "head" too."""
    seen = {}

    def record(where, x, w, b):
        seen[where] = x.reshape(-1, x.shape[-1])
        return F.linear(x, w, b)

    logits_of(model, final_hidden(model, contexts, record), record)
    return seen


def channel_scale(rows_fp, rows_q):
    """S (fan_out) from (rows, fan_out) outputs without bias."""
    return (rows_fp.std(0) / (rows_q.std(0) + 1e-8)).clamp(0.5, 2.0)


def calibrate_chain(model, contexts, keep_range):
    """-> (apply for the model with decoded weights, alpha, facts). All five linears are encoded with range + 1e-8.

    S is computed while the range is still there. keep_range False: the layers that run have log_min = log_max = 0, so each weight
    decodes to +-1 (alpha too is computed with these). y = S * (Wq x) + b.
    """
    inputs = layer_inputs(model, contexts)
    wheres = [(i, 0) for i in range(len(model["layers"]))] + ["head"]
    weights = [layer[0][0] for layer in model["layers"]] + [model["head"][0]]
    decoded, scales = {}, {}
    for where, w in zip(wheres, weights):
        stored, sign, log_min, log_max = qins_encode(w, 1e-8)
        decoded[where] = qins_decode(stored, sign, log_min, log_max)
        rows = inputs[where][:100]
        scales[where] = channel_scale(rows @ w.T, rows @ decoded[where].T)
        if not keep_range:
            decoded[where] = qins_decode(stored, sign, torch.tensor(0.0), torch.tensor(0.0))

    def apply(where, x, w, b):
        return F.linear(x, decoded[where]) * scales[where] + b

    last = inputs["head"][:10 * contexts.shape[1]]
    fp, q = logits_of(model, last), apply("head", last, *model["head"])
    raw = (fp.std() / (q.std() + 1e-8)).item()
    facts = {"alpha_raw": raw, "alpha": min(max(raw, 0.8), 1.2), "fp_std": fp.std().item(), "q_std": q.std().item(),
             "scale_ranges": [[scales[w].min().item(), scales[w].max().item()] for w in wheres]}
    return apply, facts["alpha"], facts
