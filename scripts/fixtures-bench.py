#!/usr/bin/env python3
"""Writes test/fixtures/bench/python.json: what Python's random and numpy draw, sum and print.

Run with Python 3.11 or newer and numpy (2.4.6 made the committed file):
    python scripts/fixtures-bench.py
"""

import json
import random
import struct
from pathlib import Path

import numpy as np

OUT = Path(__file__).parent.parent / "test" / "fixtures" / "bench" / "python.json"

SEEDS = [0, 1, 42, 123456789, 4294967295]
SIZES = [1, 2, 7, 8, 9, 127, 128, 129, 136, 255, 256, 1000, 1023, 4097]


def shuffles():
    for seed in [*SEEDS, -7, 2**32, 2**53 - 1]:
        for size in (1, 2, 3, 64, 300):
            items = list(range(size))
            random.seed(seed)
            random.shuffle(items)
            yield {"seed": seed, "size": size, "items": items}


def lengths():
    """The draws of a run: input lengths, output lengths, then gaps from the same stream."""
    ranges = [(1024, 1024, 0.0), (4096, 1024, 0.125), (1024, 512, 0.5), (256, 1, 1.0), (7, 3, 0.3)]
    rates = [1.0, 2, 4.0, 0.3, 7.7, 16, 128.0]
    for i, seed in enumerate(SEEDS):
        for j, (longest_in, longest_out, ratio) in enumerate(ranges):
            np.random.seed(seed)
            low_in, low_out = max(int(longest_in * ratio), 1), int(longest_out * ratio)
            inputs = np.random.randint(low_in, longest_in + 1, size=20)
            outputs = np.random.randint(low_out, longest_out + 1, size=20)
            rate = rates[(i + j) % len(rates)]
            gaps = [np.random.exponential(1.0 / rate) for _ in range(20)]
            yield {
                "seed": seed, "input_len": longest_in, "output_len": longest_out, "ratio": ratio,
                "inputs": inputs.tolist(), "outputs": outputs.tolist(), "rate": rate, "gaps": gaps,
            }  # fmt: skip


def gap_sum():
    """200,000 gaps as one number: the exclusive or of their bits."""
    np.random.seed(7)
    bits = np.random.exponential(0.25, size=200_000).view(np.uint64)
    return {"seed": 7, "scale": 0.25, "count": len(bits), "xor": str(np.bitwise_xor.reduce(bits))}


def statistics():
    """Of draws that the reader can make again: exponential(0.02) from seed = size."""
    for size in SIZES:
        np.random.seed(size)
        x = [np.random.exponential(0.02) for _ in range(size)]
        yield {
            "size": size, "mean": float(np.mean(x)), "std": float(np.std(x)), "median": float(np.median(x)),
            "percentiles": {str(q): float(np.percentile(x, q)) for q in (1, 50, 90, 99)},
        }  # fmt: skip


def floats():
    """Bits (hexadecimal) with repr and two decimals (null where the table never goes)."""
    rng = random.Random(3)
    values = [0.0, -0.0, 1.0, 0.1, 0.125, 0.375, 0.625, 2.875, -0.125, 1e16, 9999999999999998.0, 1e-4, 9.999e-5]
    values += [1e22, 5e-324, 1.7976931348623157e308, 0.005, 1.005, 2.675, 1e15 + 0.5, float("inf"), float("nan")]
    values += [rng.expovariate(1) * 10 ** rng.randint(-7, 18) for _ in range(200)]
    values += [rng.randrange(1 << 20) / 8 for _ in range(50)]
    for x in values:
        rounded = None if repr(x) == "-0.0" or 1e21 <= x < float("inf") else f"{x:.2f}"
        yield [struct.pack(">d", x).hex(), repr(x), rounded]


def texts():
    for text in ["", "plain", 'quote " and \\', "tab\tline\n\r\b\f\x00\x1f\x7f", "é漢😀\u2028\ufeff", "it's", "it's \"both\""]:
        yield {"text": text, "json": json.dumps(text), "repr": repr(text)}


def main():
    fixtures = {
        "shuffles": list(shuffles()),
        "lengths": list(lengths()),
        "gap_sum": gap_sum(),
        "statistics": list(statistics()),
        "floats": list(floats()),
        "texts": list(texts()),
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(fixtures, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
