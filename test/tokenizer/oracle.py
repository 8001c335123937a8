"""Encodes texts with Hugging Face's tokenizers, for comparison.

usage: oracle.py TOKENIZER_JSON < texts > ids; one JSON string a line in, one JSON list of ids a line out.
"""
import json
import sys

from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file(sys.argv[1])
batch = [json.loads(line) for line in sys.stdin]
for encoding in tokenizer.encode_batch(batch):
    print(json.dumps(encoding.ids, separators=(",", ":")))
