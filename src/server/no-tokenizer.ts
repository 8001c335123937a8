/** A server without a tokenizer (--skip-tokenizer-init): ids in, ids out on /generate, and nothing else. */
import type { Hono } from "hono";
import type { ServerTokenizer } from "./context.ts";
import { refused } from "./errors.ts";

/** The 400 for what needs a tokenizer. */
export const needsTokenizer = (what: string) =>
  refused(
    `${what} needs a tokenizer, and the server runs with --skip-tokenizer-init; send input_ids to /generate.`,
  );

/** In a tokenizer's place: ids have no text. */
export const noTokenizer: ServerTokenizer = {
  bytes: {
    data: new Uint8Array(0),
    offsets: new Uint32Array(1),
    flags: new Uint8Array(0),
    stripsLeadingSpace: false,
  },
  hasChatTemplate: false,
  ended: new Promise(() => {}),
  encodeAll: () => Promise.reject(needsTokenizer("A text")),
  applyChatTemplate: () => Promise.reject(needsTokenizer("A conversation")),
};

/** Answers every request for text, before its body is read. */
export function refuseTextRoutes(app: Hono, paths: readonly string[]): void {
  for (const path of paths) {
    app.post(path, () => {
      throw needsTokenizer(path);
    });
  }
}
