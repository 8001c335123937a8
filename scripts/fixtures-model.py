#!/usr/bin/env python3
"""Golden files for test/model: what Hugging Face transformers computes on CPU.

    fixtures-model.py            small random models -> test/fixtures/model/NAME.json
    fixtures-model.py --real DIR greedy tokens of the real model in DIR -> test/fixtures/model/real-greedy.json

Needs torch and transformers. Weights are not stored: both sides draw them by the rule of `draw` below
(test/support/random-model.ts is its twin), every value exactly representable in bfloat16. Afterwards: bun fmt test/fixtures
"""
import argparse
import base64
import json
import pathlib

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

OUT = pathlib.Path(__file__).resolve().parent.parent / "test" / "fixtures" / "model"


def draw(name, count):
    """count 32-bit integers: murmur3's finaliser over FNV-1a(name) + index * 0x9E3779B9."""
    seed = 0x811C9DC5
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x01000193) & 0xFFFFFFFF
    x = (np.arange(count, dtype=np.uint64) * 0x9E3779B9 + seed).astype(np.uint32)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
    return x ^ (x >> np.uint32(16))


def weight(name, shape):
    """Matrices and biases: uniform with standard deviation 0.08. Norms: uniform in [0.5, 1.5]."""
    bits = draw(name, int(np.prod(shape))).astype(np.int64)
    values = (bits % 129 + 64) / 128 if "norm" in name else (bits % 285 - 142) / 1024
    return torch.tensor(values.reshape(shape), dtype=torch.float32)


LLAMA = dict(architectures=["LlamaForCausalLM"], model_type="llama", num_hidden_layers=2, rms_norm_eps=1e-5,
             hidden_act="silu", max_position_embeddings=512, rope_theta=10000.0, tie_word_embeddings=False)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)

# name: (changes to LLAMA, lengths of the requests)
CASES = {
    "mha-tied": (dict(hidden_size=72, intermediate_size=100, num_attention_heads=4, num_key_value_heads=4,
                      vocab_size=97, tie_word_embeddings=True), (41, 17, 64)),
    "gqa3-head-dim": (dict(hidden_size=204, intermediate_size=168, num_attention_heads=6, num_key_value_heads=2,
                           head_dim=24, vocab_size=131), (33, 50)),
    "gqa4-llama3": (dict(hidden_size=96, intermediate_size=200, num_attention_heads=8, num_key_value_heads=2,
                         vocab_size=113, num_hidden_layers=3, rope_theta=500000.0, rope_scaling=LLAMA3), (100, 21)),
    "gqa8-linear": (dict(hidden_size=136, intermediate_size=264, num_attention_heads=8, num_key_value_heads=1,
                         head_dim=16, vocab_size=101, rope_scaling=dict(rope_type="linear", factor=4.0)), (65, 32)),
    "biases": (dict(hidden_size=120, intermediate_size=88, num_attention_heads=5, num_key_value_heads=1,
                    vocab_size=103, attention_bias=True, mlp_bias=True), (48, 40)),
    "head-dim-64": (dict(hidden_size=192, intermediate_size=320, num_attention_heads=3, num_key_value_heads=1,
                         vocab_size=160, tie_word_embeddings=True, rope_theta=100000.0), (40, 49)),
    "head-dim-128": (dict(hidden_size=144, intermediate_size=96, num_attention_heads=2, num_key_value_heads=1,
                          head_dim=128, vocab_size=99), (70,)),
    "mistral": (dict(architectures=["MistralForCausalLM"], model_type="mistral", sliding_window=None, hidden_size=80,
                     intermediate_size=136, num_attention_heads=4, num_key_value_heads=2, head_dim=32, vocab_size=109), (45,)),
    "qwen2": (dict(architectures=["Qwen2ForCausalLM"], model_type="qwen2", use_sliding_window=False, hidden_size=112,
                   intermediate_size=184, num_attention_heads=7, num_key_value_heads=1, vocab_size=107,
                   tie_word_embeddings=True), (52,)),
    "qwen3": (dict(architectures=["Qwen3ForCausalLM"], model_type="qwen3", use_sliding_window=False, attention_bias=False,
                   hidden_size=88, intermediate_size=152, num_attention_heads=4, num_key_value_heads=2, head_dim=32,
                   vocab_size=127), (57,)),
}


def log_probs(model, ids):
    """-> float32 [len(ids), vocab]"""
    with torch.no_grad():
        return torch.log_softmax(model(torch.tensor([ids])).logits[0].float(), dim=-1)


def build(config, dtype):
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config), dtype=dtype, attn_implementation="eager").eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(weight(name, tuple(parameter.shape)))
    return model


def random_models():
    for name, (changes, lengths) in CASES.items():
        config = {**LLAMA, **changes}
        exact, rounded = build(dict(config), torch.float32), build(dict(config), torch.bfloat16)
        requests, errors = [], []
        for index, length in enumerate(lengths):
            ids = (draw(f"{name}.{index}", length) % config["vocab_size"]).tolist()
            expected = log_probs(exact, ids)
            errors.append((log_probs(rounded, ids) - expected).abs())
            requests.append({"ids": ids, "logProbs": base64.b64encode(expected.numpy().tobytes()).decode()})
        error = torch.cat(errors)
        golden = {
            "config": {**config, "torch_dtype": "float32"},
            "tensors": {n: list(p.shape) for n, p in exact.named_parameters()},
            # transformers' own error in bfloat16 against float32, over all positions and the whole vocabulary
            "bfloat16Error": {"max": error.max().item(), "mean": error.mean().item()},
            "requests": requests,
        }
        path = OUT / f"{name}.json"
        path.write_text(json.dumps(golden) + "\n")
        print(f"{path.name}: {path.stat().st_size} bytes, bfloat16 error max {error.max():.4f} mean {error.mean():.5f}")


PROMPTS = [
    "The capital of France is", "Once upon a time, in a village by the sea,", "def fibonacci(n):\n", "Water boils at",
    "The three primary colors are", "In 1969, the first", "To make bread, you need", "The largest planet in the solar system is",
    "Dear Sir or Madam,\n\n", "1, 2, 3, 4, 5,", "A good way to learn a language is", "The theory of evolution",
    "import numpy as np\n", "Roses are red,", "The difference between a virus and a bacterium is", "SELECT name FROM",
    "My favorite book is", "Photosynthesis is the process by which", "The stock market", "If you want to be happy,",
]


def real_model(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    requests = []
    for prompt in PROMPTS:
        ids = tokenizer(prompt)["input_ids"]
        tokens, margins, feed, cache = [], [], ids, None
        for _ in range(64):
            with torch.no_grad():
                out = model(torch.tensor([feed]), past_key_values=cache, use_cache=True)
            cache = out.past_key_values
            best = out.logits[0, -1].float().topk(2)
            tokens.append(best.indices[0].item())
            margins.append(round((best.values[0] - best.values[1]).item(), 5))
            feed = tokens[-1:]
        requests.append({"prompt": prompt, "ids": ids, "tokens": tokens, "margins": margins})
        print(json.dumps(prompt), "->", json.dumps(tokenizer.decode(tokens)[:60]), f"least margin {min(margins)}")
    (OUT / "real-greedy.json").write_text(json.dumps({"model": pathlib.Path(folder).name, "requests": requests}) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", metavar="DIR")
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    OUT.mkdir(parents=True, exist_ok=True)
    real_model(arguments.real) if arguments.real else random_models()
