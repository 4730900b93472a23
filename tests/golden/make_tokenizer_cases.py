#!/usr/bin/env python3
"""Texts -> token ids by Hugging Face tokenizers from data/models/kjv.tokenizer.json. Writes tokenizer_cases.json."""
import json
import pathlib

import tokenizers

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
HAND = [
    "", " ", "  ", "   ", "\n", "\n\n", "\n \n", " \n", "\t", "\r\n", "a", " a", "a ", "a  b", "a   b", "a\n\nb", "a \n b", "a\tb",
    "In the beginning God created the heaven and the earth.", " In the beginning", "in  the   beginning",
    "don't can't I'm you've we'll he'd they're it's", "DON'T I'M'LL", "'tis 'twas ''", "thou'rt o'er", "Moses's",
    "1611", "1 2 33 444 55555", "3.14, -2e10", "abc123def 4x", "!?;:,.()-[]{}<>@#$%^&*_+=|\\/~`\"'", "... --- !!!", "hello,world", "(selah)",
    "café — naïve", "Ωμέγα", "בראשית ברא אלהים", "太初有道", "🙂 emoji 👩‍👩‍👧", "é", "a\u00a0b", "a\u3000b\u2003c", "x² ½ Ⅷ ٣", "line\u2028separator",
    "ﬁ ǅ ª", "zero\u0000byte", "tab\t\t two", "trailing spaces   ", "   leading", "Nebuchadnezzar king of Babylon",
]


def main():
    tokenizer = tokenizers.Tokenizer.from_file(str(ROOT / "data/models/kjv.tokenizer.json"))
    lines = (ROOT / "data/corpus/kjv.heldout").read_text().split("\n")
    texts = HAND + [lines[i] for i in range(3, len(lines), len(lines) // 8) if lines[i]] + ["\n".join(lines[28:33]) + "\n"]
    cases = [{"text": t, "ids": tokenizer.encode(t).ids} for t in texts]
    assert all(tokenizer.decode(c["ids"]) == c["text"] for c in cases)
    heldout = tokenizer.encode("\n".join(lines)).ids
    text = json.dumps({
        "origin": f"tests/golden/make_tokenizer_cases.py, tokenizers {tokenizers.__version__}",
        "heldout": {"tokens": len(heldout), "first": heldout[:64], "last": heldout[-16:],
                    "sum_of_id_times_position_mod_2^32": sum(i * n for n, i in enumerate(heldout, 1)) % 2**32},
        "cases": cases})
    (HERE / "tokenizer_cases.json").write_text(text.replace('{"text"', '\n{"text"') + "\n")


if __name__ == "__main__":
    main()
