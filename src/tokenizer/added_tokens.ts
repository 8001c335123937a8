/** Finds added tokens (<|eot_id|> and the like) in text before anything else is done to it. */
import { whiteSpace } from "./pattern.ts";
import type { AddedTokenJson } from "./vocabulary.ts";

/** A part of a text: an added token, or ordinary text. */
export type Section = number | string;

interface Node {
  readonly children: Map<string, Node>;
  token: AddedTokenJson | null;
}

const spaceAtEnd = new RegExp(`${whiteSpace}*$`, "v");
const spaceAtStart = new RegExp(`^${whiteSpace}*`, "v");
// The word characters of Rust's regex crate.
const wordAtEnd = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/v;
const wordAtStart = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/v;

export class AddedTokens {
  private readonly root: Node = { children: new Map(), token: null };
  private readonly firsts: RegExp | null;

  /** `content` gives the text of a token to look for. */
  constructor(
    tokens: readonly AddedTokenJson[],
    content: (token: AddedTokenJson) => string = (t) => t.content,
  ) {
    for (const token of tokens) this.add(content(token), token);
    const units = [...this.root.children.keys()].map(
      (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
    this.firsts = units.length === 0 ? null : new RegExp(`[${units.join("")}]`, "g");
  }

  private add(content: string, token: AddedTokenJson): void {
    if (content === "") return;
    let node = this.root;
    for (let i = 0; i < content.length; i++) {
      let next = node.children.get(content[i]!);
      if (!next) node.children.set(content[i]!, (next = { children: new Map(), token: null }));
      node = next;
    }
    node.token ??= token;
  }

  /** Leftmost tokens first, the longest of those that begin at one place; found as they are asked for. */
  *split(text: string): Generator<Section> {
    let done = 0;
    for (const { token, start, end } of this.matches(text)) {
      if (
        token.single_word &&
        (wordAtEnd.test(text.slice(0, start)) || wordAtStart.test(text.slice(end)))
      )
        continue;
      const from = token.lstrip ? spaceAtEnd.exec(text.slice(0, start))!.index : start;
      if (done < from) yield text.slice(done, from);
      yield token.id;
      done = token.rstrip ? end + spaceAtStart.exec(text.slice(end))![0].length : end;
    }
    if (done < text.length) yield text.slice(done);
  }

  private *matches(text: string): Generator<{ token: AddedTokenJson; start: number; end: number }> {
    if (!this.firsts) return;
    let at = 0;
    for (;;) {
      this.firsts.lastIndex = at;
      const start = this.firsts.exec(text)?.index;
      if (start === undefined) return;
      const found = this.longestAt(text, start);
      if (found) yield { token: found.token, start, end: found.end };
      at = found ? found.end : start + 1;
    }
  }

  private longestAt(text: string, start: number): { token: AddedTokenJson; end: number } | null {
    let longest: { token: AddedTokenJson; end: number } | null = null;
    let node: Node | undefined = this.root;
    for (let end = start; (node = node.children.get(text[end] ?? ""));) {
      end++;
      if (node.token) longest = { token: node.token, end };
    }
    return longest;
  }
}
