"""Metrics of speed: medians over repeats of what a repeat gives."""
from second import statistics as st
from second.registry import entry, needs


def repeats(of, per=None, ceiling=None, amount=lambda c: 1.0):
    """Median of amount / of, or of / per, in a repeat, over its ceiling of the same repeat."""
    def compute(c):
        if not needs(c, *filter(None, (of, per, ceiling))) or not amount(c) > 0:
            return None
        return st.median((c[of] / c[per] if per else amount(c) / c[of]) / (c[ceiling] if ceiling else 1))

    return compute


for arm in ("", "reference_"):
    entry("speed", arm + "decode_tok_s", repeats(arm + "decode_s", amount=lambda c: c["decode_tokens"]))
    entry("speed", arm + "prefill_tok_s", repeats(arm + "prefill_s", amount=lambda c: c["prefill_tokens"]))
for name in ("decode", "prefill"):
    entry("speed", name + "_overhead", repeats(name + "_s", "reference_" + name + "_s"), identity=1)
for name, ceiling in (("gbs", None), ("fraction", "memcpy_gbs"), ("lookup_fraction", "lookup_gbs")):
    entry("speed", "weight_decode_" + name, repeats("weight_decode_s", None, ceiling, lambda c: c.get("weight_decode_bytes", 0) / 1e9))
entry("speed", "roofline_fraction", repeats("decode_s", None, "memcpy_gbs", lambda c: c["decode_bytes"] * c["decode_tokens"] / 1e9))
entry("speed", "prefill_flop_fraction", repeats("prefill_s", None, "sgemm_gflops", lambda c: c["prefill_flop"] / 1e9))
for name in ("memcpy_gbs", "lookup_gbs", "sgemm_gflops"):
    entry("speed", name, lambda c, name=name: st.median(c[name]) if needs(c, name) else None)
