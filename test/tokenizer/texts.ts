/** Random texts that look for differences between tokenizers. */

/** A small seeded generator (mulberry32): the same texts on every machine. */
export function randomizer(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const snippets = [
  "'s",
  "'S",
  "'ſ",
  "'t",
  "'RE",
  "'ve",
  "'Ll",
  "'d",
  "'m",
  "’s",
  "don't",
  "I'M",
  "ſ",
  "K",
  "ß",
  "ﬆ",
  "İ",
  "ı",
  "\n",
  "\r\n",
  "\r",
  "\t",
  "  ",
  "   ",
  " \n ",
  "\n\n\n",
  "\u0085",
  "\u00a0",
  "\ufeff",
  "\u2028",
  "\u2029",
  "\u3000",
  "\u200b",
  "\u200d",
  "\u1680",
  "\u180e",
  "\u202f",
  "\u205f",
  "\u2003",
  "\v",
  "\f",
  "\x1c",
  "\x1f",
  "\0",
  "\x7f",
  "0",
  "7",
  "123",
  "2024",
  "3.14159",
  "1,000,000",
  "٣٤٥",
  "१२३",
  "½",
  "²",
  "Ⅷ",
  "①",
  "𝟘",
  "𒐀",
  "㊷",
  "\u{11de0}",
  "<|begin_of_text|>",
  "<|end_of_text|>",
  "<|eot_id|>",
  "<|start_header_id|>",
  "<|im_start|>",
  "<|im_end|>",
  "<|endoftext|>",
  "<|reserved_special_token_12",
  "<|reserved_special_token_1|>",
  "<|",
  "|>",
  "<",
  "<repo_name>",
  "<|<|eot_id|>|>",
  "<file_sep>",
  "<0x0A>",
  "▁",
  "Ġ",
  "Ċ",
  "Â",
  "Ã",
  "<|eot_id",
  "<jupyter_start>",
  "👩‍👩‍👧‍👦",
  "🏳️‍🌈",
  "👍🏽",
  "🇫🇷",
  "😀",
  "e\u0301",
  "é",
  "n\u0303",
  "नमस्ते",
  "สวัสดี",
  "ภาษาไทย",
  "안녕하세요",
  "こんにちは",
  "你好世界",
  "漢字",
  "العربية",
  "שלום",
  "Привет",
  "Ελληνικά",
  "Tiếng Việt",
  "\u{20000}",
  "\u{323b0}",
  "\u{16ea0}",
  "\u088f",
  "\u0301",
  "\u{e0001}",
  "function f(x) { return x + 1; }",
  "https://example.com/a?b=c&d=%20",
  "#include <stdio.h>",
  "def f():\n    pass\n",
  '```json\n{"a": [1, 2]}\n```',
  "aaaaaaaaaaaaaaaaaaaa",
  "---------------",
  "......",
  "the quick brown fox",
  "Hello, world!",
  "\ud800",
  "\udc00",
  "\ufffd",
  "\uffff",
  "\u{10ffff}",
  "_",
  "__init__",
  "$100",
  "€",
  "→",
  "\\n",
  "&nbsp;",
  "HTTPServer",
  "camelCase",
] as const;

function pick<T>(random: () => number, list: ArrayLike<T>): T {
  return list[Math.floor(random() * list.length)]!;
}

function randomCharacter(random: () => number): string {
  const kind = random();
  if (kind < 0.4) return String.fromCharCode(32 + Math.floor(random() * 95));
  if (kind < 0.6) return String.fromCharCode(Math.floor(random() * 0x300));
  if (kind < 0.8) return String.fromCharCode(Math.floor(random() * 0x3100));
  if (kind < 0.9) return String.fromCharCode(Math.floor(random() * 0x10000));
  return String.fromCodePoint(Math.floor(random() * 0x110000));
}

function piece(random: () => number): string {
  const kind = random();
  if (kind < 0.45) return pick(random, snippets);
  if (kind < 0.55) return pick(random, snippets).repeat(1 + Math.floor(random() * 5));
  if (kind < 0.7) return " ";
  if (kind < 0.75) return pick(random, snippets).slice(0, 1 + Math.floor(random() * 6));
  const length = 1 + Math.floor(random() * 6);
  return Array.from({ length }, () => randomCharacter(random)).join("");
}

/** `count` texts of up to a few dozen characters, some with lone surrogates. */
export function randomTexts(seed: number, count: number): string[] {
  const random = randomizer(seed);
  return Array.from({ length: count }, () => {
    const pieces = Math.floor(random() * 9);
    return Array.from({ length: pieces }, () => piece(random)).join("");
  });
}
