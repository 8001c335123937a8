/**
 * Regular expressions of tokenizer.json, written for Oniguruma (Ruby syntax, UTF-8), as JavaScript's. Both say
 * `\s` or `\p{L}` and mean different sets: here each class is spelled out to be Oniguruma's, whatever
 * Unicode version the JavaScript engine has. What cannot be translated exactly throws.
 */

/** Characters newer than Unicode 16, which Oniguruma 6.9.10 (in tokenizers 0.21 to 0.23) takes for unassigned. */
const unassigned = ranges(
  "88f c5c cdc 1acf-1add 1ae0-1aeb 20c1 2b96 a7ce-a7cf a7d2 a7d4 a7f1 fbc3-fbd2 fd90-fd91 fdc8-fdce 10940-10959 " +
    "10ec5-10ec7 10ed0-10ed8 10efa-10efb 11b60-11b67 11db0-11ddb 11de0-11de9 16ea0-16eb8 16ebb-16ed3 16ff2-16ff6 " +
    "187f8-187ff 18d09-18d1e 18d80-18df2 1ccfa-1ccfc 1ceba-1ced0 1cee0-1cef0 1e6c0-1e6de 1e6e0-1e6f5 1e6fe-1e6ff " +
    "1f6d8 1f777-1f77a 1f8d0-1f8d8 1fa54-1fa57 1fa8a 1fa8e 1fac8 1facd 1faea 1faef 1fbfa 2b73a-2b73f 2cea2-2cead " +
    "323b0-33479",
);

function ranges(list: string): string {
  const escaped = list.split(" ").map((range) => range.replace(/[0-9a-f]+/g, "\\u{$&}"));
  return `[${escaped.join("")}]`;
}

/** White space by the Unicode property: U+0085 belongs to it, U+FEFF does not; `\s` of JavaScript differs in both. */
export const whiteSpace = "\\p{White_Space}";
const word = `[[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}]--${unassigned}]`;
const wordOutsideClass = `[${word}\\u{b2}\\u{b3}\\u{b9}\\u{bc}-\\u{be}]`;

/** Sets of escapes such as `\s`, by their letter; a capital is the complement. */
const sets: Readonly<Record<string, string>> = {
  s: whiteSpace,
  d: `[\\p{Nd}--${unassigned}]`,
  h: "[0-9A-Fa-f]",
  w: word,
};
const controls: Readonly<Record<string, number>> = {
  n: 10,
  r: 13,
  t: 9,
  f: 12,
  v: 11,
  a: 7,
  e: 27,
};
const anchors: Readonly<Record<string, string>> = {
  A: "(?<![\\s\\S])",
  z: "(?![\\s\\S])",
  Z: "(?=\\n?(?![\\s\\S]))",
};

/** Oniguruma's set for `\p{name}`. */
function property(name: string): string {
  // U+0295 became a letter without case in Unicode 17.
  if (name === "Ll") return `[[\\p{Ll}--${unassigned}]\\u{295}]`;
  if (name === "Lo") return `[\\p{Lo}--[${unassigned}\\u{295}]]`;
  for (const spelled of [name, `Script=${name}`]) {
    try {
      return new RegExp(`[\\p{${spelled}}--${unassigned}]`, "v").source;
    } catch {
      continue; // not a property by this spelling
    }
  }
  throw new Error(`unknown Unicode property ${name}`);
}

function literal(codePoint: number): string {
  return `\\u{${codePoint.toString(16)}}`;
}

/** The characters that equal `codePoint` when case is ignored. */
function caseVariants(codePoint: number): number[] {
  const text = String.fromCodePoint(codePoint);
  const variants = [text, text.toLowerCase(), text.toUpperCase()].filter(
    (v) => [...v].length === 1,
  );
  if (/s/i.test(text)) variants.push("\u017f");
  if (/k/i.test(text)) variants.push("\u212a");
  return [...new Set(variants.map((v) => v.codePointAt(0)!))];
}

/** The JavaScript expression (flags "gv") that finds what Oniguruma finds with `source`. */
export function translatePattern(source: string): RegExp {
  try {
    return new RegExp(new Translation(source).alternatives(), "gv");
  } catch (error) {
    throw new Error(
      `pattern ${JSON.stringify(source)} is not supported: ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
}

/** One atom of an expression. */
interface Atom {
  readonly text: string;
  /** Matches exactly one character. */
  readonly single: boolean;
}

class Translation {
  private readonly source: string;
  private at = 0;
  private ignoreCase = false;

  constructor(source: string) {
    this.source = source;
  }

  /** Up to the end or the parenthesis that closes the group. */
  alternatives(depth = 0): string {
    let out = "";
    while (this.at < this.source.length) {
      if (this.source[this.at] === ")") {
        if (depth === 0) throw new Error("unmatched )");
        return out;
      }
      if (this.take("|")) out += "|";
      else out += this.quantified(this.atom(depth));
    }
    if (depth > 0) throw new Error("unmatched (");
    return out;
  }

  private take(text: string): boolean {
    if (!this.source.startsWith(text, this.at)) return false;
    this.at += text.length;
    return true;
  }

  private match(expression: RegExp): RegExpExecArray | null {
    expression.lastIndex = this.at;
    const found = expression.exec(this.source);
    if (found) this.at += found[0].length;
    return found;
  }

  private nextCodePoint(): number {
    const codePoint = this.source.codePointAt(this.at);
    if (codePoint === undefined) throw new Error("it ends too early");
    this.at += codePoint > 0xffff ? 2 : 1;
    return codePoint;
  }

  private quantified(atom: Atom): string {
    const found = this.match(/[*+?]|\{(\d*)(,?)(\d*)\}/y);
    if (!found || found[0] === "{}" || found[0] === "{,}") {
      if (found) throw new Error(`literal ${found[0]}`);
      return atom.text;
    }
    const quantifier = found[1] === "" ? `{0${found[0].slice(1)}` : found[0];
    if (this.take("?")) return `${atom.text}${quantifier}?`;
    if (!this.take("+")) return atom.text + quantifier;
    // Possessive: for a single character, taking as many as there are and looking that no other follows is the same.
    if (!atom.single || found[0].startsWith("{")) throw new Error("possessive group");
    if (found[0] === "?") return `(?:${atom.text}|(?!${atom.text}))`;
    return `(?:${atom.text}${quantifier}(?!${atom.text}))`;
  }

  private atom(depth: number): Atom {
    if (this.take("(")) return { text: this.group(depth), single: false };
    if (this.take("[")) return { text: this.characterClass(), single: true };
    if (this.take(".")) return { text: "[^\\n]", single: true };
    if (this.take("^")) return { text: "(?<![^\\n])", single: false };
    if (this.take("$")) return { text: "(?![^\\n])", single: false };
    if (this.take("\\")) return this.escape();
    return { text: this.character(this.nextCodePoint()), single: true };
  }

  private escape(): Atom {
    const anchor = anchors[this.source[this.at] ?? ""];
    if (anchor !== undefined) {
      this.at++;
      return { text: anchor, single: false };
    }
    const set = this.setEscape(wordOutsideClass);
    return { text: set ?? this.character(this.characterEscape()), single: true };
  }

  private character(codePoint: number): string {
    if (!this.ignoreCase) return literal(codePoint);
    const variants = caseVariants(codePoint).map(literal);
    return variants.length === 1 ? variants[0]! : `[${variants.join("")}]`;
  }

  private group(depth: number): string {
    const prefix = this.match(/\?(?::|=|!|<=|<!|i:)/y)?.[0] ?? "";
    if (prefix === "" && this.source[this.at] === "?") throw new Error("unknown kind of group");
    const outer = this.ignoreCase;
    if (prefix === "?i:") this.ignoreCase = true;
    const inner = this.alternatives(depth + 1);
    this.ignoreCase = outer;
    this.take(")");
    return `(${prefix === "?i:" || prefix === "" ? "?:" : prefix}${inner})`;
  }

  /** A set such as `\s` or `\p{L}` after its backslash, or null. */
  private setEscape(wordSet: string): string | null {
    const named = this.match(/([pP])\{(\^?)([^}]*)\}/y);
    if (named) {
      const negated = (named[1] === "P") !== (named[2] === "^");
      return negated ? `[^${property(named[3]!)}]` : property(named[3]!);
    }
    const letter = this.match(/[sdhwSDHW]/y)?.[0];
    if (!letter) return null;
    const lower = letter.toLowerCase();
    const set = lower === "w" ? wordSet : sets[lower]!;
    return letter === lower ? set : `[^${set}]`;
  }

  /** The code point of a single escaped character after its backslash. */
  private characterEscape(): number {
    const hex = this.match(/x\{([0-9A-Fa-f]+)\}|x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})/y);
    if (hex) return Number.parseInt(hex[1] ?? hex[2] ?? hex[3]!, 16);
    const codePoint = this.nextCodePoint();
    const text = String.fromCodePoint(codePoint);
    if (!/[A-Za-z0-9]/.test(text)) return codePoint;
    const control = controls[text];
    if (control === undefined) throw new Error(`escape \\${text}`);
    return control;
  }

  /** A class after its opening bracket. `a&&b` binds weaker than the union of what stands side by side. */
  private characterClass(): string {
    const negated = this.take("^");
    const operands: string[] = [];
    let union = this.take("]") ? literal(0x5d) : "";
    while (!this.take("]")) {
      if (this.take("&&")) {
        operands.push(`[${union}]`);
        union = "";
      } else union += this.classItem();
    }
    if (operands.length === 0) return `[${negated ? "^" : ""}${union}]`;
    return `[${negated ? "^" : ""}${[...operands, `[${union}]`].join("&&")}]`;
  }

  private classItem(): string {
    if (this.source.startsWith("[:", this.at)) throw new Error("POSIX bracket");
    if (this.take("[")) return this.characterClass();
    const first = this.classCharacter();
    if (typeof first === "string") return first;
    if (this.source[this.at] !== "-" || this.source[this.at + 1] === "]") {
      return this.ignoreCase ? caseVariants(first).map(literal).join("") : literal(first);
    }
    this.at++;
    const last = this.classCharacter();
    if (typeof last === "string") throw new Error("a range that ends in a set");
    if (this.ignoreCase) throw new Error("a range in a group that ignores case");
    return `${literal(first)}-${literal(last)}`;
  }

  /** A character of a class, or a set. */
  private classCharacter(): number | string {
    if (!this.take("\\")) return this.nextCodePoint();
    return this.setEscape(word) ?? this.characterEscape();
  }
}

/** A `pattern` of tokenizer.json: an expression for Oniguruma, or a text. */
export type PatternJson = { readonly Regex: string } | { readonly String: string };

export const compilePattern = (pattern: PatternJson): RegExp =>
  "Regex" in pattern ? translatePattern(pattern.Regex) : literalPattern(pattern.String);

/** An expression that finds `text` itself. */
export function literalPattern(text: string): RegExp {
  return new RegExp(Array.from(text, (c) => literal(c.codePointAt(0)!)).join(""), "gv");
}
