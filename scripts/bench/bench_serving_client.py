"""One run of bench_serving 0.2.7 for client-precision.ts: its own benchmark(), unchanged, against 127.0.0.1.

usage: bench_serving_client.py bench_serving_v0.2.7.py PORT REQUESTS TOKENS RATE > run.json
The tokenizer counts nothing, so that the processor's time is that of the load. Gaps are drawn from seed 0.
"""
import argparse
import asyncio
import contextlib
import importlib.util
import json
import os
import resource
import sys
import time
import types

path, port, count, tokens, rate = sys.argv[1], *map(float, sys.argv[2:])
spec = importlib.util.spec_from_file_location("bench_serving", path)
peer = sys.modules["bench_serving"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(peer)
peer.np.random.seed(0)
peer.args = argparse.Namespace(
    backend="vllm", dataset_name="random", disable_stream=False, disable_ignore_eos=False, num_prompts=int(count),
    output_file=os.devnull, sharegpt_output_len=None, random_input_len=1, random_output_len=int(tokens), random_range_ratio=1.0,
)  # fmt: skip

runs = []  # the first warms up


def cpu_s():
    use = resource.getrusage(resource.RUSAGE_SELF)
    return use.ru_utime + use.ru_stime


async def watched(request=peer.async_request_openai_completions, **given):
    """Notes when a request began: by a look at the clock before its session is made, which flatters it a little."""
    run = {"start": time.perf_counter(), "cpu": cpu_s()}
    runs.append(run)
    run["output"] = await request(**given)
    run["cpu_end"] = cpu_s()
    return run["output"]


peer.ASYNC_REQUEST_FUNCS["vllm"] = watched
url = f"http://127.0.0.1:{int(port)}/v1/completions"
tokenizer = lambda *_, **__: types.SimpleNamespace(input_ids=[])  # noqa: E731
requests = [("Hello", 1, int(tokens))] * int(count)
with contextlib.redirect_stdout(sys.stderr):
    peer.set_ulimit()
    result = asyncio.run(peer.benchmark("vllm", url, "mock", tokenizer, requests, rate, True, False))
warm_up, *measured = runs
outputs = [
    {"startS": run["start"], "success": o.success, "ttftS": o.ttft, "itlsS": o.itl, "text": o.generated_text, "error": o.error}
    for run in measured
    for o in [run["output"]]
]
json.dump(
    {
        "durationS": result["duration"],
        "cpuS": max(run["cpu_end"] for run in measured) - measured[0]["cpu"],
        "outputs": outputs,
    },
    sys.stdout,
)
