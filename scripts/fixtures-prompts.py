#!/usr/bin/env python3
"""Writes what data sets must make of texts: test/fixtures/bench/shared_prefix.json and odd_prompts.json.

usage: fixtures-prompts.py TOKENIZER_JSON (that of Llama 3.1). Needs `tokenizers`.
shared_prefix: prompts as SGLang's generated-shared-prefix draws them: ids drawn by random.choices from the vocabulary in ascending order; first the system prompts, then the
questions; each prompt a system prompt, an empty line and a question; shuffled.
odd_prompts: bench_serving's random prompts of texts with white space that is some languages' and not others' (U+0085,
U+FEFF): encoded, cut or repeated to a length, decoded, cleaned up as transformers 4 did.
"""
import json
import random
import sys
from pathlib import Path

from tokenizers import Tokenizer

OUT = Path(__file__).parent.parent / "test" / "fixtures" / "bench"
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
(OUT / "shared_prefix.json").write_text(json.dumps(cases, indent=1) + "\n")

CLEAN_UP = [
    (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"),
    (" n't", "n't"), (" 'm", "'m"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
]
ODD = [
    "\ufeffHello world, it 's \u0085a test .\ufeff",
    "one\u0085two\ufeffthree 1\ufeff2\u00853",
    " \ufeff \u0085 \ufeff\ufeff\u0085\u0085 ,!\ufeff ?",
    "\u0085\n\ufeff\n do n't\ufeff 've\u0085 'm",
    "na\u00efve\ufeff\u00e9t\u00e9\u0085\u4f60\u597d\ufeff\U0001f600",
]


def odd(text, length):
    ids = tokenizer.encode(text).ids
    prompt = tokenizer.decode((ids * (length // len(ids) + 1))[:length], skip_special_tokens=False)
    for before, after in CLEAN_UP:
        prompt = prompt.replace(before, after)
    return {"text": text, "length": length, "prompt": prompt}


rows = [odd(text, length) for text in ODD for length in (3, 9, 14, 40)]
(OUT / "odd_prompts.json").write_text(json.dumps(rows, indent=1) + "\n")
