"""Metrics of speed: medians over repeats of what a repeat gives."""
from second import statistics as st
from second.registry import entry, needs


def repeats(of, per=None, ceilings=(), amount=lambda c: 1.0):
    """Median of amount / of, or of / per, in a repeat, over the first ceiling of the same repeat that the file has."""
    def compute(c):
        if not needs(c, *filter(None, (of, per))) or not amount(c) > 0:
            return None
        x = c[of] / c[per] if per else amount(c) / c[of]
        return st.median(x / c[next(name for name in ceilings if name in c)] if ceilings else x)

    return compute


def amount(name, scale=1.0):
    return lambda c: c.get(name, 0) / scale


def decode_read(c, depth=""):
    return c[f"decode_{depth}bytes"] * c["decode_tokens"] / 1e9


def roofline(c):
    """Of steps that compute one position; a model that reads its whole sequence anew for each token has none."""
    # Ceilings of older files: memcpy for what reads or writes.
    return None if c.get("step_rows", 1) > 1 else repeats("decode_s", None, ("read_gbs", "memcpy_gbs"), decode_read)(c)


for turns in ("decode", "prefill"):
    for arm in ("", "reference_"):
        entry("speed", f"{arm}{turns}_tok_s", repeats(f"{arm}{turns}_s", amount=amount(turns + "_tokens")), turns=f"self_{turns}_overhead")
    for over, name in (("", turns + "_overhead"), ("self_", f"self_{turns}_overhead")):
        entry("speed", name, repeats(f"{over}{turns}_s", f"reference_{turns}_s"), identity=1, turns=f"self_{turns}_overhead")
entry("speed", "roofline_fraction", roofline, turns="self_decode_overhead")
for depth in ("512", "2k", "8k", "32k"):  # behind a context of so many positions, where the cell has it
    seconds, turns = f"decode_{depth}_s", f"self_decode_overhead_{depth}"
    entry("speed", f"decode_tok_s_{depth}", repeats(seconds, amount=amount("decode_tokens")), turns=turns)
    entry("speed", f"decode_overhead_{depth}", repeats(seconds, f"reference_{seconds}"), identity=1, turns=turns)
    entry("speed", f"self_decode_overhead_{depth}", repeats(f"self_{seconds}", f"reference_{seconds}"), identity=1, turns=turns)
    entry("speed", f"roofline_fraction_{depth}", repeats(seconds, None, (f"read_{depth}_gbs",), lambda c, depth=depth: decode_read(c, depth + "_")), turns=turns)
entry("speed", "prefill_flop_fraction", repeats("prefill_s", None, ("sgemm_gflops",), amount("prefill_flop", 1e9)), turns="self_prefill_overhead")
for name, ceilings in (("gbs", ()), ("fraction", ("store_gbs", "memcpy_gbs")), ("lookup_fraction", ("lookup_gbs",))):
    entry("speed", "weight_decode_" + name, repeats("weight_decode_s", None, ceilings, amount("weight_decode_bytes", 1e9)))
for name in ("read_gbs", "store_gbs", "memcpy_gbs", "lookup_gbs", "sgemm_gflops"):
    entry("speed", name, lambda c, name=name: st.median(c[name]) if needs(c, name) else None)
