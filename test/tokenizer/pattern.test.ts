import { expect, test } from "bun:test";
import { literalPattern, translatePattern } from "../../src/tokenizer/pattern.ts";

const matches = (pattern: string, text: string) => text.match(translatePattern(pattern)) ?? [];

test("classes are Oniguruma's", () => {
  expect(matches("\\s", "\t\x1c\x85\xa0\u180e\u200b\u2028\u3000\ufeff")).toEqual([
    "\t",
    "\x85",
    "\xa0",
    "\u2028",
    "\u3000",
  ]);
  expect(matches("\\S+", "a\x85b\ufeffc")).toEqual(["a", "b\ufeffc"]);
  expect(matches("[^\\s\\d]+", "a1\x85٣\ufeff")).toEqual(["a", "\ufeff"]);
  expect(matches("\\p{L}+", "aé漢\u088f\u{16ea0}b")).toEqual(["aé漢", "b"]); // two letters are newer than Unicode 16
  expect(matches("\\P{L}+", "a\u088f1")).toEqual(["\u088f1"]);
  expect(matches("\\p{^L}+", "a12b")).toEqual(["12"]);
  expect(matches("\\p{Ll}", "aAʕ")).toEqual(["a", "ʕ"]); // without case since Unicode 17
  expect(matches("\\p{Lo}", "ʕא")).toEqual(["א"]);
  expect(matches("\\p{Han}+", "a漢字か")).toEqual(["漢字"]);
  expect(matches("\\w+", "añ_1²-½!")).toEqual(["añ_1²", "½"]);
  expect(matches("\\h+", "fg09G")).toEqual(["f", "09"]);
  expect(matches(".+", "a\rb\u2028c\nd")).toEqual(["a\rb\u2028c", "d"]);
});

test("brackets", () => {
  expect(matches("[]a]+", "]a[")).toEqual(["]a"]);
  expect(matches("[a\\-z]+", "a-zb")).toEqual(["a-z"]);
  expect(matches("[a-]+", "a-b")).toEqual(["a-"]);
  expect(matches("[a-z&&[^m-o]]+", "lmnop")).toEqual(["l", "p"]);
  expect(matches("[(){}|/&]+", "(){}|/&!")).toEqual(["(){}|/&"]);
  expect(matches("[\\x41\\u0042\\x{43}\\n]+", "ABC\nD")).toEqual(["ABC\n"]);
});

test("case is ignored in its group only", () => {
  expect(matches("(?i:'s|k)x", "'Sx 'ſx \u212ax 'sX")).toEqual(["'Sx", "'ſx", "\u212ax"]);
  expect(matches("'(?i:[sd])", "'S'D's'x")).toEqual(["'S", "'D", "'s"]);
});

test("anchors and quantifiers", () => {
  expect(matches("^a|b$|\\Ac|d\\z", "cd\na\nab\nd")).toEqual(["c", "a", "a", "b", "d"]);
  expect(matches("a{2}|b{,2}c|d{2,}", "aaa bbbc ddd")).toEqual(["aa", "bbc", "ddd"]);
  expect(matches("a++b|c?+cd|e*+", "aab cd ccd ee").filter(Boolean)).toEqual(["aab", "ccd", "ee"]);
  expect(matches("a+?", "aa")).toEqual(["a", "a"]);
  expect(matches("(?<=x)a(?!b)|(?<!y)c(?=d)", "xab xa ycd zcd")).toEqual(["a", "c"]);
});

test("what cannot be had exactly is refused", () => {
  const refused = [
    "(a|b)++",
    "a{2}+",
    "(?>a)",
    "(?<n>a)",
    "\\b",
    "\\1",
    "[[:alpha:]]",
    "a{}",
    "(",
    ")",
    "[a",
    "\\",
    "\\p{Nope}",
    "(?i:[a-z])",
    "[a-\\d]",
    "\\G",
  ];
  for (const pattern of refused)
    expect(() => translatePattern(pattern)).toThrow("is not supported");
});

test("a literal is found as it is", () => {
  expect("a.b*[c]".match(literalPattern(".b*["))).toEqual([".b*["]);
});
