#!/usr/bin/env python3
"""Writes what bench_serving 0.2.7 makes of odd texts and of results: test/fixtures/bench/odd_conversations.json,
odd_requests.json and tables.json.

usage: fixtures-requests.py bench_serving_v0.2.7.py TOKENIZER_FOLDER (that of Llama 3.1)
Needs what bench_serving needs, with transformers 4. Its code runs unchanged and is observed from outside: the requests that
its samplers return, the gaps that numpy draws, the payloads given to aiohttp, what is printed and written. Nothing is
sent, and it does not sleep.
"""
import argparse
import asyncio
import contextlib
import hashlib
import importlib.util
import io
import json
import random
import runpy
import sys
import tempfile
import types
from pathlib import Path

import aiohttp
import numpy as np

OUT = Path(__file__).parent.parent / "test" / "fixtures" / "bench"
DATASET = OUT / "odd_conversations.json"
PEER, TOKENIZER = sys.argv[1:3]

PIECES = [
    "\ufeff", "\ufeff\ufeff", " \ufeff", "\u0085", " \u0085", "\u0085\n", "\u180e", "\u2028", "\u2029", "\u200b", "\u200d", "\u00a0", "\u3000", "\u1680",
    "\x1c", "\x1f", "\x00", "\x7f", "\t", "\v", "\f", "\r\n", "\r", "\n\n", "   ", " . ", " , ", " ? ", " ! ", " ' ", " n't", " 'm", " 's", " 've", " 're",
    "do n't", "I 'm ", "it ' s", "'ſ", "'LL", "\u2019s", "e\u0301", "n\u0303o", "z\u0335\u0321", "\u0301", "नमस्ते", "สวัสดี", "안녕하세요", "\u1112\u1161\u11ab",
    "こんにちは", "你好，世界", "\U00020000", "العربية", "שלום", "Привет", "ΟΔΟΣ", "👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇫🇷", "😀", "☺️", "½²Ⅷ①", "٣٤٥", "12345678", "3.14", "\u088f",
    "\U00011de0", "\ufffd", "\uffff", "\U0010ffff", "<|eot_id|>", "<|begin_of_text|>", "<|start_header_id|>", "<|", "function f(x) { return x; }", "\\n\\u0041",
    '"quoted"', "&amp;", "https://a.b/c?d=%20", "ÀÉÎ", "the quick brown fox ", "Hello, world! ", "lorem ipsum dolor sit amet, ", "def f():\n    pass\n",
]  # fmt: skip


def conversations():
    """Of one turn or none, empty, short, ordinary, and too long for the sharegpt data set."""
    rng = random.Random(11)

    def turn():
        kind = rng.random()
        if kind < 0.08:
            return ""
        text = "".join(rng.choice(PIECES) for _ in range(rng.randint(1, 25)))
        return text if kind < 0.97 else (text + " ") * (2500 // len(text) + 1)

    for _ in range(90):
        turns = rng.randint(0, 1) if rng.random() < 0.08 else rng.randint(2, 3)
        yield {"conversations": [{"from": "human", "value": turn()} for _ in range(turns)]}


CASES = [
    "--dataset-name random --num-prompts 60 --random-input-len 100 --random-output-len 50 --request-rate 3",
    "--dataset-name random --num-prompts 60 --random-input-len 40 --random-output-len 9 --random-range-ratio 1 --seed 4294967295",
    "--dataset-name random --num-prompts 40 --random-input-len 1 --random-output-len 0 --seed 7 --request-rate 0.25",
    "--dataset-name random --num-prompts 40 --random-input 300 --random-output 1 --random-range-ratio 0.3 --seed 42",
    "--dataset-name random --num-prompts 12 --random-input-len 4096 --random-output-len 1024 --random-range-ratio 0.125 --seed 123456789",
    "--dataset-name random --num-prompts 1 --random-input-len 7 --random-output-len 3 --random-range-ratio 0.9999 --request-rate 1000",
    "--dataset-name random --num-prompt 30 --random-input 16 --random-output 4 --multi --request-rate-range 3,10,3",
    "--num-prompts 50 --request-rate 7.7 --seed 5",
    "--num-prompts 1000 --seed 2",
    "--num-prompts 1000 --sharegpt-output-len 4 --request-rate 0.3333 --seed 1",
    "--num-prompts 1000 --sharegpt-output-len 1500",
]


class Reply:
    """What aiohttp would give: a success of one token."""

    status = 200

    async def lines(self):
        yield b'data: {"choices": [{"text": " hello"}]}\n'
        yield b"data: [DONE]\n"

    async def __aenter__(self):
        self.content = self.lines()
        return self

    async def __aexit__(self, *_):
        pass


def observed(flags):
    requests, gaps, sent = [], [], []

    def watch(frame, event, value):
        if event == "return" and frame.f_code.co_name in ("sample_random_requests", "sample_sharegpt_requests"):
            requests.extend(value)

    def exponential(scale, draw=np.random.exponential):
        gaps.append(draw(scale))
        return 0

    def post(_, json, **rest):
        sent.append((json["prompt"], json["max_tokens"]))
        return Reply()

    np.random.exponential, before = exponential, np.random.exponential
    aiohttp.ClientSession.post, posted = post, aiohttp.ClientSession.post
    argv = f"--backend sglang {flags}".split()
    with tempfile.TemporaryDirectory() as folder:
        sys.argv = [PEER, *argv, "--dataset-path", str(DATASET), "--model", TOKENIZER, "--output-file", f"{folder}/out.jsonl", "--disable-tqdm"]
        sys.setprofile(watch)
        with contextlib.redirect_stdout(io.StringIO()):
            runpy.run_path(PEER, run_name="__main__")
        sys.setprofile(None)
    np.random.exponential, aiohttp.ClientSession.post = before, posted
    runs = len(sent) // (len(requests) + 1)
    assert sent == [(prompt, output) for prompt, _, output in [requests[0], *requests]] * runs
    rows = [[hashlib.sha256(prompt.encode()).hexdigest()[:16], length, output] for prompt, length, output in requests]
    return {"argv": argv, "requests": rows, "gaps": gaps}


def module():
    spec = importlib.util.spec_from_file_location("bench_serving", PEER)
    peer = sys.modules["bench_serving"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peer)
    return peer


# Results that the reader can draw again: seconds, and a tick of which all times are multiples (0: none).
TABLES = [
    {"seed": 1, "count": 1, "rate": None, "tokens": 1, "seconds": 0.1, "duration": 1.5, "failures": 0, "tick": 0},
    {"seed": 2, "count": 2, "rate": 4.0, "tokens": 3, "seconds": 0.02, "duration": 0.3, "failures": 0, "tick": 0},
    {"seed": 3, "count": 100, "rate": 16, "tokens": 40, "seconds": 0.05, "duration": 9.75, "failures": 0.1, "tick": 0},
    {"seed": 4, "count": 2000, "rate": 0.1, "tokens": 120, "seconds": 0.4, "duration": 2000.125, "failures": 0.5, "tick": 0},
    {"seed": 5, "count": 257, "rate": 1e22, "tokens": 20, "seconds": 1e7, "duration": 123456789.125, "failures": 0.01, "tick": 0},
    {"seed": 6, "count": 129, "rate": 1e-05, "tokens": 9, "seconds": 1e-8, "duration": 1e-7, "failures": 0, "tick": 0},
    {"seed": 7, "count": 64, "rate": 2, "tokens": 2, "seconds": 1, "duration": 8, "failures": 0, "tick": 0.015625},
    {"seed": 8, "count": 3, "rate": 2.5, "tokens": 1, "seconds": 1, "duration": 0.0625, "failures": 0, "tick": 0.015625},
]


def table(peer, tokenizer, case):
    rng = random.Random(case["seed"])

    def seconds():
        value = rng.random() * case["seconds"]
        return value - value % case["tick"] + case["tick"] if case["tick"] else value

    outputs = []
    for _ in range(case["count"]):
        tokens = 1 + int(rng.random() * case["tokens"])
        output = peer.RequestFuncOutput(
            generated_text=" hello" * tokens, success=rng.random() >= case["failures"], ttft=seconds(),
            prompt_len=1 + int(rng.random() * 4000), output_len=tokens,
        )  # fmt: skip
        output.itl = [output.ttft, *(seconds() for _ in range(tokens - 1))]
        output.latency = sum(output.itl)
        outputs.append(output)
    clock = iter([0.0, case["duration"]])
    answers = iter([peer.RequestFuncOutput(success=True), *outputs])

    async def answer(**_):
        return next(answers)

    peer.time = types.SimpleNamespace(perf_counter=lambda: next(clock))
    peer.ASYNC_REQUEST_FUNCS["sglang"] = answer
    peer.np = types.SimpleNamespace(**vars(np))
    peer.np.random = types.SimpleNamespace(exponential=lambda _: 0)
    out = io.StringIO()
    with tempfile.NamedTemporaryFile("r") as file, contextlib.redirect_stdout(out):
        peer.args = argparse.Namespace(
            backend="sglang", dataset_name="sharegpt", sharegpt_output_len=None, random_input_len=1024,
            random_output_len=128, random_range_ratio=0.0, num_prompts=case["count"], output_file=file.name,
        )  # fmt: skip
        rate = float("inf") if case["rate"] is None else case["rate"]
        requests = [("", output.prompt_len, output.output_len) for output in outputs]
        asyncio.run(peer.benchmark("sglang", "", "", tokenizer, requests, rate, True, False))
        line = file.read()
    text = out.getvalue()
    return {**case, "integer": isinstance(case["rate"], int), "table": text[text.index("\n\n===") + 1 :], "line": line}


def write(name, rows):
    lines = ",\n".join(json.dumps(row) for row in rows)
    (OUT / name).write_text(f"[\n{lines}\n]\n")


def main():
    write(DATASET.name, conversations())
    write("odd_requests.json", map(observed, CASES))
    peer = module()
    tokenizer = peer.get_tokenizer(TOKENIZER)
    write("tables.json", [table(peer, tokenizer, case) for case in TABLES])


main()
