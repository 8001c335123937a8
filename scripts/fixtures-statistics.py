#!/usr/bin/env python3
"""Writes test/fixtures/bench/statistics.json: what numpy and scipy make of samples and of made-up runs.

Everything is computed here a second time, from the definitions and by other means than in src/bench/statistics.
Run with Python 3.11 or newer, numpy and scipy (2.4.6 and 1.17.1 made the committed file):
    python scripts/fixtures-statistics.py && bun fmt test/fixtures
"""

import json
import math
from pathlib import Path

import numpy as np
from scipy import stats

OUT = Path(__file__).parent.parent / "test" / "fixtures" / "bench" / "statistics.json"
PERCENTS = [50, 90, 95, 99, 99.9]


class MinimalStandard:
    """Park and Miller's generator, which both sides can draw from."""

    def __init__(self, state):
        self.state = state

    def __call__(self):
        self.state = self.state * 48271 % 2147483647
        return self.state / 2147483647


def autoregressive(rng, n, coefficient):
    noise = rng.normal(size=n)
    x = np.empty(n)
    x[0] = noise[0] / math.sqrt(1 - coefficient**2)
    for i in range(1, n):
        x[i] = coefficient * x[i - 1] + noise[i]
    return x


def distributions():
    rng = np.random.default_rng(1)
    for n in (5, 19, 20, 99, 100, 1000):
        x = rng.exponential(0.02, size=n)
        told = {str(p): n * min(p, 100 - p) / 100 >= 10 - 1e-9 for p in PERCENTS}
        yield {
            "values": x.tolist(),
            "mean": float(np.mean(x)),
            "deviation": float(np.std(x)),
            "max": float(np.max(x)),
            "percentiles": {p: float(np.percentile(x, float(p))) if t else None for p, t in told.items()},
        }


def dependence(x):
    """Politis and White (2004), corrected (2009), for the circular block bootstrap, by matrices."""
    n = len(x)
    y = x - x.mean()
    acov = np.correlate(y, y, mode="full")[n - 1 :] / n
    run = max(5, int(math.log10(n)))
    limit = min(n - 1, math.ceil(math.sqrt(n)) + run)
    within = np.abs(acov[1 : limit + 1] / acov[0]) < 2 * math.sqrt(math.log10(n) / n)
    m = limit
    for start in range(0, limit - run + 1):  # correlations start+1 .. start+run are all small
        if within[start : start + run].all():
            m = min(limit, 2 * max(1, start))
            break
    lags = np.arange(1, m + 1)
    window = np.clip(2 * (1 - lags / m), 0, 1)
    longrun = acov[0] + 2 * np.sum(window * acov[1 : m + 1])
    if longrun <= 0:
        return 1, float(n)
    g = 2 * np.sum(window * lags * acov[1 : m + 1])
    optimal = (2 * g**2 / (4 / 3 * longrun**2)) ** (1 / 3) * n ** (1 / 3)
    longest = math.ceil(min(3 * math.sqrt(n), n / 3))
    return max(1, math.ceil(min(optimal, longest))), float(min(n, n * acov[0] / longrun))


def dependences():
    rng = np.random.default_rng(2)
    for n, coefficient in [(50, 0), (400, 0), (400, 0.5), (1000, 0.9), (300, -0.6), (123, 0.3)]:
        x = autoregressive(rng, n, coefficient) + 10
        block, size = dependence(x)
        yield {"series": x.tolist(), "blockLength": block, "effectiveSize": size}
    trend = np.linspace(1, 5, 100)
    block, size = dependence(trend)
    yield {"series": trend.tolist(), "blockLength": block, "effectiveSize": size}


def bootstrap(groups, seed, resamples=1000):
    """Draws whole requests in blocks, builds each resample in full and asks numpy."""
    draw = MinimalStandard(seed)
    n = len(groups)
    block, _ = dependence(np.array([np.mean(g) for g in groups if len(g)]))
    means, p50s, p99s = [], [], []
    for _ in range(resamples):
        chosen = []
        while len(chosen) < n:
            start = int(draw() * n)
            chosen += [(start + k) % n for k in range(min(block, n - len(chosen)))]
        sample = np.concatenate([groups[i] for i in chosen])
        means.append(np.mean(sample))
        p50s.append(np.percentile(sample, 50))
        p99s.append(np.percentile(sample, 99))
    interval = lambda d: [float(np.percentile(d, 2.5)), float(np.percentile(d, 97.5))]
    return {"blockLength": block, "mean": interval(means), "p50": interval(p50s), "p99": interval(p99s)}


def bootstraps():
    rng = np.random.default_rng(3)
    ones = [np.array([v]) for v in np.exp(autoregressive(rng, 60, 0.7))]
    level = np.exp(0.3 * autoregressive(rng, 80, 0.6))
    gaps = [0.01 * v * rng.exponential(size=rng.integers(0, 30)) for v in level]
    for seed, groups in [(7, ones), (11, gaps)]:
        yield {"seed": seed, "groups": [g.tolist() for g in groups], **bootstrap(groups, seed)}


def students():
    for freedom in (1, 2, 3, 4, 9, 30, 200):
        for p in (0.75, 0.95, 0.975, 0.995):
            yield {"p": p, "freedom": freedom, "quantile": float(stats.t.ppf(p, freedom))}


def repeated():
    rng = np.random.default_rng(4)
    for n in (2, 3, 5, 12):
        x = rng.normal(100, 7, size=n)
        low, high = stats.t.interval(0.95, n - 1, loc=np.mean(x), scale=stats.sem(x))
        yield {
            "values": x.tolist(),
            "mean": float(np.mean(x)),
            "interval": [float(low), float(high)],
            "variation": float(stats.variation(x, ddof=1)),
        }


def timelines():
    """Requests under way, by overlap of every request with every bin."""
    rng = np.random.default_rng(5)
    sent = np.sort(rng.uniform(0, 10, size=70))
    ended = sent + rng.exponential(1.5, size=70)
    for start, end, bins in [(0.0, 12.0, 24), (2.5, 7.25, 5), (0.0, 10.0, 1)]:
        edges = np.linspace(start, end, bins + 1)
        overlap = np.clip(
            np.minimum(ended[:, None], edges[None, 1:]) - np.maximum(sent[:, None], edges[None, :-1]), 0, None
        )
        yield {
            "sent": sent.tolist(),
            "ended": ended.tolist(),
            "start": start,
            "end": end,
            "inFlight": (overlap.sum(axis=0) / np.diff(edges)).tolist(),
        }


def queue(rng, n, rate, servers, service):
    """First come, first served: when requests arrive and when they leave."""
    arrivals = np.cumsum(rng.exponential(1 / rate, size=n))
    free = np.zeros(servers)
    leaves = np.empty(n)
    for i, arrival in enumerate(arrivals):
        k = int(np.argmin(free))
        free[k] = max(free[k], arrival) + rng.exponential(service)
        leaves[i] = free[k]
    return arrivals, leaves


def queues():
    """Little's law over a window, with sums over a fine grid of moments."""
    rng = np.random.default_rng(6)
    for n, rate, servers, service in [(600, 20, 30, 1.0), (400, 8, 40, 2.0)]:
        sent, ended = queue(rng, n, rate, servers, service)
        low, high = float(sent[n // 5]), float(sent[n - n // 5])
        moments = np.linspace(low, high, 200_001)
        under_way = np.searchsorted(sent, moments, side="right") - np.searchsorted(
            np.sort(ended), moments, side="right"
        )
        chosen = (sent >= low) & (sent < high)
        left = (ended >= low) & (ended < high)
        per_second = (chosen.sum() + left.sum()) / 2 / (high - low)
        time = float(np.mean((ended - sent)[chosen]))
        yield {
            "sent": sent.tolist(),
            "ended": ended.tolist(),
            "from": low,
            "to": high,
            "concurrency": float(np.mean(under_way)),
            "rate": float(per_second),
            "time": time,
        }


def goodputs():
    rng = np.random.default_rng(8)
    n = 200
    ttft = rng.exponential(0.15, size=n)
    tokens = rng.integers(1, 40, size=n)
    decode = np.where(tokens > 1, rng.exponential(0.04, size=n) * (tokens - 1), 0)
    e2el = ttft + decode
    tpot = np.where(tokens > 1, decode / np.maximum(tokens - 1, 1), 0)
    for slo in ({"ttft": 200}, {"tpot": 50}, {"e2el": 1000}, {"ttft": 300, "tpot": 60, "e2el": 2000}):
        series = {"ttft": ttft, "tpot": tpot, "e2el": e2el}
        good = np.all([series[name] <= limit / 1000 for name, limit in slo.items()], axis=0)
        yield {
            "objectives": slo,
            "ttft": ttft.tolist(),
            "latency": e2el.tolist(),
            "tokens": tokens.tolist(),
            "good": int(good.sum()),
        }


def main():
    made = {
        "distributions": list(distributions()),
        "dependences": list(dependences()),
        "bootstraps": list(bootstraps()),
        "students": list(students()),
        "repeated": list(repeated()),
        "timelines": list(timelines()),
        "queues": list(queues()),
        "goodputs": list(goodputs()),
    }
    OUT.write_text(json.dumps(made, separators=(",", ":")) + "\n")


main()
