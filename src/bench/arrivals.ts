/**
 * When requests are due. A schedule is data, computed before the clock starts: the send loop knows
 * neither rates nor distributions.
 */
import { UsageError } from "../user-error.ts";

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
