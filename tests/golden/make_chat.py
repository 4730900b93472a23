#!/usr/bin/env python3
"""Conversations by transformers' way of running chat templates (jinja2, its settings). The templates are written here after what the families' own do.
Writes chat.json."""
import json
import pathlib

import jinja2
from transformers.utils.chat_template_utils import render_jinja_template

HERE = pathlib.Path(__file__).resolve().parent


def chatml(default):
    first = "{% if loop.first and m['role'] != 'system' %}{{ '<|im_start|>system\\n" + default + "<|im_end|>\\n' }}{% endif %}" if default else ""
    return ("{% for m in messages %}" + first + "{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")


def mistral(before, behind, answer, which="first", trim="|trim"):
    """which: the user's message that the system message goes before."""
    last = "loop.last and system is defined" if which == "last" else "loop.first and system is defined"
    return ("{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] %}{% set rest = messages[1:] %}{% else %}"
            "{% set rest = messages %}{% endif %}{% for message in rest %}{% if message['role'] == 'user' %}{{ \"" + before + "\" }}{% if " + last +
            " %}{{ system + '\\n\\n' }}{% endif %}{{ message['content'] + \"" + behind + "\" }}{% else %}{{ " + answer + "message['content']" + trim +
            " + eos_token }}{% endif %}{% endfor %}")


TEMPLATES = {
    "smollm2": ("chatml", chatml("You are a helpful AI assistant named SmolLM, trained by Hugging Face")),
    "qwen2": ("chatml", chatml("You are a helpful assistant.")),
    "qwen2.5": ("chatml", chatml("You are Qwen, created by Alibaba Cloud. You are a helpful assistant.")),
    "chatml": ("chatml", chatml("")),
    "qwen3": ("chatml", "{% for m in messages %}{% set c = m['content'] %}{% if m['role'] == 'assistant' %}{% set c = c.split('</think>')[-1].lstrip('\\n') %}{% endif %}"
              "{{ '<|im_start|>' + m['role'] + '\\n' + c + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"),
    "phi4": ("phi4", "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '<|im_sep|>' + m['content'] + '<|im_end|>' }}{% endfor %}"
             "{% if add_generation_prompt %}{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}"),
    "llama3": ("llama3", "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\\n\\n' + m['content'] | trim + '<|eot_id|>' }}"
               "{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"),
    "llama3.1": ("llama3", "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set s = messages[0]['content'] | trim %}{% set rest = messages[1:] %}{% else %}{% set s = '' %}"
                 "{% set rest = messages %}{% endif %}{{ '<|start_header_id|>system<|end_header_id|>\\n\\nCutting Knowledge Date: December 2023\\nToday Date: 26 Jul 2024\\n\\n' + s + '<|eot_id|>' }}"
                 "{% for m in rest %}{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\\n\\n' + m['content'] | trim + '<|eot_id|>' }}"
                 "{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"),
    "gemma": ("gemma", "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set s = messages[0]['content'] + '\\n\\n' %}{% set rest = messages[1:] %}{% else %}{% set s = '' %}"
              "{% set rest = messages %}{% endif %}{% for m in rest %}{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else m['role']) + '\\n' + (s if loop.first else '') + m['content'] | trim + '<end_of_turn>\\n' }}"
              "{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"),
    "phi3": ("phi3", "{% for m in messages %}{{ '<|' + m['role'] + '|>\\n' + m['content'] + '<|end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}"
             "{% else %}{{ eos_token }}{% endif %}"),
    "phi4-mini": ("phi4-mini", "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '<|end|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"),
    "zephyr": ("zephyr", "{% for m in messages %}{% if m['role'] == 'user' %}{{ '<|user|>\\n' + m['content'] + eos_token + '\\n' }}{% elif m['role'] == 'system' %}"
               "{{ '<|system|>\\n' + m['content'] + eos_token + '\\n' }}{% else %}{{ '<|assistant|>\\n' + m['content'] + eos_token + '\\n' }}{% endif %}{% endfor %}"
               "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"),
    "llama2": ("llama2", "{% if messages[0]['role'] == 'system' %}{% set s = '<<SYS>>\\n' + messages[0]['content'] + '\\n<</SYS>>\\n\\n' %}{% set rest = messages[1:] %}{% else %}"
               "{% set s = '' %}{% set rest = messages %}{% endif %}{% for m in rest %}{% if m['role'] == 'user' %}{{ bos_token + '[INST] ' + (s if loop.first else '') + m['content'].strip() + ' [/INST]' }}"
               "{% else %}{{ ' ' + m['content'].strip() + ' ' + eos_token }}{% endif %}{% endfor %}"),
    "mistral v0.2": ("mistral", mistral("[INST] ", " [/INST]", "", trim="")),
    "mistral v1": ("mistral", mistral(" [INST] ", " [/INST]", "\" \" + ")),
    "mistral v3": ("mistral", mistral("[INST] ", "[/INST]", "\" \" + ", "last")),
    "mistral v3 tekken": ("mistral", mistral("[INST]", "[/INST]", "", "last")),
    "mistral v7": ("mistral", "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'system' %}{{ '[SYSTEM_PROMPT]' + m['content'] + '[/SYSTEM_PROMPT]' }}{% elif m['role'] == 'user' %}"
                   "{{ '[INST]' + m['content'] + '[/INST]' }}{% else %}{{ m['content'] + eos_token }}{% endif %}{% endfor %}"),
}
TURNS = [("user", "Hello"), ("assistant", "  Hi there \n"), ("user", " Who are you?\n"), ("assistant", "<think>\nhm\n</think>\n\nAn assistant."), ("user", "Another")]
SYSTEM = ("system", "Be brief.")
CONVERSATIONS = [([TURNS[0]], True), ([SYSTEM, TURNS[0]], True), (TURNS, True), ([SYSTEM] + TURNS, True), ([SYSTEM] + TURNS[:2], False)]


def main():
    cases = []
    for name, (form, template) in TEMPLATES.items():
        for turns, opened in CONVERSATIONS:
            if name.startswith(("phi3", "mistral v3")) and not opened:
                continue  # written for conversations that end with a question
            messages = [{"role": r, "content": c} for r, c in turns]
            text = render_jinja_template([messages], chat_template=template, add_generation_prompt=opened, bos_token="<s>", eos_token="</s>")[0][0]
            cases.append({"name": name, "form": form, "template": template, "turns": turns, "open": opened, "text": text})
    import transformers
    origin = f"tests/golden/make_chat.py, transformers {transformers.__version__}, jinja2 {jinja2.__version__}"
    (HERE / "chat.json").write_text(json.dumps({"origin": origin, "cases": cases}).replace('{"name"', '\n{"name"') + "\n")


if __name__ == "__main__":
    main()
