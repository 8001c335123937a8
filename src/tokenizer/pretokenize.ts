/** Cuts normalized text into the words that BPE works on: the `pre_tokenizer` of tokenizer.json. */
import {
  compilePattern,
  literalPattern,
  type PatternJson,
  translatePattern,
  whiteSpace,
} from "./pattern.ts";
import { flattenStages, spaceMark, type StageJson } from "./vocabulary.ts";

/**
 * Cuts `text`; `first` where it stands at the very start of the input. The words of a long text are found as they
 * are asked for.
 */
type Cut = (text: string, first: boolean) => Iterable<string>;
/** UTF-16 units that are cut at once: a millisecond or two. */
const longText = 1 << 16;
type Behavior = "Removed" | "Isolated" | "MergedWithPrevious" | "MergedWithNext" | "Contiguous";

/** GPT-2's pattern, which the byte-level stage applies unless told not to. */
const gpt2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
// These are Rust's own sets, not Oniguruma's: numbers are those of Unicode 17, which engines may not have yet.
const number = /[\p{N}\u{11de0}-\u{11de9}\u{16ff4}-\u{16ff6}]/gv;
const punctuation = /[\p{P}!-\/:-@\[-`\{-~]/gv;
const blank = new RegExp(whiteSpace, "gv");

/** Throws an Error that names a stage that is not supported. */
export function preTokenizer(stage: StageJson | null): Cut {
  const cuts = flattenStages(stage).flatMap(cutsOf);
  if (cuts.length === 1) return cuts[0]!;
  return (text, first) => {
    if (text.length > longText) return cutInTurn(cuts, text, first);
    let pieces: readonly string[] = [text];
    for (const cut of cuts) {
      pieces = pieces.flatMap((piece, i) => [...cut(piece, first && i === 0)]);
    }
    return pieces;
  };
}

/** Cuts every piece of the first cut by the second, and so on. */
function* cutInTurn(
  [cut, ...others]: readonly Cut[],
  text: string,
  first: boolean,
): Generator<string> {
  if (!cut) return yield text;
  let atStart = first;
  for (const piece of cut(text, first)) {
    yield* cutInTurn(others, piece, atStart);
    atStart = false;
  }
}

function cutsOf(stage: StageJson): Cut[] {
  switch (stage.type) {
    case "Split": {
      const pattern = compilePattern(stage["pattern"] as PatternJson);
      return [splitter(pattern, stage["behavior"] as Behavior, stage["invert"] === true)];
    }
    case "ByteLevel": {
      const prefix: Cut[] = stage["add_prefix_space"] ? [prefixSpace] : [];
      return stage["use_regex"] === false
        ? prefix
        : [...prefix, splitter(translatePattern(gpt2), "Isolated")];
    }
    case "Digits":
      return [splitter(number, stage["individual_digits"] ? "Isolated" : "Contiguous")];
    case "Punctuation":
      return [splitter(punctuation, (stage["behavior"] as Behavior | undefined) ?? "Isolated")];
    case "WhitespaceSplit":
      return [splitter(blank, "Removed")];
    case "Metaspace":
      return metaspace(stage);
    default:
      throw new Error(`pre-tokenizer ${stage.type} is not supported`);
  }
}

function prefixSpace(text: string): readonly string[] {
  return [text.startsWith(" ") ? text : ` ${text}`];
}

function metaspace(stage: StageJson): Cut[] {
  const mark = (stage["replacement"] as string | undefined) ?? spaceMark;
  const scheme =
    stage["prepend_scheme"] ?? (stage["add_prefix_space"] === false ? "never" : "always");
  const markSpaces = (text: string, first: boolean) => {
    const marked = text.replaceAll(" ", mark);
    const prepends = scheme === "always" || (scheme === "first" && first);
    return [prepends && !marked.startsWith(mark) ? mark + marked : marked];
  };
  return stage["split"] === false
    ? [markSpaces]
    : [markSpaces, splitter(literalPattern(mark), "MergedWithNext")];
}

/** Cuts where `pattern` matches; `behavior` says what becomes of the matches, `invert` makes the rest the matches. */
function splitter(pattern: RegExp, behavior: Behavior, invert = false): Cut {
  return (text) => {
    if (behavior === "Isolated") {
      if (text.length > longText) return textsOf(partition(text, pattern, invert));
      // Patterns of tokenizers mostly cover all of the text: then the matches are the answer.
      const matches = text.match(pattern) ?? [];
      let covered = 0;
      for (const match of matches) covered += match.length;
      if (covered === text.length) return matches;
    }
    return arrange([...partition(text, pattern, invert)], behavior);
  };
}

function* textsOf(parts: Iterable<Part>): Generator<string> {
  for (const { text } of parts) yield text;
}

interface Part {
  readonly text: string;
  readonly matched: boolean;
}

function* partition(text: string, pattern: RegExp, invert: boolean): Generator<Part> {
  let done = 0;
  for (const match of text.matchAll(pattern)) {
    if (done < match.index) yield { text: text.slice(done, match.index), matched: invert };
    if (match[0] !== "") yield { text: match[0], matched: !invert };
    done = match.index + match[0].length;
  }
  if (done < text.length) yield { text: text.slice(done), matched: invert };
}

function arrange(parts: readonly Part[], behavior: Behavior): string[] {
  if (behavior === "Removed") return parts.filter((p) => !p.matched).map((p) => p.text);
  if (behavior === "Isolated") return parts.map((p) => p.text);
  const joined: string[] = [];
  parts.forEach((part, i) => {
    const before = parts[i - 1];
    const joins =
      before !== undefined &&
      ((behavior === "Contiguous" && part.matched === before.matched) ||
        (behavior === "MergedWithPrevious" && part.matched && !before.matched) ||
        (behavior === "MergedWithNext" && before.matched && !part.matched));
    if (joins) joined[joined.length - 1] += part.text;
    else joined.push(part.text);
  });
  return joined;
}
