/** Where the Hugging Face Hub and its cache are and how to reach them: the variables that huggingface_hub reads. */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { UserError } from "../user-error.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface HubSettings {
  /** Without a slash at the end. */
  readonly endpoint: string;
  readonly token: string | null;
  /** Where the token comes from, in words; where one would be looked for if there is none. */
  readonly tokenSource: string;
  readonly cacheFolder: string;
  /** Nothing may be asked of the network. */
  readonly offline: boolean;
  /** How long an answer to a question about a repository may be silent. */
  readonly metadataTimeoutMs: number;
  /** How long the bytes of a file may stand still. */
  readonly downloadTimeoutMs: number;
  readonly progressBars: boolean;
}

/** Throws a UserError that names the variable whose value is of no use. */
export function hubSettings(environment: Environment = process.env): HubSettings {
  return {
    endpoint: endpointOf(environment),
    ...tokenOf(environment),
    cacheFolder: cacheFolder(environment),
    offline: isTrue(environment["HF_HUB_OFFLINE"] || environment["TRANSFORMERS_OFFLINE"]),
    metadataTimeoutMs: timeoutMs(environment, "HF_HUB_ETAG_TIMEOUT"),
    downloadTimeoutMs: timeoutMs(environment, "HF_HUB_DOWNLOAD_TIMEOUT"),
    progressBars: !isTrue(environment["HF_HUB_DISABLE_PROGRESS_BARS"]),
  };
}

/** The folder of the cache, which other programs share. */
export function cacheFolder(environment: Environment = process.env): string {
  const { HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE } = environment;
  const named = HF_HUB_CACHE || HUGGINGFACE_HUB_CACHE;
  return named ? expanded(named, environment) : join(homeFolder(environment), "hub");
}

function homeFolder(environment: Environment): string {
  const { HF_HOME, XDG_CACHE_HOME } = environment;
  if (HF_HOME) return expanded(HF_HOME, environment);
  return join(expanded(XDG_CACHE_HOME || "~/.cache", environment), "huggingface");
}

/** "~" and "$NAME" as a shell would have it; unknown names stay. */
function expanded(path: string, environment: Environment): string {
  return path
    .replace(/^~(?=\/|$)/, environment["HOME"] || homedir())
    .replace(/\$(?:(\w+)|\{(\w+)\})/g, (text, bare, braced) => environment[bare ?? braced] ?? text);
}

const isTrue = (text: string | undefined): boolean =>
  ["1", "ON", "YES", "TRUE"].includes((text ?? "").toUpperCase());

function endpointOf({ HF_ENDPOINT }: Environment): string {
  const endpoint = (HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, "");
  const url = URL.canParse(endpoint) ? new URL(endpoint) : null;
  if (url && /^https?:$/.test(url.protocol)) return endpoint;
  throw new UserError(
    `HF_ENDPOINT: '${endpoint}' is not an address; expected one like https://huggingface.co`,
  );
}

function tokenOf(environment: Environment): Pick<HubSettings, "token" | "tokenSource"> {
  const file = expanded(
    environment["HF_TOKEN_PATH"] || join(homeFolder(environment), "token"),
    environment,
  );
  if (isTrue(environment["HF_HUB_DISABLE_IMPLICIT_TOKEN"]))
    return { token: null, tokenSource: "HF_TOKEN (HF_HUB_DISABLE_IMPLICIT_TOKEN must not be set)" };
  for (const name of ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]) {
    const token = cleanToken(environment[name] ?? "", name);
    if (token !== "") return { token, tokenSource: name };
  }
  const token = cleanToken(readIfThere(file), file);
  return token === "" ? { token: null, tokenSource: "HF_TOKEN" } : { token, tokenSource: file };
}

function cleanToken(text: string, source: string): string {
  const token = text.replace(/[\r\n]/g, "").trim();
  if (/^[\x21-\x7e]*$/.test(token)) return token;
  throw new UserError(`${source}: the token holds characters that no token has; copy it again`);
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function timeoutMs(environment: Environment, name: string): number {
  const text = environment[name] || "10";
  const seconds = Number(text);
  if (seconds > 0) return Math.min(seconds * 1000, 2 ** 31 - 1);
  throw new UserError(`${name}: '${text}' is not a number of seconds above 0`);
}
