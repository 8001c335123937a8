#!/usr/bin/env python3
"""Writes test/fixtures/bench/shared_prefix.json: prompts as SGLang's generated-shared-prefix draws them.

usage: fixtures-shared-prefix.py TOKENIZER_JSON (that of Llama 3.1). Needs `tokenizers`.
The rules: ids drawn by random.choices from the vocabulary in ascending order; first the system prompts, then the
questions; each prompt a system prompt, an empty line and a question; shuffled.
"""
import json
import random
import sys
from pathlib import Path

from tokenizers import Tokenizer

OUT = Path(__file__).parent.parent / "test" / "fixtures" / "bench" / "shared_prefix.json"
tokenizer = Tokenizer.from_file(sys.argv[1])
vocabulary = sorted(tokenizer.get_vocab().values())


def text(length):
    return tokenizer.decode(random.choices(vocabulary, k=length), skip_special_tokens=False)


def case(seed, groups, per_group, system_len, question_len):
    random.seed(seed)
    systems = [text(system_len) for _ in range(groups)]
    questions = [text(question_len) for _ in range(groups * per_group)]
    prompts = [f"{systems[i // per_group]}\n\n{question}" for i, question in enumerate(questions)]
    rows = [{"prompt": prompt, "promptLen": len(tokenizer.encode(prompt).ids)} for prompt in prompts]
    random.shuffle(rows)
    return {
        "seed": seed,
        "gspNumGroups": groups,
        "gspPromptsPerGroup": per_group,
        "gspSystemPromptLen": system_len,
        "gspQuestionLen": question_len,
        "requests": rows,
    }


cases = [case(0, 3, 4, 12, 5), case(1, 1, 2, 40, 8), case(4294967295, 5, 1, 3, 3)]
OUT.write_text(json.dumps(cases, indent=1) + "\n")
