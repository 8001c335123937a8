/** The line in which bench_serving prints its arguments. */
import type { BenchOptions } from "../options.ts";
import { portOf } from "../options.ts";
import { float, repr } from "../python-values.ts";
import type { PythonScalar } from "../python-values.ts";

export function namespaceLine(options: BenchOptions, model: string): string {
  const { requestRate, extraRequestBody } = options;
  const args: Record<string, PythonScalar> = {
    backend: options.backend,
    base_url: options.baseUrl,
    host: options.host,
    port: portOf(options),
    dataset_name: options.datasetName,
    dataset_path: options.datasetPath,
    model,
    tokenizer: options.tokenizer,
    num_prompts: options.numPrompts,
    sharegpt_output_len: options.sharegptOutputLen,
    random_input_len: options.randomInputLen,
    random_output_len: options.randomOutputLen,
    random_range_ratio: float(options.randomRangeRatio),
    request_rate: float(requestRate.perSecond),
    seed: options.seed,
    disable_tqdm: options.disableTqdm,
    multi: options.multi,
    request_rate_range: options.requestRateRange,
    output_file: options.outputFile,
    disable_stream: options.disableStream,
    disable_ignore_eos: options.disableIgnoreEos,
    ...(options.compat === "0.2.7" ? {} : { extra_request_body: extraRequestBody }),
  };
  const fields = Object.entries(args).map(([name, value]) => `${name}=${repr(value)}`);
  return `Namespace(${fields.join(", ")})\n`;
}
