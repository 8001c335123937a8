/** Before the clock starts: requests that wake the server up, and its prefix cache emptied. */
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../user-error.ts";
import { collectLoad } from "./load.ts";
import type { LoadPlan } from "./load.ts";
import { baseUrlOf } from "./options.ts";
import type { BenchOptions } from "./options.ts";
import { failureText } from "./request.ts";
import { onceEach } from "./schedule.ts";
import type { PreparedRequest } from "./schedule.ts";
import { sideHeaders } from "./target.ts";

/** The first request, whole, so many times at once (bench_serving: once). @throws UserError when one fails. */
export async function warmUp(
  plan: Omit<LoadPlan, "schedule">,
  first: PreparedRequest,
  times: number,
): Promise<void> {
  const { records } = await collectLoad({
    ...plan,
    schedule: onceEach(new Float64Array(times), () => first),
  });
  const failure = records.find((record) => record.failure !== null)?.failure;
  if (!failure || failure.class === "interrupted") return;
  throw new UserError(
    "Initial test run failed - Please make sure benchmark arguments are correctly specified. " +
      `Error: ${failureText(failure)}`,
  );
}

/** A server refuses while it still has the warm-up's last steps in hand; so long it is asked again. */
const flushTriesMs = 10_000;
const flushPauseMs = 200;

/** SGLang's and servebench's POST /flush_cache. @throws UserError when the cache cannot be emptied. */
export async function flushCache(options: BenchOptions, signal: AbortSignal): Promise<void> {
  const url = `${baseUrlOf(options)}/flush_cache`;
  const startMs = performance.now();
  for (;;) {
    const answer = await post(url, options, signal);
    if (answer === null || signal.aborted) return;
    if (answer.busy && performance.now() - startMs < flushTriesMs) await sleep(flushPauseMs);
    else throw new UserError(`--flush-cache: ${url} ${answer.says}; leave the flag out.`);
  }
}

/** null: done. */
async function post(url: string, options: BenchOptions, signal: AbortSignal) {
  try {
    const response = await fetch(url, { method: "POST", headers: sideHeaders(options), signal });
    const text = (await response.text()).trim().slice(0, 200);
    if (response.ok) return null;
    return { busy: response.status === 400, says: `answers ${response.status} ${text}`.trim() };
  } catch (error) {
    return { busy: false, says: `does not answer (${(error as Error).message})` };
  }
}
