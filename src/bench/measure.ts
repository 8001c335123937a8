/** A load, with what its requests leave behind taken in as they end. */
import { runtime } from "../runtime/index.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { Intake } from "./intake.ts";
import { Display } from "./live/display.ts";
import type { LiveView } from "./live/view.ts";
import { runLoad, type LoadPlan, type LoadResult } from "./load.ts";
import { Measurements } from "./measurements.ts";
import { asksForExactOutput, type BenchOptions } from "./options.ts";
import type { RecordsFile, RunLabel } from "./report/records.ts";
import type { RequestRecord } from "./request.ts";

export interface Measured extends LoadResult {
  readonly measurements: Measurements;
  /** Empty unless they were to be kept. */
  readonly records: readonly RequestRecord[];
}

export interface MeasureOptions {
  readonly options: BenchOptions;
  /** Shows how it goes. */
  readonly view: LiveView | null;
  /** Output tokens that all requests ask for together. */
  readonly tokens: number;
  readonly tokenizer: Tokenizer;
  readonly recordsFile: RecordsFile | null;
  readonly label: RunLabel;
  /** Keeps the records whole. */
  readonly keep: boolean;
}

export async function measure(
  plan: Omit<LoadPlan, "onStart" | "onEnd">,
  { options, view, tokens, tokenizer, recordsFile, label, keep }: MeasureOptions,
): Promise<Measured> {
  const { count } = plan.schedule;
  const gapBeforeFirst = options.compat === "0.2.7";
  const measurements = new Measurements(count, {
    gapBeforeFirst,
    exactOutput: asksForExactOutput(options),
  });
  const intake = new Intake({
    measurements,
    countTokens: (text) => tokenizer.encode(text, { addSpecialTokens: false }).length,
    records: recordsFile && { file: recordsFile, label },
    keep,
  });
  const shown = options.disableTqdm ? null : view;
  const display = shown && new Display(plan, { tokens, gapBeforeFirst }, shown);
  // What making the prompts left behind is not to be cleared away while latencies run, nor the run's while figures are made.
  runtime.collectGarbage();
  try {
    const result = await runLoad({
      ...plan,
      onStart: (progress) => display?.start(progress),
      onEnd: (record) => {
        intake.take(record);
        display?.end(record);
      },
    });
    display?.finish();
    const records = intake.finish();
    runtime.collectGarbage();
    return { ...result, measurements, records };
  } finally {
    display?.close();
  }
}
