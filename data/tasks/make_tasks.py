#!/usr/bin/env python3
"""Make the tasks of multiple choice from the held-out texts of data/corpus: which words go on from here?

    make_tasks.py

Writes, beside this script, JSON lines {"question", "choices", "answer", "subject"}:
    kjv.jsonl   from kjv.heldout; a subject is a chapter
    tiny.jsonl  from tiny.heldout, novels and documentation; a subject is one of 40 stretches of the text

An item is taken from a verse or paragraph of 28 words or more: up to 20 words are the question, the 8 words behind them the right
choice. The cut is behind 60% of the verse; a paragraph gives an item every 40 words. The three wrong choices are the right ones of other
items of the same subject. Which these are, and the order of the four, is by sha256, and so is which items are kept where there are more
than 600: no random generator is involved.
"""
import hashlib
import json
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
SEED, LEAST, BEFORE, BEHIND, STEP, MOST, STRETCHES = "qinsbench-tasks-1", 28, 20, 8, 40, 600, 40


def order(*words):
    return hashlib.sha256("\0".join((SEED,) + words).encode()).digest()


def cut(words, at):
    return " ".join(words[max(0, at - BEFORE):at]), " ".join(words[at:at + BEHIND])


def kjv(text):
    """[(subject, question, right choice)]"""
    items = []
    for number, chapter in enumerate(text.strip().split("\n\n"), 1):
        for verse in chapter.split("\n"):
            words = verse.split()
            if len(words) >= LEAST:
                items.append((f"chapter_{number:02}", *cut(words, min(len(words) * 6 // 10, len(words) - BEHIND))))
    return items


def tiny(text):
    items = []
    for paragraph in re.finditer(r"(?:[^\n]+\n)+", text):
        words = paragraph[0].split()
        if re.match(r"[-*.>| ]", paragraph[0]) or re.search(r"\n {4}|::$", paragraph[0]):
            continue  # lists, code and tables
        subject = f"stretch_{1 + paragraph.start() * STRETCHES // len(text):02}"
        items += [(subject, *cut(words, at)) for at in range(BEFORE, len(words) - BEHIND + 1, STEP) if len(words) >= LEAST]
    return items


def items_of(found):
    """The items with four choices, in the order of the text."""
    kept = sorted(sorted(range(len(found)), key=lambda i: order("item", *found[i]))[:MOST])
    for subject, question, right in (found[i] for i in kept):
        others = {r for s, _, r in found if s == subject and r != right}
        wrong = sorted(others, key=lambda r: order("wrong", question, r))[:3]
        if len(wrong) == 3:
            choices = sorted([right, *wrong], key=lambda c: order("place", question, c))
            yield {"question": question, "choices": choices, "answer": choices.index(right), "subject": subject}


def main():
    for name, function in (("kjv", kjv), ("tiny", tiny)):
        items = list(items_of(function((HERE.parent / f"corpus/{name}.heldout").read_text("utf-8"))))
        data = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items).encode()
        (HERE / f"{name}.jsonl").write_bytes(data)
        print(f"{name}.jsonl: {len(items)} items, {len({i['subject'] for i in items})} subjects, {len(data)} bytes, "
              f"sha256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
