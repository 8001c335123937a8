/** A load, with what its requests leave behind taken in as they end. */
import { runtime } from "../runtime/index.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { Intake } from "./intake.ts";
import { runLoad, type LoadPlan, type LoadResult } from "./load.ts";
import { Measurements } from "./measurements.ts";
import { asksForExactOutput, type BenchOptions } from "./options.ts";
import { Progress, type ProgressScreen } from "./report/progress.ts";
import type { RecordsFile, RunLabel } from "./report/records.ts";
import type { RequestRecord } from "./request.ts";

export interface Measured extends LoadResult {
  readonly measurements: Measurements;
  /** Empty unless they were to be kept. */
  readonly records: readonly RequestRecord[];
}

export interface MeasureOptions {
  readonly options: BenchOptions;
  readonly screen: ProgressScreen;
  readonly tokenizer: Tokenizer;
  readonly recordsFile: RecordsFile | null;
  readonly label: RunLabel;
  /** Keeps the records whole. */
  readonly keep: boolean;
}

export async function measure(
  plan: Omit<LoadPlan, "onSent" | "onEnd">,
  { options, screen, tokenizer, recordsFile, label, keep }: MeasureOptions,
): Promise<Measured> {
  const { count } = plan.schedule;
  const measurements = new Measurements(count, {
    gapBeforeFirst: options.compat === "0.2.7",
    exactOutput: asksForExactOutput(options),
  });
  const intake = new Intake({
    measurements,
    countTokens: (text) => tokenizer.encode(text, { addSpecialTokens: false }).length,
    records: recordsFile && { file: recordsFile, label },
    keep,
  });
  // What making the prompts left behind is not to be cleared away while latencies run, nor the run's while figures are made.
  runtime.collectGarbage();
  const progress = new Progress(count, screen, !options.disableTqdm);
  const result = await runLoad({
    ...plan,
    onSent: (sent) => (progress.sent = sent),
    onEnd: (record) => {
      intake.take(record);
      progress.ended++;
      if (record.failure) progress.failed++;
    },
  });
  progress.close();
  const records = intake.finish();
  runtime.collectGarbage();
  return { ...result, measurements, records };
}
