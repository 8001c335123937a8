/** The systems of `servebench reproduce`: how they are named on the command line. */
import { backends, type BackendName } from "../bench/options.ts";
import { isLarge } from "../bench/reproduce/published.ts";
import { serverFlags } from "../bench/reproduce/recipes.ts";
import { recognise, templateOf } from "../launch/index.ts";
import { nearest } from "../nearest.ts";
import { UsageError } from "../user-error.ts";

/** One that runs already. */
export interface RunningSystem {
  readonly kind: "running";
  readonly name: string;
  readonly baseUrl: string;
  readonly backend: BackendName;
  /** null: the first that it lists. */
  readonly model: string | null;
  readonly tokenizer: string | null;
}

/** One to start, for each model. */
export interface LaunchedSystem {
  readonly kind: "launch";
  readonly name: string;
  readonly template: string;
  readonly args: readonly string[];
}
export type System = RunningSystem | LaunchedSystem;

export const systemForms =
  "NAME=URL, with ,backend=B ,model=M ,tokenizer=T after it where need be, or NAME=launch:KIND and its flags";

/** @throws UsageError that completes the sentence "--system: ..." */
export function parseSystem(text: string): System {
  const [, name, what] = /^([\w.-]+)=(.+)$/s.exec(text.trim()) ?? [];
  if (name === undefined || what === undefined) {
    throw new UsageError(`'${text}' is not ${systemForms}`);
  }
  if (!what.startsWith("launch:")) return parseRunning(name, what);
  const [template, ...args] = what.slice("launch:".length).split(/\s+/);
  return { kind: "launch", name, template: templateOf(template!).name, args };
}

const options = ["backend", "model", "tokenizer"] as const;

function parseRunning(name: string, text: string): RunningSystem {
  const [baseUrl, ...more] = text.split(",");
  if (!/^https?:\/\/./.test(baseUrl!)) {
    throw new UsageError(`'${baseUrl}' is neither an address, http://HOST:PORT, nor launch:KIND`);
  }
  const given = new Map(
    more.map((part) => {
      const [, key, value] = /^(\w+)=(.+)$/.exec(part) ?? [];
      if (options.some((option) => option === key)) return [key, value!];
      const near = nearest(key ?? part, options);
      throw new UsageError(`'${part}' of '${name}' is not one of ${options.join("=, ")}=${near}`);
    }),
  );
  const backend = given.get("backend") ?? "sglang";
  if (!(backends as readonly string[]).includes(backend)) {
    const near = nearest(backend, backends);
    throw new UsageError(
      `backend '${backend}' of '${name}' is not one of ${backends.join(", ")}${near}`,
    );
  }
  return {
    kind: "running",
    name,
    baseUrl: baseUrl!,
    backend: backend as BackendName,
    model: given.get("model") ?? null,
    tokenizer: given.get("tokenizer") ?? null,
  };
}

/** @throws UsageError for two of one name: they could not be told apart. */
export function checkNames(systems: readonly System[]): void {
  const names = systems.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new UsageError(`--system: two are called '${twice}'; rename one`);
}

export function backendOf(system: System): string {
  if (system.kind === "running") return system.backend;
  const { template, args } = system;
  return (template === "command" ? recognise(args) : templateOf(template)).backend;
}

/** What is started where no model is named: the published one, or its shape with pseudo-random weights. */
export function usualModel({ template }: LaunchedSystem): string {
  return template === "servebench"
    ? "preset:llama-3.1-8b"
    : "meta-llama/Meta-Llama-3.1-8B-Instruct";
}

/** The flags that the comparison was published with; other engines ran with their defaults. */
export function publishedFlags({ template }: LaunchedSystem, model: string): string[] {
  if (template === "servebench") return serverFlags.small.split(" "); // it runs on one device
  if (template !== "sglang") return [];
  return (isLarge(model) ? serverFlags.large : serverFlags.small).split(" ");
}
