#!/usr/bin/env python3
"""Experiment `kl` beside llama.cpp on one model and text: perplexity, mean KL, same top token; time and memory of both, arms in the order A B B A.
Needs pip's llama-cpp-python, gguf and numpy. docs/kl.md keeps a result.

usage: llama_cpp_kl.py MODEL.gguf TEXT [--types q8_0,q4_0] [--context 512] [--chunks 8] [--threads 1] [--rounds 2] [--qinsbench build/qinsbench]

Both programs do: reference, then each type encoded and run, over the same chunks. llama.cpp's reference is the file with every tensor dequantised to F32, with
an F32 cache and without flash attention; its quantised files come from llama_model_quantize (pure). "decoded" is such a file dequantised again: llama.cpp
multiplies 8-bit activations by quantised weights, so that its own numbers are of the format and of that rounding; these are of the format alone, as ours.

llama.cpp's time is told apart: "computing" is quantising, loading and evaluating; "whole" adds Python's start and the statistics in numpy. Of qinsbench both
are all that it does. On a machine that does other things too, CPU time of one thread says more than wall time.
Memory: the largest sum of proportional set sizes (PSS) of a program and its children, ten times a second, and what the Python process had
before it opened a model."""
import argparse
import ctypes
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np

FTYPES = {"f16": 1, "q4_0": 2, "q4_1": 3, "q8_0": 7, "q5_0": 8, "q5_1": 9, "q2_k": 10, "q3_k": 12, "q4_k": 15, "q5_k": 17, "q6_k": 18, "iq4_nl": 25, "iq4_xs": 30,
          "bf16": 32}


# ---- files of llama.cpp ----

def dequantise(source, target):
    """Writes a GGUF file anew with every tensor in F32."""
    import gguf
    reader = gguf.GGUFReader(str(source))
    writer = gguf.GGUFWriter(str(target), reader.fields["general.architecture"].contents())
    for name, f in reader.fields.items():
        if not name.startswith("GGUF.") and name not in ("general.architecture", "general.file_type"):
            writer.add_key_value(name, f.contents(), f.types[0], sub_type=f.types[1] if len(f.types) > 1 else None)
    writer.add_file_type(0)
    for t in reader.tensors:
        writer.add_tensor(t.name, np.ascontiguousarray(gguf.quants.dequantize(t.data, t.tensor_type), dtype=np.float32))
    writer.write_header_to_file(), writer.write_kv_data_to_file(), writer.write_tensors_to_file(), writer.close()


def other_types(path, name):
    """What a quantised file's matrices are stored as instead of `name`: rows that its blocks do not divide fall back to another type."""
    import gguf
    found = {t.tensor_type.name.lower() for t in gguf.GGUFReader(str(path)).tensors if len(t.shape) > 1}
    return sorted(found - {name})


# ---- one run of llama.cpp, in a process of its own ----

def quiet_llama():
    import llama_cpp
    quiet_llama.callback = llama_cpp.llama_log_callback(lambda level, text, data: None)
    llama_cpp.llama_log_set(quiet_llama.callback, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    return llama_cpp


class Clock:
    """Wall and CPU seconds by what they were spent on."""
    def __init__(self):
        self.at, self.spent = self.now(), {}

    @staticmethod
    def now():
        return np.array([time.monotonic(), time.process_time()])

    def to(self, what):
        now = self.now()
        self.spent[what] = (np.array(self.spent.get(what, [0, 0])) + now - self.at).tolist()
        self.at = now


def worker_quantise(job):
    llama, clock = quiet_llama(), Clock()
    p = llama.llama_model_quantize_default_params()
    p.nthread, p.ftype, p.pure = job["threads"], FTYPES[job["type"]], True
    if llama.llama_model_quantize(job["model"].encode(), job["out"].encode(), p):
        sys.exit(f"llama.cpp does not quantise to {job['type']}")
    clock.to("quantise")
    return {"spent": clock.spent}


def open_llama(llama, job):
    model = llama.llama_model_load_from_file(job["model"].encode(), llama.llama_model_default_params())
    p, n = llama.llama_context_default_params(), job["context"]
    p.n_ctx = p.n_batch = p.n_ubatch = n
    p.n_threads = p.n_threads_batch = job["threads"]
    p.type_k = p.type_v = 0  # GGML_TYPE_F32
    p.flash_attn_type = 0    # off
    return model, llama.llama_init_from_model(model, p)


def read_tokens(llama, model, path, count):
    """The first `count` tokens of the text, as llama-perplexity takes them, and the token that stands first in each chunk (-1: none)."""
    vocab, text = llama.llama_model_get_vocab(model), pathlib.Path(path).read_bytes()[:count * 40]
    ids = (ctypes.c_int32 * (len(text) + 8))()
    n = llama.llama_tokenize(vocab, text, len(text), ids, len(ids), True, False)
    if n < count:
        sys.exit(f"{path}: {n} tokens; expected {count}")
    return np.array(ids[:count]), llama.llama_vocab_bos(vocab) if llama.llama_vocab_get_add_bos(vocab) else -1, llama.llama_vocab_n_tokens(vocab)


def evaluate(llama, context, batch, ids, wanted):
    """Asks for the logits of the positions in `wanted`, a range, and gives how many these are."""
    batch.n_tokens = len(ids)
    for i, token in enumerate(ids):
        batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, i, 1, i in wanted
        batch.seq_id[i][0] = 0
    llama.llama_memory_clear(llama.llama_get_memory(context), True)
    if llama.llama_decode(context, batch):
        sys.exit("llama_decode failed")
    return len(wanted)


def log_softmax(x):
    x = x - x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def compare(logits, base, ids):
    """-log p of ids, KL of base to logits, and whether both have the same first token, of each row: float64 over the whole vocabulary."""
    q, p = log_softmax(logits.astype(np.float64)), log_softmax(base.astype(np.float64))
    return -q[np.arange(len(q)), ids], (np.exp(p) * (p - q)).sum(axis=1), p.argmax(axis=1) == q.argmax(axis=1)


def worker_evaluate(job):
    """The base file has the reference's logits, float32, in the order of positions: read and written by rows, so that it takes no memory."""
    llama, n, before, clock = quiet_llama(), job["context"], pss(os.getpid()), Clock()
    model, context = open_llama(llama, job)
    tokens, bos, width = read_tokens(llama, model, job["text"], job["chunks"] * n)
    batch, first, rows = llama.llama_batch_init(n, 0, 1), n // 2, []
    clock.to("load")
    with open(job["base"], "wb" if job["reference"] else "rb") as file:
        for c in range(job["chunks"]):
            ids = tokens[c * n:(c + 1) * n].tolist()
            count = evaluate(llama, context, batch, [bos] + ids[1:] if bos >= 0 else ids, range(first, n - 1))
            logits = np.ctypeslib.as_array(llama.llama_get_logits(context), shape=(count, width))  # waits for them
            clock.to("evaluate")
            for i in range(0, count, 8):
                some = logits[i:i + 8]
                if job["reference"]:
                    some.tofile(file)
                base = some if job["reference"] else np.fromfile(file, np.float32, some.size).reshape(some.shape)
                rows.append(compare(some, base, ids[first + 1 + i:first + 1 + i + len(some)]))
            clock.to("statistics")
    nll, kld, top = (np.concatenate(part) for part in zip(*rows))
    return {"spent": clock.spent, "python": before, "perplexity": float(np.exp(nll.mean())), "kl_mean": float(kld.mean()), "same_top": 100 * float(top.mean()),
            "positions": len(nll)}


# ---- time and memory of a command ----

def pss(root):
    """Proportional set size of a process and all under it, in bytes."""
    total, todo = 0, [root]
    while todo:
        pid = todo.pop()
        try:
            rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += int(rollup.split("\nPss:")[1].split()[0]) * 1024
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                todo += [int(p) for p in (task / "children").read_text().split()]
        except (OSError, IndexError):
            pass  # it ended meanwhile
    return total


def measure(command):
    """stdout, wall and CPU seconds, peak bytes. CPU: of the command and all children that it waited for."""
    begin, before = time.monotonic(), os.times()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    peak, over = [0], threading.Event()

    def watch():
        while not over.wait(0.1):
            peak[0] = max(peak[0], pss(child.pid))
    watcher = threading.Thread(target=watch)
    watcher.start()
    stdout = child.communicate()[0]
    over.set(), watcher.join()
    after = os.times()
    if child.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit {child.returncode}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return stdout, {"whole": np.array([time.monotonic() - begin, cpu]), "peak": peak[0]}


def call_worker(**job):
    stdout, cost = measure([sys.executable, __file__, "--worker", json.dumps(job)])
    return json.loads(stdout.splitlines()[-1]) | cost


# ---- the two arms ----

def arm_llama(args, work):
    """The numbers of each model by name, and the arm's cost."""
    common = {"text": args.text, "context": args.context, "chunks": args.chunks, "threads": args.threads, "base": str(work / "base.f32")}
    results, parts = {"reference": call_worker(do="evaluate", model=str(work / "f32.gguf"), reference=True, **common)}, []
    for name in args.types:
        out = str(work / f"{name}.gguf")
        parts.append(call_worker(do="quantise", model=str(work / "f32.gguf"), out=out, type=name, threads=args.threads))
        results[name] = call_worker(do="evaluate", model=out, reference=False, **common)
    parts += results.values()
    spent = {what: sum(np.array(p["spent"].get(what, [0, 0])) for p in parts) for what in ("quantise", "load", "evaluate", "statistics")}
    cost = {"whole": sum(p["whole"] for p in parts), "peak": max(p["peak"] for p in parts), "python": max(p.get("python", 0) for p in parts)}
    return results, cost | spent | {"computing": spent["quantise"] + spent["load"] + spent["evaluate"]}


def arm_ours(args, work):
    suite, out = work / "suite.yaml", work / "ours.h5"
    suite.write_text(json.dumps({  # JSON is YAML
        "name": "peers", "models": {"model": {"file": os.path.abspath(args.model)}}, "variants": args.types,
        "experiments": {"kl": {"corpus": {"file": os.path.abspath(args.text), "context": args.context, "chunks": args.chunks}, "score": "half"}}}))
    out.unlink(missing_ok=True)
    _, cost = measure([args.qinsbench, "run", str(suite), "-o", str(out), "-j", "1", "--threads", str(args.threads), "--cache-size", "0", "-q"])
    rows = json.loads(subprocess.run([args.qinsbench, "show", str(out), "--output", "json"], capture_output=True, check=True, text=True).stdout)
    value = {(r["variant"], r["metric"]): r["value"] for r in rows}
    results = {name: {"perplexity": value[name, "perplexity"], "kl_mean": value[name, "kl_mean"], "same_top": value[name, "top1_agreement"]} for name in args.types}
    results["reference"] = {"perplexity": value[args.types[0], "reference_perplexity"], "kl_mean": 0.0, "same_top": 100.0}
    return results, cost | {"computing": cost["whole"], "python": 0}


def decoded(args, work):
    """llama.cpp on the quantised files dequantised to F32."""
    results = {}
    for name in args.types:
        dequantise(work / f"{name}.gguf", work / "decoded.gguf")
        results[name] = call_worker(do="evaluate", model=str(work / "decoded.gguf"), text=args.text, context=args.context, chunks=args.chunks,
                                    threads=args.threads, base=str(work / "base.f32"), reference=False)
    return results


# ---- what is printed ----

def print_numbers(args, work, ours, theirs, plain):
    print(f"{'model':10} {'program':22} {'perplexity':>12} {'mean KL':>12} {'same top %':>11}")
    for name in ["reference", *args.types]:
        arms = [("qinsbench", ours), ("llama.cpp, decoded", plain), ("llama.cpp", theirs)]
        for label, results in arms:
            if name in results:
                r = results[name]
                print(f"{name:10} {label:22} {r['perplexity']:12.6f} {r['kl_mean']:12.6g} {r['same_top']:11.3f}")
        others = other_types(work / f"{name}.gguf", name) if name in args.types else []
        if others:
            print(f"{'':10} llama.cpp stored matrices as {', '.join(others)}: not the same format")


def print_costs(ours, theirs):
    def line(label, unit, of):
        a, b = statistics.median(map(of, ours)), statistics.median(map(of, theirs))
        print(f"{label:34} {a:12.2f} {b:12.2f} {unit:4} {a / b:8.2f}     {' '.join(f'{of(c):.2f}' for c in ours)} | {' '.join(f'{of(c):.2f}' for c in theirs)}")
    print(f"\n{'median of ' + str(len(ours)) + ' runs each':34} {'qinsbench':>12} {'llama.cpp':>12} {'':4} {'ratio':>8}     each run")
    for i, clock in enumerate(("time", "CPU time")):
        for key in ("computing", "whole"):
            line(f"{clock}, {key}", "s", lambda c, i=i, key=key: c[key][i])
    line("peak memory", "MiB", lambda c: c["peak"] / 2**20)
    line("peak memory without Python's", "MiB", lambda c: (c["peak"] - c["python"]) / 2**20)
    print("llama.cpp, CPU time: " + ", ".join(f"{key} {statistics.median(c[key][1] for c in theirs):.2f} s" for key in ("quantise", "load", "evaluate", "statistics")))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model"), parser.add_argument("text")
    parser.add_argument("--types", type=lambda s: s.split(","), default=["q8_0", "q4_0"])
    for name, value in (("context", 512), ("chunks", 8), ("threads", 1), ("rounds", 2)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--qinsbench", default="build/qinsbench")
    args = parser.parse_args()
    if unknown := [t for t in args.types if t not in FTYPES]:
        parser.error(f"unknown types {unknown}; expected of {sorted(FTYPES)}")
    with tempfile.TemporaryDirectory() as folder:
        work, costs, results = pathlib.Path(folder), {"A": [], "B": []}, {}
        dequantise(args.model, work / "f32.gguf")
        load = [os.getloadavg()[0]]
        for _ in range(args.rounds // 2 or 1):
            for arm in "ABBA":
                results[arm], cost = (arm_ours if arm == "A" else arm_llama)(args, work)
                costs[arm].append(cost)
                load.append(os.getloadavg()[0])
        print(f"{args.model}, {args.text}: {args.chunks} chunks of {args.context}, {results['B']['reference']['positions']} positions, {args.threads} threads; "
              f"load {min(load):.1f} to {max(load):.1f} on {os.cpu_count()} cores")
        print_numbers(args, work, results["A"], results["B"], decoded(args, work))
        print_costs(costs["A"], costs["B"])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        todo = json.loads(sys.argv[2])
        print(json.dumps({"quantise": worker_quantise, "evaluate": worker_evaluate}[todo["do"]](todo)))
    else:
        main()
