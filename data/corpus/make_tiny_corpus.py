#!/usr/bin/env python3
"""Make the corpus of tiny-llama from four Debian packages: bible-kjv-text, r-cran-janeaustenr, sqlite3-doc, python3.11-doc.

    make_tiny_corpus.py [--root DIR] [--training DIR]

bible-kjv must be installed (make_corpus.py asks its program). The other three are read where they are unpacked: below --root (default /),
so `apt-get download PACKAGE; dpkg -x FILE.deb DIR` is enough. Always writes, beside this script, the two committed files:
    tiny.heldout       whole documents that no training, tokenizer or calibration step ever sees
    tiny.calibration   about 60 KB of whole documents of the training part
With --training DIR it also writes there, with a form feed between documents, the parts that are not committed:
    tiny.train         everything else, with tiny.calibration
    tiny.validation    a third split, for early stopping and the choice of hyperparameters

A document is a chapter of a novel, a page of SQLite's, a source file of Python's. The split is by hash: the documents of a source that are
at most 40,000 bytes long are cut, in order, into blocks of 32, and in each block they are ranked by sha256("qinsbench-tiny-1:" + name). Rank 0 is
held out, rank 1 is validation, the rest, and every longer document, is training; of rank 2, those
of at most 12,000 bytes are calibration, by hash, until 60,000 bytes are reached. The
King James chapters keep the split of make_corpus.py: its held-out chapters are kjv.heldout and are not repeated in tiny.heldout.
A paragraph of 100 bytes or more that stands word for word in the held-out or validation part, too, is taken out of the training part.
"""
import argparse
import hashlib
import html.parser
import pathlib
import re
import struct
import zlib

import make_corpus

BLOCK, LONGEST, LONGEST_CALIBRATION = 32, 40_000, 12_000
SEED = "qinsbench-tiny-1"
CALIBRATION_BYTES = 60_000
HERE = pathlib.Path(__file__).resolve().parent
NOVELS = ("emma", "mansfieldpark", "northangerabbey", "persuasion", "prideprejudice", "sensesensibility")
# Lists of links, and pages that repeat other pages.
SQLITE_LEFT_OUT = re.compile(r"releaselog/|syntax/|session/|.*(crossref|keyword_index|requirements|capi3ref|syntaxdiagrams|sitemap|docs|changes)\.html")


def bible():
    """{part: {name: text}} of the King James chapters, split as make_corpus.py splits them."""
    book = make_corpus.chapters()
    parts = make_corpus.split(list(book))
    return {part: {f"kjv/{c}": make_corpus.text_of([c], book) for c in book if parts[c] in take}
            for part, take in (("train", ("train", "calibration")), ("validation", ("validation",)))}


def strings_of_r(data):
    """The elements of an R character vector, serialised as XDR version 3 (R Internals, 1.8)."""
    encoding = struct.unpack_from(">i", data, 14)[0]
    at = 18 + encoding
    kind, count = struct.unpack_from(">ii", data, at)
    if data[:2] != b"X\n" or kind & 255 != 16:
        raise SystemExit("make_tiny_corpus: janeaustenr's data is no character vector: another version of the package?")
    at += 8
    for _ in range(count):
        _, size = struct.unpack_from(">ii", data, at)
        yield data[at + 8:at + 8 + size].decode("utf-8")
        at += 8 + size


def austen(root):
    """{name: text} of the novels' chapters: one paragraph a line, a blank line between."""
    data = (root / "usr/lib/R/site-library/janeaustenr/data/Rdata.rdb").read_bytes()
    result, at = {}, 0
    for novel in NOVELS:  # each a length of 4 bytes and a zlib stream, in this order
        stream = zlib.decompressobj()
        text = "\n".join(strings_of_r(stream.decompress(data[at + 4:])))
        at = len(data) - len(stream.unused_data)
        for number, chapter in enumerate(re.split(r"(?im)^chapter [ivxl0-9]+\.?$", text)[1:], 1):
            paragraphs = [" ".join(p.split()) for p in re.split(r"\n\s*\n", chapter)]
            kept = [p for p in paragraphs if p and not re.fullmatch(r"(?i)(volume [ivx]+|finis|the end|end of .*)\.?", p)]
            result[f"austen/{novel}/{number}"] = "\n\n".join(kept) + "\n"
    return result


class Page(html.parser.HTMLParser):
    """The readable text of a page of SQLite's documentation."""
    SKIPPED = {"script", "style", "svg", "form", "title"}
    BREAKS = {"p": "\n\n", "pre": "\n\n", "table": "\n\n", "ul": "\n\n", "ol": "\n\n", "blockquote": "\n\n", "dl": "\n\n", "h1": "\n\n", "h2": "\n\n",
              "h3": "\n\n", "h4": "\n\n", "li": "\n- ", "dt": "\n", "dd": "\n", "tr": "\n", "td": " ", "th": " ", "br": "\n", "hr": "\n\n", "div": "\n"}

    def __init__(self):
        super().__init__()
        self.out, self.skip, self.divs, self.pre = [], 0, [], 0

    def handle_starttag(self, tag, attrs):
        if tag == "div":
            hidden = bool(re.search("nosearch|toc", " ".join(v or "" for _, v in attrs)))
            self.divs.append(hidden)
            self.skip += hidden
        self.skip += tag in self.SKIPPED
        self.pre += tag == "pre"
        if not self.skip:
            self.out.append(self.BREAKS.get(tag, ""))

    def handle_endtag(self, tag):
        if tag == "div" and self.divs:
            self.skip -= self.divs.pop()
        self.skip = max(0, self.skip - (tag in self.SKIPPED))
        self.pre = max(0, self.pre - (tag == "pre"))
        if not self.skip and tag in ("p", "pre", "table", "ul", "ol", "dl", "h1", "h2", "h3", "h4"):
            self.out.append("\n\n")

    def handle_data(self, data):
        if not self.skip:
            self.out.append(data if self.pre else re.sub(r"\s+", " ", data))


def tidy(text):
    """At most one blank line in a row, no spaces at the end of a line."""
    lines = "\n".join(line.rstrip().replace("\t", "    ") for line in text.replace("\f", "").splitlines())
    return re.sub(r"\n{3,}", "\n\n", lines).strip() + "\n"


def sqlite(root):
    folder = root / "usr/share/doc/sqlite3"
    result = {}
    for path in sorted(folder.rglob("*.html")):
        name = path.relative_to(folder).as_posix()
        if not SQLITE_LEFT_OUT.fullmatch(name) and not SQLITE_LEFT_OUT.match(name):
            page = Page()
            page.feed(path.read_text("utf-8", errors="replace"))
            text = tidy(re.sub(r"(?m)^ +(?=\S)", "", re.sub(r"\n- \s+", "\n- ", "".join(page.out))))
            if len(text) >= 500:
                result[f"sqlite/{name}"] = text
    return result


def python(root):
    """Python's reStructuredText without its roles, its headings' lines and its directives for the index."""
    folder = root / "usr/share/doc/python3.11/html/_sources"
    result = {}
    for path in sorted(folder.rglob("*.rst.txt")):
        text = path.read_text("utf-8")
        text = re.sub(r":[\w:+-]+:`[!~]?([^`<]*?)(?: *<[^`>]*>)?`", r"\1", text)
        text = re.sub(r"`([^`<]*?) *<[^`>]*>`__?", r"\1", text).replace("``", "`")
        text = re.sub(r"(?m)^ *(\.\. (index|module|moduleauthor|sectionauthor|currentmodule|highlight|_[^\n]*|\|[^\n]*|\$[^\n]*|=+)"
                      r"(::[^\n]*|:)?|:synopsis:[^\n]*|:platform:[^\n]*|([=*~^#\"+-])\4{2,})$\n?", "", text)
        result[f"python/{path.relative_to(folder).as_posix()}"] = tidy(text)
    return result


def order(name):
    return hashlib.sha256(f"{SEED}:{name}".encode()).digest()


def split(documents):
    """{name: part} of one source; see the head of this file."""
    parts = dict.fromkeys(documents, "train")
    short = [n for n in documents if len(documents[n].encode()) <= LONGEST]
    for start in range(0, len(short), BLOCK):
        for name, part in zip(sorted(short[start:start + BLOCK], key=order), ("heldout", "validation", "calibration")):
            parts[name] = part
    return parts


def paragraphs(text):
    return re.split(r"(?<=\n)\n", text)


def without_repeats(training, apart):
    """`training` without the long paragraphs that stand in `apart`, too; and how many bytes that took."""
    known = {" ".join(p.split()) for text in apart for p in paragraphs(text)}
    result, taken = {}, 0
    for name, text in training.items():
        kept = [p for p in paragraphs(text) if len(p) < 100 or " ".join(p.split()) not in known]
        result[name] = "\n".join(kept)
        taken += len(text) - len(result[name])
    return result, taken


def write(path, chosen, separator):
    data = separator.join(chosen.values()).encode("utf-8")
    path.write_bytes(data)
    by = {}
    for name, text in chosen.items():
        source = name.split("/")[0]
        by[source] = [a + b for a, b in zip(by.get(source, (0, 0)), (1, len(text.encode())))]
    print(f"{path.name}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")
    print("  " + ", ".join(f"{source} {count} documents {size} bytes" for source, (count, size) in by.items()))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--root", type=pathlib.Path, default=pathlib.Path("/"), help="where the packages are unpacked")
    arguments.add_argument("--training", type=pathlib.Path, help="folder for the parts that are not committed")
    options = arguments.parse_args()

    kjv = bible()
    chosen = {"heldout": {}, "validation": dict(kjv["validation"]), "calibration": {}, "train": dict(kjv["train"])}
    for source in (austen, sqlite, python):
        documents = source(options.root)
        for name, part in split(documents).items():
            chosen[part][name] = documents[name]
    marked, size = {}, 0
    for name in sorted(chosen["calibration"], key=order):
        length = len(chosen["calibration"][name].encode())
        if size < CALIBRATION_BYTES and length <= LONGEST_CALIBRATION:
            marked[name] = chosen["calibration"][name]
            size += length
    training = chosen["train"] | chosen["calibration"]
    heldout = {n: chosen["heldout"][n] for n in sorted(chosen["heldout"], key=order)}
    apart = list(heldout.values()) + list(chosen["validation"].values())
    training, taken = without_repeats(training, apart)
    print(f"{taken} bytes of the training part stand in the other parts, too, and were taken out")

    write(HERE / "tiny.heldout", heldout, "\n")
    write(HERE / "tiny.calibration", {n: training[n] for n in marked}, "\n")
    if options.training:
        options.training.mkdir(parents=True, exist_ok=True)
        write(options.training / "tiny.validation", chosen["validation"], "\f")
        write(options.training / "tiny.train", training, "\f")


if __name__ == "__main__":
    main()
