/** Where requests go, and what the server calls its model. */
import type { ConnectOptions } from "../runtime/index.ts";
import type { Backend } from "./backends/index.ts";
import { UserError, UsageError } from "../user-error.ts";
import { baseUrlOf } from "./options.ts";
import type { BenchOptions } from "./options.ts";
import type { BenchRequest } from "./request.ts";
import type { PreparedRequest } from "./schedule.ts";
import { postBytes } from "./transport/http.ts";
import { tlsAdvice } from "./transport/tls.ts";
import { version } from "../version.ts";

export interface Target {
  readonly endpoint: ConnectOptions;
  readonly hostHeader: string;
  /** Path of the requests. */
  readonly path: string;
  readonly modelsUrl: string;
}

/** Throws a UsageError when --base-url is not an address of a server. */
export function targetOf(options: BenchOptions, backend: Backend): Target {
  const base = baseUrlOf(options);
  const url = URL.parse(base);
  if (!url || !/^https?:$/.test(url.protocol) || url.hostname === "") {
    const flag = options.baseUrl === null ? "--host" : "--base-url";
    throw new UsageError(
      `${flag}: '${base}' is not a server's address; expected http://HOST:PORT.`,
    );
  }
  const tls = url.protocol === "https:";
  const port = url.port === "" ? (tls ? 443 : 80) : Number(url.port);
  return {
    endpoint: { host: url.hostname.replace(/^\[|\]$/g, ""), port, tls },
    hostHeader: url.host,
    path: url.pathname.replace(/\/$/, "") + backend.path,
    modelsUrl: `${base}/v1/models`,
  };
}

/** The id of the first model that the server lists. Throws a UserError in bench_serving's words. */
export async function fetchModel(
  { modelsUrl }: Target,
  options: BenchOptions,
  signal: AbortSignal,
): Promise<string> {
  let listed: { data?: readonly { id?: unknown }[] };
  try {
    const response = await fetch(modelsUrl, { headers: sideHeaders(options), signal });
    if (!response.ok) throw new Error(await refusalText(response));
    listed = (await response.json()) as typeof listed;
  } catch (error) {
    // Deno tells the reason in the cause alone.
    const why = (error as Error).cause ?? error;
    const { code, message } = why as { code?: string; message: string };
    const advice = /ECONNREFUSED|ConnectionRefused/.test(`${code} ${message}`)
      ? " (nothing listens there; servebench serve starts a server)"
      : tlsAdvice(why);
    throw new UserError(
      `Failed to fetch model from ${modelsUrl}. Error: ${message}${advice}\n` +
        "Please specify the correct host and port using `--host` and `--port`.",
      { cause: error },
    );
  }
  const id = listed?.data?.[0]?.id;
  if (typeof id !== "string") {
    throw new UserError("No model specified or found. Please provide a model using `--model`.");
  }
  return id;
}

async function refusalText(response: Response): Promise<string> {
  const { status, statusText } = response;
  const said = (await response.text()).trim().slice(0, 200);
  const isKey = status === 401 || status === 403;
  const advice = isKey ? " (--api-key or OPENAI_API_KEY gives the server's key)" : "";
  return `HTTP ${[status, statusText, said].filter(Boolean).join(" ")}${advice}`;
}

/** Headers of what is asked beside the load. */
export function sideHeaders({ headers, apiKey }: BenchOptions): Headers {
  const all = new Headers(headers as [string, string][]);
  if (apiKey !== null && !all.has("Authorization")) all.set("Authorization", `Bearer ${apiKey}`);
  return all;
}

/** Makes a request's bytes. */
export function requestWriter(
  target: Target,
  backend: Backend,
  model: string,
  options: BenchOptions,
): (request: BenchRequest) => PreparedRequest {
  const headers = requestHeaders(backend, options);
  return (request) => {
    const { promptLen, outputLen } = request;
    const body = backend.body(request, model, options);
    return {
      promptLen,
      outputLen,
      bytes: postBytes(target.hostHeader, target.path, headers, body),
    };
  };
}

/** bench_serving's headers, less Accept-Encoding: a compressed reply would blur the time of its tokens. */
export function requestHeaders(
  backend: Backend,
  { apiKey, headers }: BenchOptions,
): [string, string][] {
  const usual: [string, string][] = [
    ...(backend.authorized
      ? [["Authorization", `Bearer ${apiKey ?? "None"}`] as [string, string]]
      : []),
    ["Accept", "*/*"],
    ["User-Agent", `servebench/${version}`],
    ["Content-Type", "application/json"],
  ];
  const given = new Set(headers.map(([name]) => name.toLowerCase()));
  const kept = usual.filter(([name]) => !given.has(name.toLowerCase()));
  return [...kept, ...headers.map(([name, value]): [string, string] => [name, value])];
}
