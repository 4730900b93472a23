#!/usr/bin/env python3
"""Train the byte-level BPE tokenizer of the King James models: exactly 5000 tokens, no special tokens.

    train_tokenizer.py TRAINING_TEXT [--tokens DIR PART...]

Reads kjv.train (data/corpus/make_corpus.py --training), writes kjv.tokenizer.json beside this script. With --tokens it also writes
DIR/<name>.npy (uint16) for each PART file, the arrays that train.py reads.
"""
import argparse
import hashlib
import pathlib

import numpy
import tokenizers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

VOCAB = 5000
HERE = pathlib.Path(__file__).resolve().parent


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("training_text", type=pathlib.Path)
    arguments.add_argument("--tokens", nargs="+", type=pathlib.Path, default=[], metavar="DIR PART")
    options = arguments.parse_args()

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=VOCAB, special_tokens=[], show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    text = options.training_text.read_text(encoding="utf-8")
    tokenizer.train_from_iterator([text], trainer)
    if tokenizer.get_vocab_size() != VOCAB:
        raise SystemExit(f"train_tokenizer: {tokenizer.get_vocab_size()} tokens, expected {VOCAB}")
    path = HERE / "kjv.tokenizer.json"
    tokenizer.save(str(path), pretty=False)
    print(f"tokenizers {tokenizers.__version__}: {path.name} sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}")

    for part in options.tokens[1:]:
        text = part.read_text(encoding="utf-8")
        ids = tokenizer.encode(text).ids
        if tokenizer.decode(ids) != text:
            raise SystemExit(f"train_tokenizer: {part.name} does not survive a round trip")
        numpy.save(options.tokens[0] / f"{part.name}.npy", numpy.array(ids, dtype=numpy.uint16))
        print(f"{part.name}: {len(text)} characters, {len(ids)} tokens, {len(set(ids))} distinct")


if __name__ == "__main__":
    main()
