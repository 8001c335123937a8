/** Requests to the Hub: redirects followed by hand, silence bounded, failures tried again. */
import { version } from "../version.ts";
import type { Hub } from "./hub.ts";
import { HubError } from "./refusal.ts";

const mostRedirects = 10;

export interface Exchange {
  readonly response: Response;
  /** It comes from another origin than was asked, such as a network of caches. */
  readonly foreign: boolean;
}

/**
 * GETs `url`. The token goes to the origin of `url` only: addresses of other origins are signed, and may belong to
 * anyone. Throws a HubError when there is no answer.
 */
export async function get(
  hub: Hub,
  url: string,
  signal: AbortSignal,
  more: Readonly<Record<string, string>> = {},
): Promise<Exchange> {
  const { token } = hub.settings;
  const headers: Record<string, string> = {
    "user-agent": `servebench/${version}`,
    "accept-encoding": "identity", // lengths and ranges count the file's own bytes
    ...more,
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
  };
  const asked = new URL(url);
  let at = asked;
  for (let hop = 0; hop <= mostRedirects; hop++) {
    const response = await answer(at, headers, signal);
    const location = [301, 302, 303, 307, 308].includes(response.status)
      ? response.headers.get("location")
      : null;
    if (location === null) return { response, foreign: !isSameServer(asked, at) };
    await discard(response);
    const next = URL.canParse(location, at.href) ? new URL(location, at) : null;
    if (!next || !/^https?:$/.test(next.protocol))
      throw new HubError("broken", `${at.origin} redirects to '${location}', which is no address.`);
    if (!isSameServer(at, next)) delete headers["authorization"];
    at = next;
  }
  throw new HubError("broken", `${asked.origin} redirects ${url} in a circle.`);
}

/** Whether what may be told to `from` may be told to `to`: the same origin, or its encrypted form. */
export function isSameServer(from: URL, to: URL): boolean {
  const isUpgrade = from.protocol === "http:" && to.protocol === "https:";
  return from.origin === to.origin || (isUpgrade && from.host === to.host && from.port === "");
}

async function answer(
  url: URL,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Response> {
  try {
    return await fetch(url.href, { headers, redirect: "manual", signal });
  } catch (error) {
    const why = reasonOf(error, signal);
    throw new HubError(
      "unreachable",
      `${url.origin} cannot be reached (${why}); check the network, or HF_ENDPOINT.`,
      { cause: error },
    );
  }
}

/** What went wrong, in a few words and on one line. */
export function reasonOf(error: unknown, signal: AbortSignal): string {
  if (signal.aborted && signal.reason instanceof Error) return signal.reason.message;
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  return String(code ?? message ?? error).split("\n", 1)[0]!;
}

/** Frees the connection of an answer whose body is not wanted. */
export async function discard({ body }: Response): Promise<void> {
  await body?.cancel().catch(() => {});
}

/** A signal that aborts with `outer`, or once `ms` have passed without `alive()` being called. */
export function silenceLimit(ms: number, outer: AbortSignal) {
  const silence = new AbortController();
  const expire = () => silence.abort(new Error(`no answer for ${ms / 1000} s`));
  let timer = setTimeout(expire, ms);
  return {
    signal: AbortSignal.any([outer, silence.signal]),
    alive: () => {
      clearTimeout(timer);
      timer = setTimeout(expire, ms);
    },
    done: () => clearTimeout(timer),
  };
}

/** Pauses before each further try; how many there are is how often it is tried again. */
const pausesMs: Partial<Record<HubError["kind"], readonly number[]>> = {
  unreachable: [1000, 2000],
  broken: [1000, 1000, 1000, 1000, 1000],
  busy: [1000, 2000, 4000, 8000],
  limited: [1000, 2000, 4000, 8000],
};
/** A server that asks for more patience than this gets none. */
const longestWaitMs = 60_000;

/** How long to wait after the failure number `failures` (from 0) in a row; null: give up. */
export function pauseMs(error: unknown, failures: number): number | null {
  if (!(error instanceof HubError)) return null;
  const pause = pausesMs[error.kind]?.[failures];
  if (pause === undefined || (error.waitMs ?? 0) > longestWaitMs) return null;
  return Math.max(pause, error.waitMs ?? 0);
}

/** Runs `action` until it succeeds, or fails in a way that no patience mends. */
export async function persist<T>(hub: Hub, action: () => Promise<T>): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await action();
    } catch (error) {
      const pause = hub.user.signal.aborted ? null : pauseMs(error, failures);
      if (pause === null) throw error;
      hub.user.note(`${(error as Error).message} Trying again in ${pause / 1000} s.`);
      await hub.sleep(pause, hub.user.signal);
    }
  }
}
