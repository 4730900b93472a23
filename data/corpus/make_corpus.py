#!/usr/bin/env python3
"""Make the King James corpus from Debian's bible-kjv (needs: apt-get install bible-kjv bible-kjv-text).

    make_corpus.py [--training DIR]

Always writes, beside this script, the two committed files:
    kjv.heldout       whole chapters that no training, tokenizer or calibration step ever sees
    kjv.calibration   about 60 KB of whole chapters of the training part
With --training DIR it also writes there the parts that are not committed:
    kjv.train         every chapter in neither kjv.heldout nor kjv.validation (so it contains kjv.calibration)
    kjv.validation    a third split, for early stopping and the choice of hyperparameters

Form of the text: one verse a line, references ("Ge1:1") removed, one blank line between chapters, ASCII, "\n" line ends.
References are removed because they would be a tenth of the tokens and trivial to predict; the blank line keeps the one
structure they carried that helps a language model, where a chapter starts.

The split is by hash, so it depends on no library's random generator: the 1189 chapters in order of the text are cut into blocks of 32,
and in each block the chapters are ranked by sha256("qinsbench-kjv-1:" + chapter), e.g. "qinsbench-kjv-1:Ge1". Ranks 0 and 1 are held
out, rank 2 is validation, the rest is training. Rank 3 of every second block is calibration, until 60,000 bytes are reached.
"""
import argparse
import hashlib
import pathlib
import re
import subprocess

BLOCK = 32
SEED = "qinsbench-kjv-1"
CALIBRATION_BYTES = 60_000
HERE = pathlib.Path(__file__).resolve().parent


def chapters():
    """Ordered {chapter: [verse, ...]}, e.g. {"Ge1": ["In the beginning ...", ...]}."""
    out = subprocess.run(["bible", "-f", "ge1:1-re22:21"], check=True, capture_output=True, text=True, encoding="ascii").stdout
    result = {}
    for line in out.splitlines():
        reference, text = line.split(" ", 1)
        chapter = reference.rsplit(":", 1)[0]
        result.setdefault(chapter, []).append(re.sub(" +", " ", text).strip())
    verses = sum(len(v) for v in result.values())
    if (len(result), verses) != (1189, 31102):
        raise SystemExit(f"make_corpus: expected 1189 chapters and 31102 verses, got {len(result)} and {verses}: another edition of the text?")
    return result


def split(names):
    """[(chapter, part)] with part one of heldout, validation, calibration, train; calibration is a marked part of train."""
    parts = {}
    for number, start in enumerate(range(0, len(names), BLOCK)):
        block = names[start:start + BLOCK]
        ranked = sorted(block, key=lambda c: hashlib.sha256(f"{SEED}:{c}".encode()).digest())
        for rank, chapter in enumerate(ranked):
            if rank < 2:
                parts[chapter] = "heldout"
            elif rank == 2:
                parts[chapter] = "validation"
            elif rank == 3 and number % 2 == 0:
                parts[chapter] = "calibration"
            else:
                parts[chapter] = "train"
    return parts


def text_of(chosen, book):
    return "\n".join("".join(verse + "\n" for verse in book[c]) for c in chosen)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--training", type=pathlib.Path, help="folder for the parts that are not committed")
    options = arguments.parse_args()

    book = chapters()
    names = list(book)
    parts = split(names)
    calibration, size = [], 0
    for chapter in names:
        if parts[chapter] == "calibration" and size < CALIBRATION_BYTES:
            calibration.append(chapter)
            size += len(text_of([chapter], book)) + 1

    files = {
        HERE / "kjv.heldout": [c for c in names if parts[c] == "heldout"],
        HERE / "kjv.calibration": calibration,
    }
    if options.training:
        options.training.mkdir(parents=True, exist_ok=True)
        files[options.training / "kjv.validation"] = [c for c in names if parts[c] == "validation"]
        files[options.training / "kjv.train"] = [c for c in names if parts[c] in ("train", "calibration")]
    for path, chosen in files.items():
        data = text_of(chosen, book).encode("ascii")
        path.write_bytes(data)
        print(f"{path.name}: {len(chosen)} chapters, {sum(len(book[c]) for c in chosen)} verses, {len(data)} bytes, "
              f"sha256 {hashlib.sha256(data).hexdigest()}")
        if path.parent == HERE:
            print("  " + " ".join(chosen))


if __name__ == "__main__":
    main()
