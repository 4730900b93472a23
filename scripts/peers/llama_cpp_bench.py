"""llama.cpp (pip's llama-cpp-python) as an arm of `qinsbench bench model --peer`: keeps one GGUF model ready and is asked for one pass at a time.

usage: llama_cpp_bench.py FILE.gguf THREADS      (bench starts it; docs/speed.md has the lines that they exchange)

Requests come as lines on stdin, answers go as lines of JSON to what was stdout. One line of facts comes first, unasked."""
import ctypes
import json
import os
import sys
import time

WARM = 16  # tokens of the untimed pass before a timed prefill, as our own arms have it


def resident(field):
    """Bytes that /proc tells of this process: VmRSS now, VmHWM at most."""
    for line in open("/proc/self/status"):
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return 0


class Failed(Exception):
    pass


def open_llama():
    try:
        import llama_cpp
    except ImportError as error:
        raise Failed(f"the Python package llama-cpp-python is missing or broken in {sys.executable} ({error}); "
                     "pip install llama-cpp-python, or name a Python that has it with --peer-python")
    open_llama.log = llama_cpp.llama_log_callback(lambda level, text, data: os.write(2, text) if level == 4 else None)  # errors alone
    llama_cpp.llama_log_set(open_llama.log, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    return llama_cpp


class Peer:
    def __init__(self, path, threads):
        self.llama, self.threads, self.context, self.batches = open_llama(), threads, None, []
        self.before = resident("VmRSS")
        self.model = self.llama.llama_model_load_from_file(path.encode(), self.llama.llama_model_default_params())
        if not self.model:
            raise Failed(f"llama.cpp cannot load {path}")
        self.vocab = self.llama.llama_vocab_n_tokens(self.llama.llama_model_get_vocab(self.model))
        self.params = self.llama.llama_context_default_params()
        self.params.n_threads = self.params.n_threads_batch = threads

    def facts(self):
        llama, p, text = self.llama, self.params, ctypes.create_string_buffer(256)
        llama.llama_model_desc(self.model, text, len(text))
        value = {0: ("f32", 4), 1: ("f16", 2)}  # GGML_TYPE_F32, GGML_TYPE_F16
        return {"program": "llama.cpp", "build": f"llama-cpp-python {llama.__version__}; {llama.llama_print_system_info().decode().strip(' |')}",
                "model_type": text.value.decode(errors="replace"), "model_size": llama.llama_model_size(self.model), "model_n_params": llama.llama_model_n_params(self.model),
                "n_threads": p.n_threads, "n_batch": p.n_batch, "n_ubatch": p.n_ubatch, "type_k": value[p.type_k][0], "type_v": value[p.type_v][0],
                "kv_value_bytes": value[p.type_k][1], "rss_before_bytes": self.before}

    def open(self, sequences, positions):
        """A new cache of so many sequences, each with room for so many positions."""
        llama = self.llama
        self.close()
        p = self.params
        p.n_seq_max, p.n_ctx = sequences, sequences * (positions + 255 & ~255)
        self.context = llama.llama_init_from_model(self.model, p)
        if not self.context:
            raise Failed(f"llama.cpp makes no context of {sequences} x {positions} positions")
        self.sequences, self.length = sequences, 0
        return {}

    def close(self):
        self.drop()
        if self.context:
            self.llama.llama_free(self.context)
        self.context = None

    def drop(self):
        for batch in self.batches:
            self.llama.llama_batch_free(batch)
        self.batches = []

    def batch(self, first, count, last):
        """Positions [first, first + count) of each sequence; logits of each sequence's last one if `last`."""
        rows = self.llama.llama_batch_init(count * self.sequences, 0, 1)
        rows.n_tokens = count * self.sequences
        for s in range(self.sequences):
            for i in range(count):
                at, position = s * count + i, first + i
                rows.token[at] = (position * 7919 + s * 104729 + 13) % self.vocab
                rows.pos[at], rows.n_seq_id[at], rows.seq_id[at][0] = position, 1, s
                rows.logits[at] = last and i == count - 1
        return rows

    def make(self, count, each):
        """The batches that take the sequences `count` positions further, at most `each` of them at once; 0: as many as llama.cpp takes."""
        self.drop()
        each, end = each or max(1, self.params.n_batch // self.sequences), self.length + count
        self.batches = [self.batch(at, min(each, end - at), each == 1 or at + each >= end) for at in range(self.length, end, each)]

    def feed(self):
        for rows in self.batches:
            if self.llama.llama_decode(self.context, rows):
                raise Failed("llama_decode failed")
            self.llama.llama_synchronize(self.context)
            self.length += rows.n_tokens // self.sequences

    def fill(self, depth):
        """Exactly `depth` positions in each sequence."""
        if self.length > depth:
            memory = self.llama.llama_get_memory(self.context)
            for s in range(self.sequences):
                if not self.llama.llama_memory_seq_rm(memory, s, depth, -1):
                    raise Failed("llama.cpp does not forget the last positions of this model")
            self.length = depth
        if self.length < depth:
            self.make(depth - self.length, 0)
            self.feed()

    def prepare(self, kind, tokens, depth):
        """Fills the cache to the depth and runs the untimed pass; the batches of the timed one are ready before the clock starts."""
        self.fill(depth)
        each = 0 if kind == "prefill" else 1
        self.make(min(tokens, WARM) if kind == "prefill" else 1, each)
        self.feed()
        self.fill(depth)
        self.make(tokens, each)
        return {}

    def time(self):
        start = time.perf_counter()
        self.feed()
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "peak_rss_bytes": resident("VmHWM")}

    def answer(self, words):
        what, *rest = words
        if what == "open":
            return self.open(*map(int, rest))
        if what == "prepare":
            return self.prepare(rest[0], int(rest[1]), int(rest[2]))
        if what == "time":
            return self.time()
        raise Failed(f"unknown request {' '.join(words)}")


def main():
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer

    def say(answer):
        print(json.dumps(answer), file=out, flush=True)
    try:
        peer = Peer(sys.argv[1], int(sys.argv[2]))
        say(peer.facts())
        while line := sys.stdin.readline():
            say(peer.answer(line.split()))
    except Failed as error:
        say({"error": str(error)})
        sys.exit(1)


if __name__ == "__main__":
    main()
