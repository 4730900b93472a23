"""Text that tokenizers stumble over: 2,000 lines, the same for a seed everywhere (random.Random's sequence is fixed)."""
import random

WORDS = ("the of and to in that it is was he for on as with his they be at one have this from or had by word but what some we can "
         "out other were all there when up use your how said an each she don't can't I'm you've we'll he'd they're it's DON'T I'LL "
         "'tis Moses's o'er naïve café Ångström œuvre straße ſunt Kelvin Ωμέγα λόγος Привет мир שלום עולם مرحبا العالم नमस्ते दुनिया สวัสดีชาวโลก "
         "太初有道 你好，世界 こんにちは世界 カタカナ 안녕하세요 세계 ᄒ ﷺ ﬁn ﬂ ª º Ⅷ ½ ² ① ㎏ ㍿ ｆｕｌｌ ＷＩＤＥ").split()
MARKS = ["e\u0301", "a\u0308\u0323", "n\u0303", "o\u031b\u0309", "\u0301", "q\u0307\u0323", "\u0915\u093c", "\u1100\u1161\u11a8",
         "A\u030a", "\u212b", "\u0344", "\u0958", "\ufb1d", "Z\u0351\u036b\u0343"]
EMOJI = ["🙂", "👩‍👩‍👧", "👍🏽", "🇩🇪", "🇩", "❤️", "☃", "🏴\U000e0067\U000e0062\U000e007f", "👨🏿‍🦰", "1️⃣", "\U0001fae0", "🀄︎"]
BLANKS = [" ", "  ", "   ", "    ", "       ", "\t", "\t\t", " \t ", "\u00a0", "\u00a0\u00a0", "\u2003", "\u2009 ", "\u3000", "\u200b", "\u202f",
          "\u1680", "\u180e", "\u2028", "\u2029", "\u0085", "\u205f", "\ufeff", "\r", " \r", "\x0b", "\x0c"]
CONTROLS = ["\x01", "\x02\x03", "\x07", "\x08", "\x1b[0m", "\x1f", "\x7f", "\x80", "\x9f", "\u00ad", "\u200d", "\u200e", "\u202e", "\ufffd", "\ufffe",
            "\U0010ffff", "\ue000", "\U000e0001", "\u2060"]
NUMBERS = ["0", "7", "12", "123", "1234", "12345", "1234567890", "3.14159", "-2e10", "1,000,000", "0xFF", "٣٤٥", "१२३", "１２３", "²³", "½¾", "ⅧⅨ",
           "1st", "2nd", "50%", "$9.99", "€5", "12:34:56", "2026-11-27"]
SIGNS = ["!", "?", "...", "—", "–", "…", "“q”", "‘q’", "(x)", "[y]", "{z}", "<a>", "</a>", "&amp;", "@me", "#tag", "a_b", "snake_case_name", "camelCase",
         "HTTPServer", "C++", "a.b.c", "x=y;", "//c", "/* c */", "\\n", "`code`", "~/p", "|", "^", "***", "---", "===", "!!!???", "'", "''", "'s", "'S",
         "’s", "'ll've", "\u2581", "\u2581\u2581a", "a\u2581b", "Ġ", "Ċ", "<0x0A>", "<0xE2>", "<0xZZ>"]
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|im_start|>user", "<s>", "</s>", "<unk>", "<pad>", "<bos>", "<eos>", "<start_of_turn>",
           "<end_of_turn>model", "<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>user<|end_header_id|>", "[INST]", "[/INST]", "<<SYS>>", "<|user|>",
           "<|end|>", "<|assistant|>", "< s>", "<|im_", "im_end|>", "<s", "s>", "<|endoftext|><|endoftext|>", "<mask>", "<repo_name>", "<|fim_prefix|>"]
KINDS = [(WORDS, 12), (MARKS, 2), (EMOJI, 2), (NUMBERS, 3), (SIGNS, 4), (SPECIAL, 2), (CONTROLS, 1)]


def line(rng):
    kinds = [k for k, _ in KINDS]
    weights = [w for _, w in KINDS]
    parts = []
    for _ in range(rng.choice([0, 1, 1, 2, 3, 5, 8, 13, 21])):
        parts.append(rng.choice(rng.choices(kinds, weights)[0]))
        if rng.random() < 0.75:
            parts.append(" " if rng.random() < 0.7 else rng.choice(BLANKS))
    if rng.random() < 0.1:
        parts.insert(0, rng.choice(BLANKS) * rng.randint(1, 5))
    if rng.random() < 0.02:  # any character at all
        parts.append("".join(chr(c) for c in (rng.randrange(0x20, 0x110000) for _ in range(8)) if not 0xD800 <= c < 0xE000))
    if rng.random() < 0.03:
        parts.append(rng.choice(["a", "ab", "=", " ", "-", "é", "字", "!?"]) * rng.randint(20, 300))
    return "".join(parts).replace("\n", " ")


def lines(count=2000, seed=20261127):
    rng = random.Random(seed)
    return [line(rng) for _ in range(count)]
