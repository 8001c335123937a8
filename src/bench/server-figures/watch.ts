/**
 * Asks a server for its figures before, during and after a run: one small request a second, over connections of its
 * own and in this thread. What native threads stamp does not notice.
 */
import { baseUrlOf } from "../options.ts";
import type { BenchOptions } from "../options.ts";
import { sideHeaders } from "../target.ts";
import { lookAt, summarize } from "./figures.ts";
import type { Look, ServerFigures } from "./figures.ts";
import { parseMetrics } from "./prometheus.ts";

const periodMs = 1000;
const timeoutMs = 2000;

export class ServerWatch {
  readonly #base: string;
  readonly #headers: Headers;
  readonly #looks: Look[] = [];
  #info: ServerFigures["info"] = {};
  #stopped = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #underWay: Promise<void> = Promise.resolve();

  /** Looks for the first time. A server that says nothing is not asked again. */
  static async start(options: BenchOptions): Promise<ServerWatch> {
    const watch = new ServerWatch(options);
    if (!options.serverMetrics) return watch;
    await Promise.all([watch.#look(), watch.#readInfo()]);
    if (watch.#looks.length > 0) watch.#goOn();
    return watch;
  }

  private constructor(options: BenchOptions) {
    this.#base = baseUrlOf(options);
    this.#headers = sideHeaders(options);
  }

  /** Looks for the last time. null: the server says nothing of itself. */
  async stop(): Promise<ServerFigures | null> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#underWay;
    if (this.#looks.length > 0) await this.#look();
    return summarize(this.#looks, this.#info);
  }

  #goOn(): void {
    this.#timer = setTimeout(() => {
      this.#underWay = this.#look().then(() => {
        if (!this.#stopped) this.#goOn();
      });
    }, periodMs);
  }

  async #look(): Promise<void> {
    const text = await this.#get("/metrics");
    const look = text === null ? null : lookAt(parseMetrics(text));
    const values = look ? [...Object.values(look.gauges), ...Object.values(look.counters)] : [];
    if (look && values.some((value) => value !== null)) this.#looks.push(look);
  }

  /** SGLang's and servebench's, else vLLM's. */
  async #readInfo(): Promise<void> {
    for (const path of ["/get_server_info", "/version"]) {
      const info = plainValues(await this.#get(path));
      if (info === null) continue;
      this.#info = info;
      return;
    }
  }

  /** null: no such thing there. */
  async #get(path: string): Promise<string | null> {
    try {
      const signal = AbortSignal.timeout(timeoutMs);
      const response = await fetch(this.#base + path, { headers: this.#headers, signal });
      const text = await response.text();
      return response.ok ? text : null;
    } catch {
      return null;
    }
  }
}

/** What a result should say of the server it was measured on. Not all it tells: SGLang lists hundreds of flags, keys among them. */
const infoNames = [
  [
    "version",
    "model_path",
    "served_model_name",
    "device",
    "dtype",
    "quantization",
    "kv_cache_dtype",
  ],
  [
    "tp_size",
    "dp_size",
    "pp_size",
    "max_total_num_tokens",
    "max_running_requests",
    "context_length",
  ],
  [
    "chunked_prefill_size",
    "max_prefill_tokens",
    "mem_fraction_static",
    "page_size",
    "stream_interval",
  ],
  ["schedule_policy", "schedule_conservativeness", "disable_radix_cache", "disable_cuda_graph"],
  ["disable_overlap_schedule", "attention_backend", "sampling_backend", "enable_torch_compile"],
].flat();

/** null: not a JSON object that has any of them. */
function plainValues(text: string | null): ServerFigures["info"] | null {
  let value: unknown;
  try {
    value = JSON.parse(text ?? "");
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const fields = value as Record<string, unknown>;
  const plain = infoNames.filter((name) =>
    ["string", "number", "boolean"].includes(typeof fields[name]),
  );
  if (plain.length === 0) return null;
  return Object.fromEntries(plain.map((name) => [name, fields[name]])) as ServerFigures["info"];
}
