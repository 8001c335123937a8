/** Logprobs in the forms of the three endpoints. */
import type { TokenLogprob } from "../engine/api.ts";
import type { TokenBytes } from "../tokenizer/tokenizer.ts";

const decoder = new TextDecoder();

/** Empty for ids that only pad the model's vocabulary. */
function bytesOf({ data, offsets }: TokenBytes, id: number): Uint8Array {
  return data.subarray(offsets[id] ?? data.length, offsets[id + 1] ?? data.length);
}

/** A token alone as text; a part of a character becomes U+FFFD. */
function textOf(bytes: TokenBytes, id: number): string {
  return decoder.decode(bytesOf(bytes, id));
}

/** /v1/completions: parallel lists; `top_logprobs` has no entries when no alternatives were asked for. */
export function completionLogprobs(
  bytes: TokenBytes,
  entries: readonly TokenLogprob[],
  topCount: number,
) {
  return {
    text_offset: entries.map(() => -1), // as in SGLang, which does not fill it in
    token_logprobs: entries.map((entry) => entry.logprob),
    tokens: entries.map((entry) => textOf(bytes, entry.token)),
    top_logprobs: topCount === 0 ? [] : entries.map((entry) => topByText(bytes, entry)),
  };
}

function topByText(bytes: TokenBytes, entry: TokenLogprob): Record<string, number> | null {
  if (entry.logprob === null) return null;
  const byText = new Map<string, number>();
  for (const { token, logprob } of entry.top) {
    const text = textOf(bytes, token);
    // Parts of characters share the text U+FFFD; the most likely one comes first and keeps it.
    if (!byText.has(text)) byText.set(text, logprob);
  }
  return Object.fromEntries(byText);
}

/** /v1/chat/completions: `bytes` are the token's own, so that parts of characters can be joined. */
export function chatLogprobs(bytes: TokenBytes, entries: readonly TokenLogprob[]) {
  const shown = (token: number, logprob: number | null) => ({
    token: textOf(bytes, token),
    bytes: [...bytesOf(bytes, token)],
    logprob,
  });
  return {
    content: entries.map((entry) => ({
      ...shown(entry.token, entry.logprob),
      top_logprobs: entry.top.map((top) => shown(top.token, top.logprob)),
    })),
  };
}

type Triple = readonly [logprob: number | null, token: number, text: string | null];

/** /generate: `[logprob, id, text or null]` for each token. */
export function tokenTriples(
  bytes: TokenBytes,
  entries: readonly { readonly token: number; readonly logprob: number | null }[],
  withText: boolean,
): Triple[] {
  return entries.map(({ token, logprob }) => [
    logprob,
    token,
    withText ? textOf(bytes, token) : null,
  ]);
}

/** /generate: the tokens that were asked for at each position, null where a position has no logprobs. */
export function askedTriples(
  bytes: TokenBytes,
  entries: readonly TokenLogprob[],
  withText: boolean,
): (Triple[] | null)[] {
  return entries.map(({ asked }) => (asked ? tokenTriples(bytes, asked, withText) : null));
}

/** /generate: the alternatives at each position, null where there are none. */
export function topTriples(
  bytes: TokenBytes,
  entries: readonly TokenLogprob[],
  withText: boolean,
): (Triple[] | null)[] {
  return entries.map((entry) =>
    entry.logprob === null ? null : tokenTriples(bytes, entry.top, withText),
  );
}
