#!/usr/bin/env python3
"""Small tokenizers of each kind, trained on a part of the KJV text, as tokenizer.json and GGUF under tokenizers/, and tokenizers.json: ids of nasty lines
by the libraries tokenizers (from the .json) and sentencepiece or tokenizers (from the .gguf's vocabulary). Needs those and gguf, numpy, transformers."""
import json
import pathlib
import sys
import tempfile

import sentencepiece as sp
import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "long"))
import compare_tokenizers as real  # noqa: E402
import nasty_text  # noqa: E402

OUT = HERE / "tokenizers"
LINES = nasty_text.lines(60, 7)
EXTRA = ["", " ", "  a  b ", "<s>", "<s> x", "x<s>", "a</s> <s>b", " [x]  y", "[x]", "axb", "a x b", "x", " x", "<w> a <w>", "a<w>b", "e\u0301e\u0301", "\u212b", "\n\n\n", "a\n\nb",
         "12345", "<|begin|>hello", "hello<|begin|> world<|end|>", "①②", "ﬁx", "\u1100\u1161\u11a8", "\u2581a", "don't", "DON'T'S", "<0x41>", "q q\u0307 q\u0307\u0323"]


def corpus():
    return (HERE.parents[1] / "data/corpus/kjv.calibration").read_text()[:60000].split("\n") + nasty_text.lines(150, 8)


def train(size, pre, normalizer=None, alphabet=None, **model):
    t = tokenizers.Tokenizer(models.BPE(**model))
    t.pre_tokenizer = pre
    if normalizer:
        t.normalizer = normalizer
    t.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=size, show_progress=False, initial_alphabet=alphabet or []))
    return t


def bytes_case():
    """Byte-level BPE as llama3's: its pattern, whole pieces first, BOS before a text."""
    t = train(400, real.split(real.LLAMA3), alphabet=pre_tokenizers.ByteLevel.alphabet())
    state = json.loads(t.to_str())
    special = ["<|begin|>", "<|end|>"]
    merges = [tuple(m) for m in state["model"]["merges"]]
    real.byte_level_json(OUT / "bytes.json", state["model"]["vocab"], merges, real.split(real.LLAMA3), special, "<|begin|>", True)
    t = tokenizers.Tokenizer.from_file(str(OUT / "bytes.json"))
    tokens = [t.id_to_token(i) for i in range(t.get_vocab_size())]
    real.write_gguf(OUT / "bytes.gguf", "gpt2", tokens, [3 if s in special else 1 for s in tokens], [" ".join(m) for m in merges], pre="llama-bpe",
                    bos_token_id=t.token_to_id("<|begin|>"), eos_token_id=t.token_to_id("<|end|>"))
    ids = [t.encode(x).ids for x in LINES + EXTRA]
    return {"bytes.json": ids, "bytes.gguf": ids}


def digits_case():
    """GPT-2's pattern behind single digits, a blank before every piece, NFC; merges as texts; tokens with white space beside, and whole words."""
    pre = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=True)])
    t = train(360, pre, normalizers.NFC(), alphabet=pre_tokenizers.ByteLevel.alphabet())
    t.decoder = decoders.ByteLevel()
    t.add_tokens([AddedToken("[x]", lstrip=True, rstrip=True), AddedToken("x", single_word=True), AddedToken("e\u0301e\u0301", normalized=True)])
    t.add_special_tokens([AddedToken("<s>", lstrip=True), AddedToken("</s>", rstrip=True), AddedToken("<w>", single_word=True)])
    t.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B", special_tokens=[("</s>", t.token_to_id("</s>"))])
    state = json.loads(t.to_str())
    state["model"]["merges"] = [" ".join(m) for m in state["model"]["merges"]]
    state["model"].pop("type")
    (OUT / "digits.json").write_text(json.dumps(state, ensure_ascii=False))
    t = tokenizers.Tokenizer.from_file(str(OUT / "digits.json"))
    return {"digits.json": [t.encode(x).ids for x in LINES + EXTRA]}


def splits_case():
    """Characters without bytes, the unknown token for each; Split's behaviours one behind the other; a Metaspace for the first piece alone."""
    pre = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r"\p{N}{3}|\p{Han}"), "merged_with_previous"), pre_tokenizers.Split("a", "merged_with_next"), pre_tokenizers.Split(Regex(r"\s\s"), "removed"),
        pre_tokenizers.Split(Regex("[aeiou]"), "contiguous"), pre_tokenizers.Split(Regex(r"\w+"), "isolated", invert=True),
        pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first")])
    t = train(300, pre, normalizers.Sequence([normalizers.Strip(), normalizers.Replace(Regex(r"[\t\r]+"), " ")]), unk_token="<unk>", fuse_unk=False)
    t.add_special_tokens(["<unk>"])
    state = json.loads(t.to_str())
    state["model"]["vocab"]["<unk>"] = state["added_tokens"][0]["id"]
    (OUT / "splits.json").write_text(json.dumps(state, ensure_ascii=False))
    t = tokenizers.Tokenizer.from_file(str(OUT / "splits.json"))
    return {"splits.json": [t.encode(x).ids for x in LINES + EXTRA]}


def sentencepiece(folder, name, **options):
    path = folder / "corpus.txt"
    path.write_text("\n".join(corpus()))
    sp.SentencePieceTrainer.train(input=str(path), model_prefix=str(folder / name), minloglevel=2, max_sentence_length=100000, num_threads=1, **options)
    return folder / f"{name}.model"


def pieces_case(folder):
    """SentencePiece's BPE as llama's: bytes where no token fits, a blank before a text."""
    model = sentencepiece(folder, "pieces", model_type="bpe", vocab_size=500, byte_fallback=True, split_digits=True, remove_extra_whitespaces=False, normalization_rule_name="identity",
                          character_coverage=0.99, user_defined_symbols=["[x]"], hard_vocab_limit=False)
    original, huggingface = real.spm_case(OUT, "pieces", model, True)
    return {"pieces.json": [huggingface(x) for x in LINES + EXTRA], # a user's symbol has no blank behind it in SentencePiece
            "pieces.gguf": [None if "[x]" in x else huggingface(x) for x in LINES + EXTRA],
            "pieces.gguf plain": [original(x) for x in LINES + EXTRA]}


def unigram_case(folder):
    """SentencePiece's unigram model with a table of replacements of its own."""
    rules = folder / "rules.tsv"
    pairs = [("①", "1"), ("②", "2"), ("ﬁ", "fi"), ("\u212b", "Å"), ("e\u0301", "é"), ("\t", " "), ("\u00a0", " "), ("\u3000", " "), ("…", "..."), ("q", "k"), ("q\u0307", "K")]
    rules.write_text("".join(" ".join(f"{ord(c):X}" for c in a) + "\t" + " ".join(f"{ord(c):X}" for c in b) + "\n" for a, b in pairs))
    model = sentencepiece(folder, "unigram", model_type="unigram", vocab_size=400, character_coverage=0.99, normalization_rule_tsv=str(rules), pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    processor, huggingface = real.unigram_case(OUT, model)
    return {"unigram.json": [huggingface(x) for x in LINES + EXTRA], "unigram.gguf plain": [processor(x) for x in LINES + EXTRA]}


def main():
    OUT.mkdir(exist_ok=True)
    cases = {**bytes_case(), **digits_case(), **splits_case()}
    with tempfile.TemporaryDirectory() as folder:
        cases.update({**pieces_case(pathlib.Path(folder)), **unigram_case(pathlib.Path(folder))})
    origin = f"tests/golden/make_tokenizers.py, tokenizers {tokenizers.__version__}, sentencepiece {sp.__version__}"
    text = json.dumps({"origin": origin, "texts": LINES + EXTRA, "ids": cases}, separators=(",", ":"))
    (HERE / "tokenizers.json").write_text(text.replace('],"', '],\n"') + "\n")


if __name__ == "__main__":
    main()
