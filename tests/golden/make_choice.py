#!/usr/bin/env python3
"""Log-likelihoods of multiple choice by a second implementation, in float64 (torch, transformers, tokenizers). Writes choice.json.

The rules are those of lm-evaluation-harness 0.4.13 (lm_eval/api/model.py, api/task.py): blanks at the end of the context go to the
continuation; context + continuation is encoded as one text, and the continuation's tokens are those behind as many as the context alone has;
the model reads the last tokens that fit; acc is argmax of the sums, acc_norm of sums / characters, acc_bytes of sums / bytes. Every shipped
item is scored: "right" counts hold for all of them; the sums of every 25th item are kept.

"mmlu" is the CSV form: questions of this file, two examples before each, letters scored.
"""
import json
import pathlib

import numpy as np
import tokenizers
import torch
import transformers

import source_protocol as sp

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE.parents[1] / "data"
TASKS, KEPT = ("kjv", "tiny"), 25

# What test_choice.c writes into a CSV file: (subject, question, choices, answer).
DEV = [("old_law", "Who led the people out of Egypt?", ["Moses", "Joshua", "Aaron", "Caleb"], 0),
       ("old_law", " Who built the ark? ", ["Cain", "Noah", "Lot", "Abram"], 1),
       ("sqlite", "What ends a statement?", ["a comma", "a colon", "a semicolon", "a dot"], 2),
       ("sqlite", "What does \"NULL\" stand for?", ["zero", "nothing", "an empty text", "an error"], 1)]
TEST = [("sqlite", "What makes a table?", ["CREATE TABLE", "MAKE TABLE", "NEW TABLE", "TABLE"], 0),
        ("old_law", "Who was the father of Isaac?", ["Abraham", "Jacob", "Esau", "Laban"], 0),
        ("sqlite", "Which one, of these,\nis a type?", ["INTEGER", "WORD", "LONG, LONG", "CHAR*"], 0),
        ("old_law", "Who was Jacob's brother?", ["Joseph", "Benjamin", "Judah", "Esau"], 3)]


def kjv_transformer():
    model = sp.file_model(DATA / "models/kjv-transformer.safetensors")
    wide = lambda x: (x.double() if torch.is_tensor(x) else type(x)(map(wide, x)) if isinstance(x, (list, tuple)) else x)
    model = {k: wide(v) for k, v in model.items()}
    return lambda ids: sp.logits_of(model, sp.final_hidden(model, ids)), 1056, tokenizers.Tokenizer.from_file(str(DATA / "models/kjv.tokenizer.json"))


def tiny_llama():
    folder = DATA / "models/tiny-llama"
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager")
    return lambda ids: model(ids[None]).logits[0], 1152, tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))


def encode_pair(encode, context, continuation):
    blanks = len(context) - len(context.rstrip())
    if blanks:
        context, continuation = context[:-blanks], context[-blanks:] + continuation
    whole, alone = encode(context + continuation), encode(context)
    return whole[:len(alone)], whole[len(alone):]


def loglikelihood(model, context, continuation):
    forward, most, tokenizer = model
    encode = lambda text: tokenizer.encode(text).ids  # with BOS where the tokenizer puts one, as lm-evaluation-harness does by default
    before, behind = encode_pair(encode, context, continuation)
    ids = torch.tensor((before + behind)[-(most + 1):])
    logits = forward(ids[:-1])[-len(behind):]
    return torch.log_softmax(logits.double(), -1).gather(1, ids[-len(behind):, None]).sum().item(), len(behind)


def right(sums, divisor, answer):
    return int(np.argmax(np.array(sums) / np.array(divisor)) == answer)


def shipped(model, name):
    items = [json.loads(line) for line in (DATA / f"tasks/{name}.jsonl").read_text("utf-8").splitlines()]
    order = sorted(range(len(items)), key=lambda i: items[i]["subject"])
    out, counts = [], dict.fromkeys(("acc", "acc_norm", "acc_bytes", "acc_token"), 0)
    nearest = np.inf
    for place, i in enumerate(order):
        item = items[i]
        sums, tokens = zip(*(loglikelihood(model, item["question"].strip(), " " + c) for c in item["choices"]))
        lengths = {"acc": [1] * len(sums), "acc_norm": [len(c) for c in item["choices"]],
                   "acc_bytes": [len(c.encode()) for c in item["choices"]], "acc_token": tokens}
        for rule, divisor in lengths.items():
            counts[rule] += right(sums, divisor, item["answer"])
            first, second = sorted(np.array(sums) / np.array(divisor))[:-3:-1]
            nearest = min(nearest, (first - second) / abs(first))
        if place % KEPT == 0:
            out.append({"item": place, "line": i + 1, "sums": sums, "tokens": tokens})
    return {"items": len(items), "right": counts, "nearest": nearest, "kept": out}


def lettered(question, choices):
    return question.strip() + "\n" + "\n".join(f"{letter}. {c}" for letter, c in zip("ABCD", choices)) + "\nAnswer:"


def mmlu(model):
    out = []
    for subject, question, choices, answer in sorted(TEST, key=lambda t: t[0]):
        shots = [lettered(q, c) + " " + "ABCD"[a] + "\n\n" for s, q, c, a in DEV if s == subject]
        context = f"The following are multiple choice questions (with answers) about {subject.replace('_', ' ')}.\n\n" + "".join(shots) + lettered(question, choices)
        sums, tokens = zip(*(loglikelihood(model, context, " " + letter) for letter in "ABCD"))
        out.append({"sums": sums, "tokens": tokens, "answer": answer})
    return out


def main():
    torch.set_grad_enabled(False)
    result = {"origin": sp.origin("make_choice.py", f"tokenizers {tokenizers.__version__}, transformers {transformers.__version__}; float64"),
              "dev": [list(t) for t in DEV], "test": [list(t) for t in TEST]}
    for name, load in (("kjv-transformer", kjv_transformer), ("tiny-llama", tiny_llama)):
        model = load()
        result[name] = {task: shipped(model, task) for task in TASKS} | {"mmlu": mmlu(model)}
        print(name, {t: (result[name][t]["right"], result[name][t]["nearest"]) for t in TASKS})
    (HERE / "choice.json").write_text(json.dumps(result).replace('{"item"', '\n{"item"') + "\n")


if __name__ == "__main__":
    main()
