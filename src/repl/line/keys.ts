/** Bytes of a raw terminal to keys: UTF-8, control characters, escape sequences of xterm and its kin, bracketed paste. */

/**
 * Text as typed, a pasted text, or a named key: "Enter", "Up", "C-a" (with Ctrl), "M-b" (with Alt, or after Escape),
 * "C-Left", "S-Tab".
 */
export type Key =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "paste"; readonly text: string }
  | { readonly kind: "key"; readonly name: string };

const key = (name: string): Key => ({ kind: "key", name });

const finals: Readonly<Record<string, string>> = {
  A: "Up",
  B: "Down",
  C: "Right",
  D: "Left",
  F: "End",
  H: "Home",
  Z: "S-Tab",
};
const tildes: Readonly<Record<string, string>> = {
  1: "Home",
  2: "Insert",
  3: "Delete",
  4: "End",
  5: "PageUp",
  6: "PageDown",
  7: "Home",
  8: "End",
};

const pasteEnd = "\x1b[201~";

export class KeyDecoder {
  readonly #utf8 = new TextDecoder();
  /** What may be the beginning of more. */
  #pending = "";
  #paste: string | null = null;

  /** Whether an Escape waits for what may follow it: after some 50 ms without more, call `flush`. */
  get waiting(): boolean {
    return this.#paste === null && this.#pending !== "";
  }

  feed(bytes: Uint8Array): Key[] {
    this.#pending += this.#utf8.decode(bytes, { stream: true });
    return this.#decode();
  }

  /** Nothing follows for now: a lone Escape is the key of that name. */
  flush(): Key[] {
    const alone = this.#pending;
    this.#pending = "";
    if (alone === "" || this.#paste !== null) return [];
    return alone === "\x1b" ? [key("Escape")] : []; // half a sequence is none
  }

  #decode(): Key[] {
    const keys: Key[] = [];
    while (this.#pending !== "") {
      const found = this.#paste === null ? this.#next() : this.#pasted();
      if (found === null) break;
      keys.push(...found);
    }
    return keys;
  }

  /** Takes one key off the front; null when it is not whole. */
  #next(): Key[] | null {
    const text = this.#pending;
    if (text[0] !== "\x1b") {
      const plain = /^[^\x00-\x1f\x7f]+/.exec(text)?.[0];
      this.#pending = text.slice(plain?.length ?? 1);
      return [plain === undefined ? control(text[0]!) : { kind: "text", text: plain }];
    }
    if (text.length === 1) return null;
    if (text[1] === "[" || text[1] === "O") return this.#sequence(text);
    // Alt is an Escape before the key.
    const follower = text[1] === "\x1b" ? "\x1b" : String.fromCodePoint(text.codePointAt(1)!);
    this.#pending = text.slice(1 + follower.length);
    if (follower === "\x1b") {
      this.#pending = `\x1b${this.#pending}`;
      return [key("Escape")];
    }
    const one = /[\x00-\x1f\x7f]/.test(follower) ? control(follower) : null;
    return [key(`M-${one?.kind === "key" ? one.name : follower}`)];
  }

  #sequence(text: string): Key[] | null {
    const whole =
      text[1] === "O" ? /^\x1bO[A-Za-z]/.exec(text) : /^\x1b\[[\x20-\x3f]*[\x40-\x7e]/.exec(text);
    if (!whole) {
      const broken = text.length > 32 || /[^\x20-\x7e]/.test(text.slice(2));
      if (!broken) return null;
      this.#pending = text.slice(2);
      return [];
    }
    this.#pending = text.slice(whole[0].length);
    if (whole[0] === "\x1b[200~") {
      this.#paste = "";
      return [];
    }
    const name = sequenceName(whole[0]);
    return name === null ? [] : [key(name)];
  }

  #pasted(): Key[] | null {
    const end = this.#pending.indexOf(pasteEnd);
    if (end >= 0) {
      const text = this.#paste + this.#pending.slice(0, end);
      this.#pending = this.#pending.slice(end + pasteEnd.length);
      this.#paste = null;
      return [{ kind: "paste", text: text.replaceAll(/\r\n?/g, "\n") }];
    }
    // The end may be cut in two.
    const cut = this.#pending.lastIndexOf("\x1b");
    const sure =
      cut < 0 || this.#pending.length - cut >= pasteEnd.length ? this.#pending.length : cut;
    this.#paste += this.#pending.slice(0, sure);
    this.#pending = this.#pending.slice(sure);
    return null;
  }
}

/** A single control character. */
function control(letter: string): Key {
  const code = letter.charCodeAt(0);
  if (code === 13 || code === 10) return key("Enter");
  if (code === 9) return key("Tab");
  if (code === 127 || code === 8) return key("Backspace");
  if (code === 0) return key("C-Space");
  return key(`C-${String.fromCharCode(code + 64).toLowerCase()}`);
}

/** "\x1b[1;5D" is C-Left; null for what is no key of ours. */
function sequenceName(sequence: string): string | null {
  const parameters = sequence.slice(2, -1).split(";");
  const final = sequence.at(-1)!;
  const base = final === "~" ? tildes[parameters[0]!] : finals[final];
  if (base === undefined) return null;
  // xterm: 1 + Shift 1 + Alt 2 + Ctrl 4
  const modifiers = Number(parameters[1] ?? "1") - 1;
  return `${modifiers & 4 ? "C-" : ""}${modifiers & 2 ? "M-" : ""}${base}`;
}
