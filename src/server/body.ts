/** Reading a request's JSON body, and checking it against a schema with one sentence per mistake. */
import type { z } from "zod";
import type { ServerContext } from "./context.ts";
import { failed, malformed } from "./errors.ts";

/**
 * Parses the body of a POST. Throws a RequestError: 413 when it is too large, 408 when it stalls, 503 when the
 * server closes before it is there, 400 for anything but a JSON object.
 */
export async function readJsonObject(
  request: Request,
  context: Pick<ServerContext, "options" | "closing">,
): Promise<object> {
  const contentType = request.headers.get("content-type") ?? undefined;
  if (!/^application\/json\s*(;|$)/i.test(contentType ?? "")) {
    throw malformed(`Content-Type: expected application/json, got ${describe(contentType)}.`);
  }
  const text = await readText(request, context);
  const body = parseJson(text);
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw malformed(`The body must be a JSON object, got ${describe(body)}.`);
  }
  return body;
}

async function readText(
  request: Request,
  { options, closing }: Pick<ServerContext, "options" | "closing">,
): Promise<string> {
  const { maxBodyBytes, bodyStallMs } = options;
  const tooLarge = () => failed(413, `The body is larger than ${maxBodyBytes} bytes.`);
  const announced = request.headers.get("content-length");
  const length = announced === null ? Infinity : Number(announced);
  if (announced !== null && length > maxBodyBytes) throw tooLarge();
  if (request.body === null) return "";
  using waiting = new Patience(bodyStallMs, closing.signal);
  // The usual, small body comes in one piece, and reading it by pieces takes longer.
  if (length <= smallBytes) return await Promise.race([request.text(), waiting.over]);
  const reader = request.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for (;;) {
    const { done, value } = await Promise.race([reader.read(), waiting.over]);
    if (done) return text + decoder.decode();
    // A chunked body says its size only as it comes.
    bytes += value.byteLength;
    if (bytes > maxBodyBytes) throw tooLarge();
    text += decoder.decode(value, { stream: true });
    waiting.renew();
  }
}

/** A body up to this size has to come as a whole in the time that a larger one has for each next piece. */
const smallBytes = 1 << 16;

/** Waits for a body's next bytes for a while, and not at all once the server is closing. */
class Patience implements Disposable {
  /** Rejects with the RequestError. */
  readonly over: Promise<never>;
  private readonly timer: NodeJS.Timeout;
  private readonly closing: AbortSignal;
  private readonly onClosing: () => void;

  constructor(ms: number, closing: AbortSignal) {
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => {}); // nobody may be waiting when it comes
    const give = (status: number, message: string) =>
      reject(failed(status, message, { connection: "close" }));
    this.over = promise;
    this.timer = setTimeout(() => give(408, `No more of the body came for ${ms / 1000} s.`), ms);
    this.closing = closing;
    this.onClosing = () => give(503, "The server is stopping.");
    if (closing.aborted) this.onClosing();
    else closing.addEventListener("abort", this.onClosing);
  }

  renew(): void {
    this.timer.refresh();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.timer);
    this.closing.removeEventListener("abort", this.onClosing);
  }
}

function parseJson(text: string): unknown {
  checkDepth(text);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw malformed(`The body is not valid JSON: ${(error as Error).message}.`);
  }
}

/** No field has a use for more than 4 levels; building millions of them would hold up everyone. */
const depthMax = 100;

function checkDepth(text: string): void {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char === 0x22) i = endOfString(text, i);
    else if (char === 0x5b || char === 0x7b) depth++;
    else if (char === 0x5d || char === 0x7d) depth--;
    if (depth > depthMax) throw malformed(`The body is nested deeper than ${depthMax} levels.`);
  }
}

/** Index of the quote that ends the string beginning at `start`, or the text's length. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let escapes = 0;
    while (text[end - 1 - escapes] === "\\") escapes++;
    if (escapes % 2 === 0) return end;
  }
  return text.length;
}

/**
 * Checks `body` against a schema whose `error` texts say what a field may be ("a number"). Throws a 400 that
 * names the first wrong field, what came and what is allowed.
 */
export function parseFields<S extends z.ZodType>(schema: S, body: unknown, at = ""): z.output<S> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const issue = closest(result.error.issues[0]!);
  const path = fieldName(issue.path, at);
  if (issue.code === "unrecognized_keys") {
    const keys = issue.keys.map((key) => `"${clipped(key)}"`).join(", ");
    throw malformed(
      `${path || "body"}: unknown ${issue.keys.length > 1 ? "keys" : "key"} ${keys}.`,
    );
  }
  throw malformed(
    `${path}: expected ${issue.message}, got ${describe(valueAt(body, issue.path))}.`,
  );
}

/** Of a union's complaints that about a part of the value: there is a list, say, and one item of it is wrong. */
function closest(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== "invalid_union") return issue;
  const part = issue.errors.map((issues) => issues[0]!).find(({ path }) => path.length > 0);
  return part ? { ...part, path: [...issue.path, ...part.path] } : issue;
}

/** `stop[1]`, `stream_options.include_usage`. */
function fieldName(path: readonly PropertyKey[], at: string): string {
  let name = at;
  for (const key of path) {
    if (typeof key === "number") name += `[${key}]`;
    else name += name === "" ? String(key) : `.${String(key)}`;
  }
  return name;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let found = value;
  for (const key of path) found = (found as Record<PropertyKey, unknown> | undefined)?.[key];
  return found;
}

/** A value as an error message shows it: short, and never the contents of a list or object. */
export function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "string" ? quoted(value) : String(value);
}

const clipped = (text: string) => (text.length > 40 ? `${text.slice(0, 40)}...` : text);
const quoted = (text: string) => JSON.stringify(clipped(text));
