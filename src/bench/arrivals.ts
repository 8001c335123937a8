/**
 * When requests are due. A schedule is data, computed before the clock starts: the send loop knows
 * neither rates nor distributions.
 */
import { UsageError } from "../user-error.ts";
import type { RampStrategy } from "./options.ts";
import { gamma } from "./random/gamma.ts";

/** Requests per second. `integer` is how Python would hold it, and so print it: 2, not 2.0. */
export interface RequestRate {
  readonly perSecond: number;
  readonly integer: boolean;
}

/** A source of exponentially distributed gaps with mean `scale`. */
export interface GapSource {
  exponential(scale: number): number;
}

/**
 * Due times in seconds from the start of the run, ascending, the first at 0: a Poisson process, or all
 * zeros for an infinite rate. bench_serving sleeps these gaps one after another, so that its delays add
 * up; here each time is absolute. It also draws (and waits for) one gap after the last request: it is
 * drawn here too, since the next run of `--multi` goes on with the same generator, but not waited for.
 */
export function arrivalTimes(rate: RequestRate, count: number, gaps: GapSource): Float64Array {
  const dueS = new Float64Array(count);
  if (rate.perSecond === Infinity) return dueS;
  const scale = 1 / rate.perSecond;
  let elapsedS = 0;
  for (let i = 0; i < count; i++) {
    dueS[i] = elapsedS;
    elapsedS += gaps.exponential(scale);
  }
  return dueS;
}

/** How requests arrive. */
export interface Arrivals {
  readonly rate: RequestRate;
  /**
   * Shape of the gamma distribution of gaps, as of vLLM: 1 is a Poisson process, less comes in bursts, more is more
   * even, Infinity is constant.
   */
  readonly burstiness: number;
  /** In place of the rate. */
  readonly ramp: Ramp | null;
}

/** A rate that goes from one value to another: in equal steps, or in equal proportions. */
export interface Ramp {
  readonly strategy: RampStrategy;
  readonly startPerSecond: number;
  readonly endPerSecond: number;
}

/** Where the random numbers come from: numpy's for what bench_serving draws too, ours for the rest. */
export interface Draws {
  readonly gaps: GapSource;
  /** In [0, 1). */
  readonly random: () => number;
}

/** Due times of `count` requests, ascending, the first at 0. A ramp goes from the first request to the last, as vLLM's. */
export function countedTimes(arrivals: Arrivals, count: number, draws: Draws): Float64Array {
  const { rate, ramp, burstiness } = arrivals;
  if (ramp === null && burstiness === 1) return arrivalTimes(rate, count, draws.gaps);
  const next = gapAfter(arrivals, draws);
  const dueS = new Float64Array(count);
  for (let i = 1; i < count; i++) dueS[i] = dueS[i - 1]! + next(i / (count - 1));
  return dueS;
}

/**
 * Due times before `durationS`, the first at 0; null at an infinite rate, where there is always one more. A ramp goes
 * from the beginning to the end of the time.
 */
export function timesWithin(
  arrivals: Arrivals,
  durationS: number,
  draws: Draws,
): Float64Array | null {
  if (arrivals.ramp === null && arrivals.rate.perSecond === Infinity) return null;
  const next = gapAfter(arrivals, draws);
  const dueS: number[] = [];
  for (let at = 0; at < durationS; at += next(at / durationS)) dueS.push(at);
  return Float64Array.from(dueS);
}

/** Draws a gap, where `progress` of the run, from 0 to 1, is behind. */
function gapAfter({ rate, ramp, burstiness }: Arrivals, { gaps, random }: Draws) {
  return (progress: number): number => {
    const meanS = 1 / (ramp ? rampRate(ramp, progress) : rate.perSecond);
    if (burstiness === 1) return gaps.exponential(meanS);
    if (burstiness === Infinity || meanS === 0) return meanS;
    return gamma(burstiness, meanS / burstiness, random);
  };
}

export function rampRate(
  { strategy, startPerSecond: from, endPerSecond: to }: Ramp,
  progress: number,
): number {
  return strategy === "linear" ? from + (to - from) * progress : from * (to / from) ** progress;
}

/**
 * The rates of `--multi`, from `--request-rate-range`: exactly three integers are start, stop (exclusive)
 * and step, any other number of integers is the list itself. Throws a UsageError that says what is wrong.
 */
export function parseRateRange(text: string): RequestRate[] {
  const numbers = text.split(",").map((part) => {
    if (!/^\s*[+-]?\d+\s*$/.test(part)) {
      throw new UsageError(
        `--request-rate-range: '${part}' is not an integer; give start,stop,step or a list of other than three rates.`,
      );
    }
    return Number(part);
  });
  const rates = numbers.length === 3 ? range(numbers[0]!, numbers[1]!, numbers[2]!) : numbers;
  if (rates.length === 0) {
    throw new UsageError(`--request-rate-range: '${text}' holds no rate; the stop is exclusive.`);
  }
  if (rates.some((rate) => rate <= 0)) {
    throw new UsageError(`--request-rate-range: '${text}' holds a rate that is not above 0.`);
  }
  return rates.map((perSecond) => ({ perSecond, integer: true }));
}

function range(start: number, stop: number, step: number): number[] {
  if (step === 0) throw new UsageError("--request-rate-range: the step must not be 0.");
  const length = Math.max(0, Math.ceil((stop - start) / step));
  return Array.from({ length }, (_, i) => start + i * step);
}
