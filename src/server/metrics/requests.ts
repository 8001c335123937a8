/** What is counted of every request, whichever endpoint it came by: one meter for each generation. */
import { Counter, type Registry } from "prom-client";
import { buckets } from "./buckets.ts";
import { Histogram, type Labels, registerHistogram } from "./histogram.ts";

/** How a request went, once it has ended. */
export interface RequestSummary {
  readonly isStreaming: boolean;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  readonly isAborted: boolean;
  readonly seconds: number;
}

export class RequestMetrics {
  readonly timeToFirstToken = new Histogram(buckets.timeToFirstTokenS);
  readonly interTokenLatency = new Histogram(buckets.interTokenLatencyS);
  readonly queueTime = new Histogram(buckets.queueTimeS);
  readonly promptTokens = new Histogram(buckets.tokens);
  readonly uncachedPromptTokens = new Histogram(buckets.tokens);
  readonly generationTokens = new Histogram(buckets.tokens);
  /** Index 0: whole answers, 1: streamed ones. */
  readonly e2eLatency = [new Histogram(buckets.e2eLatencyS), new Histogram(buckets.e2eLatencyS)];
  readonly ended = [0, 0];
  aborted = 0;
  promptTokensTotal = 0;
  generationTokensTotal = 0;
  cachedTokensTotal = 0;

  /** A request begins, with its prompt in ids. */
  begin(promptTokens: number, isStreaming: boolean): RequestMeter {
    return new RequestMeter(this, promptTokens, isStreaming);
  }

  add(summary: RequestSummary): void {
    const { promptTokens, cachedTokens, outputTokens } = summary;
    this.promptTokensTotal += promptTokens;
    this.cachedTokensTotal += cachedTokens;
    if (summary.isAborted) this.aborted++;
    this.promptTokens.observe(promptTokens);
    this.uncachedPromptTokens.observe(promptTokens - cachedTokens);
    this.generationTokens.observe(outputTokens);
    const kind = summary.isStreaming ? 1 : 0;
    this.ended[kind]!++;
    this.e2eLatency[kind]!.observe(summary.seconds);
  }
}

/** Watches one request from begin to end; times are in milliseconds. */
export class RequestMeter {
  private readonly metrics: RequestMetrics;
  private readonly promptTokens: number;
  private readonly isStreaming: boolean;
  private readonly beginMs = performance.now();
  private lastTokenMs = 0;
  private cachedTokens: number | null = null;
  private outputTokens = 0;

  constructor(metrics: RequestMetrics, promptTokens: number, isStreaming: boolean) {
    this.metrics = metrics;
    this.promptTokens = promptTokens;
    this.isStreaming = isStreaming;
  }

  /** Only the first time counts: a retracted request has waited and found its cached tokens already. */
  admitted(cachedTokens: number): void {
    if (this.cachedTokens !== null) return;
    this.cachedTokens = cachedTokens;
    this.metrics.queueTime.observe((performance.now() - this.beginMs) / 1000);
  }

  token(): void {
    const nowMs = performance.now();
    const { metrics, lastTokenMs } = this;
    metrics.generationTokensTotal++;
    if (this.outputTokens++ === 0) metrics.timeToFirstToken.observe((nowMs - this.beginMs) / 1000);
    else metrics.interTokenLatency.observe((nowMs - lastTokenMs) / 1000);
    this.lastTokenMs = nowMs;
  }

  end(isAborted: boolean): RequestSummary {
    const { isStreaming, promptTokens, outputTokens } = this;
    const cachedTokens = this.cachedTokens ?? 0;
    const seconds = (performance.now() - this.beginMs) / 1000;
    const summary = {
      isStreaming,
      promptTokens,
      cachedTokens,
      outputTokens,
      isAborted,
      seconds,
    };
    this.metrics.add(summary);
    return summary;
  }
}

/** Everything of `RequestMetrics`, under SGLang's names. */
export function registerRequests(
  registry: Registry,
  metrics: RequestMetrics,
  labels: Labels,
): void {
  registerCounts(registry, metrics, labels);
  const histogram = (name: string, help: string, values: Histogram) =>
    registerHistogram(registry, `sglang:${name}`, help, [[labels, values]]);
  histogram(
    "time_to_first_token_seconds",
    "Time from a tokenized request to its first token.",
    metrics.timeToFirstToken,
  );
  histogram(
    "inter_token_latency_seconds",
    "Time between two tokens of a request.",
    metrics.interTokenLatency,
  );
  histogram(
    "queue_time_seconds",
    "Time that a request waited before it first ran.",
    metrics.queueTime,
  );
  histogram("prompt_tokens_histogram", "Prompt lengths of ended requests.", metrics.promptTokens);
  histogram(
    "uncached_prompt_tokens_histogram",
    "Prompt lengths without what the prefix cache spared.",
    metrics.uncachedPromptTokens,
  );
  histogram(
    "generation_tokens_histogram",
    "Output lengths of ended requests.",
    metrics.generationTokens,
  );
  registerHistogram(
    registry,
    "sglang:e2e_request_latency_seconds",
    "Time from a tokenized request to its end.",
    byStreaming(labels).map((own, kind) => [own, metrics.e2eLatency[kind]!]),
  );
}

function registerCounts(registry: Registry, metrics: RequestMetrics, labels: Labels): void {
  const counter = (name: string, help: string, values: () => readonly [Labels, number][]) => {
    const labelNames = Object.keys(values()[0]![0]);
    registry.registerMetric(
      new Counter({
        name: `sglang:${name}`,
        help,
        labelNames,
        registers: [],
        collect() {
          this.reset();
          for (const [own, value] of values()) this.inc(own, value);
        },
      }),
    );
  };
  counter("prompt_tokens_total", "Prompt tokens of ended requests.", () => [
    [labels, metrics.promptTokensTotal],
  ]);
  counter("generation_tokens_total", "Generated tokens.", () => [
    [labels, metrics.generationTokensTotal],
  ]);
  counter("cached_tokens_total", "Prompt tokens that the prefix cache spared.", () => [
    [{ ...labels, cache_source: "device" }, metrics.cachedTokensTotal],
  ]);
  counter("num_requests_total", "Requests that have ended, aborted ones included.", () =>
    byStreaming(labels).map((own, kind) => [own, metrics.ended[kind]!]),
  );
  counter("num_aborted_requests_total", "Requests that ended early.", () => [
    [labels, metrics.aborted],
  ]);
}

const byStreaming = (labels: Labels): Labels[] =>
  ["false", "true"].map((value) => ({ ...labels, is_streaming: value }));
