/** The shape of the load that options ask for: when requests come, how many are under way at once, for how long. */
import seedrandom from "seedrandom";
import { UsageError } from "../user-error.ts";
import { countedTimes, timesWithin } from "./arrivals.ts";
import type { Arrivals, RequestRate } from "./arrivals.ts";
import type { BenchOptions } from "./options.ts";
import { float, floatRepr } from "./python-values.ts";
import type { PythonValue } from "./python-values.ts";
import type { NumpyRandom } from "./random/numpy.ts";
import { onceEach, roundAndRound } from "./schedule.ts";
import type { PreparedRequest, Schedule } from "./schedule.ts";

/** @throws UsageError that names the flags that do not go together. */
export function checkLoadShape(options: BenchOptions): void {
  const { rampUpStrategy: strategy, rampUpStartRps: from, rampUpEndRps: to } = options;
  const { requestRate, maxConcurrency, duration, multi } = options;
  if (strategy !== null && !(from !== null && to !== null && from > 0 && to > 0)) {
    throw new UsageError(
      "--ramp-up-strategy needs --ramp-up-start-rps and --ramp-up-end-rps, both above 0.",
    );
  }
  if (strategy === null && (from !== null || to !== null)) {
    throw new UsageError(
      "--ramp-up-start-rps and --ramp-up-end-rps need --ramp-up-strategy linear or exponential.",
    );
  }
  if (strategy !== null && (multi || requestRate.perSecond !== Infinity)) {
    throw new UsageError(
      "--ramp-up-strategy sets the rates itself; leave out --request-rate and --multi.",
    );
  }
  if (!(options.burstiness > 0)) {
    throw new UsageError(`--burstiness: ${options.burstiness} is not above 0.`);
  }
  const hasRate = strategy !== null || multi || requestRate.perSecond !== Infinity;
  if (!hasRate && options.burstiness !== 1) {
    throw new UsageError("--burstiness shapes arrivals at a rate; give --request-rate too.");
  }
  if (duration !== null && !hasRate && maxConcurrency === null) {
    throw new UsageError(
      "--duration needs --request-rate, --max-concurrency or a ramp: without one of them there is no end to what is sent at once.",
    );
  }
}

export function arrivalsOf(options: BenchOptions, rate: RequestRate): Arrivals {
  const { burstiness, rampUpStrategy: strategy, rampUpStartRps: from, rampUpEndRps: to } = options;
  const ramp = strategy && { strategy, startPerSecond: from!, endPerSecond: to! };
  return { rate, burstiness, ramp };
}

/** `request` gives a request of the data set; those of a later round of `--duration` are to be new to the server. */
export function scheduleOf(
  options: BenchOptions,
  rate: RequestRate,
  numpy: NumpyRandom,
  requests: number,
  request: (index: number, round: number) => PreparedRequest,
): Schedule {
  const arrivals = arrivalsOf(options, rate);
  const draws = { gaps: numpy, random: seedrandom(`arrivals ${options.seed}`) };
  if (options.duration === null) {
    return onceEach(countedTimes(arrivals, requests, draws), (index) => request(index, 0));
  }
  return roundAndRound(requests, timesWithin(arrivals, options.duration, draws), request);
}

/** What the result line says of a shape that bench_serving does not have; nothing where it is bench_serving's. */
export function loadShapeFields(options: BenchOptions): Record<string, PythonValue> {
  const { burstiness, rampUpStrategy, maxConcurrency, duration } = options;
  return {
    ...(burstiness === 1 ? {} : { burstiness: finite(burstiness) }),
    ...(rampUpStrategy === null
      ? {}
      : {
          ramp_up_strategy: rampUpStrategy,
          ramp_up_start_rps: float(options.rampUpStartRps!),
          ramp_up_end_rps: float(options.rampUpEndRps!),
        }),
    ...(maxConcurrency === null ? {} : { max_concurrency: maxConcurrency }),
    ...(duration === null
      ? {}
      : { send_duration: float(duration), grace_period: finite(options.gracePeriod) }),
    ...(options.connection === "close" ? {} : { connection: options.connection }),
    ...(options.salt === null ? {} : { salt: options.salt }),
  };
}

/** Strict JSON has no infinity; vLLM writes it as text too. */
const finite = (value: number): PythonValue => (Number.isFinite(value) ? float(value) : "inf");

/** The same for the table: label and value. */
export function loadShapeRows(options: BenchOptions): [label: string, value: string][] {
  const { burstiness, rampUpStrategy, maxConcurrency, duration } = options;
  const rows: [string, string][] = [];
  if (burstiness !== 1) {
    const kind = burstiness === Infinity ? "constant gaps" : floatRepr(burstiness);
    rows.push(["Burstiness (1 is Poisson):", kind]);
  }
  if (rampUpStrategy !== null) {
    const rates = [options.rampUpStartRps!, options.rampUpEndRps!].map(floatRepr).join(" to ");
    rows.push([`Rate, ${rampUpStrategy} ramp (req/s):`, rates]);
  }
  if (maxConcurrency !== null) rows.push(["Max request concurrency:", String(maxConcurrency)]);
  if (duration !== null) rows.push(["Time to send in (s):", floatRepr(duration)]);
  return rows;
}
