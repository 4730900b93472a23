"""Metrics of kv: those of teacher-forced over a cache, KL by how far into the context a position is, bytes, and errors by layer."""
import math

from second import statistics as st
from second.registry import METRICS, copied, entry, metric
from second.text import uniform_void

for (experiment, name), known in list(METRICS.items()):
    if experiment == "teacher-forced":
        METRICS["kv", name] = known


def within(least, most):
    def compute(c):
        kept = (c["position"] >= least) & (c["position"] < most)
        if not kept.any():
            return None
        return st.mean(c["kl"][kept], c["chunk"][kept], least=0.0, identity=0.0)

    return compute


for name, least, most in (("kl_under_512", 0, 512), ("kl_512_2k", 512, 2048), ("kl_2k_8k", 2048, 8192), ("kl_over_8k", 8192, math.inf)):
    entry("kv", name, within(least, most), identity=0, degenerate=uniform_void)

for name in ("kv_bytes", "kv_bytes_per_token"):
    entry("kv", name, copied(name))


@metric("kv", "kv_bits")
def kv_bits(c):
    return st.exact(16 * c["kv_bytes_per_token"] / c["kv_fp16_bytes_per_token"])


@metric("kv", "kv_saving")
def kv_saving(c):
    return st.exact(100 * (1 - c["kv_bytes_per_token"] / c["kv_fp16_bytes_per_token"]))


NEEDED = ("held_bytes", "kv_bytes", "reference_bytes", "record_bytes", "states_bytes", "scratch_bytes", "logits_bytes")


def needed(c):
    return sum(float(c[name]) for name in NEEDED) if all(name in c for name in NEEDED) else None


entry("kv", "logits_bytes", copied("logits_bytes"))
entry("kv", "needed_bytes", lambda c: st.exact(needed(c)) if needed(c) is not None else None)
entry("kv", "peak_rss_bytes", lambda c: st.exact(c["peak_rss"]) if c.get("peak_rss", 0) > 0 else None)  # 0: the system does not tell
entry("kv", "peak_rss_ratio", lambda c: st.exact(c["peak_rss"] / needed(c)) if c.get("peak_rss", 0) > 0 and needed(c) else None)

for name in ("key_error", "value_error", "attention_error"):
    entry("kv", name, lambda c, name=name: st.exact(math.fsum(c[name]) / len(c[name]), len(c[name])))
