/**
 * The figures that SGLang v0.2's comparison was published with, for the tables and charts of a reproduction. They were
 * given as charts only, and are read off them: bars within 20 token/s (8B) and 40 token/s (70B), latencies within 0.3 s.
 * Source: "Achieving Faster Open-Source Llama3 Serving with SGLang Runtime", lmsys.org, 2024-07-25.
 */

export interface PublishedSystem {
  readonly name: string;
  /** Output tokens a second of the five offline runs; null: the published bar cannot be right. */
  readonly offline: readonly (number | null)[];
  /** Median end-to-end latency of the five online runs, in seconds. */
  readonly onlineS: readonly number[];
}

export interface PublishedModel {
  readonly model: string;
  readonly hardware: string;
  readonly systems: readonly PublishedSystem[];
}

export const llama8b: PublishedModel = {
  model: "Llama 3 8B (bf16)",
  hardware: "one A100 80 GB",
  systems: [
    {
      name: "SGLang",
      offline: [4298, null, 4550, null, 4046],
      onlineS: [7.2, 8.5, 11.7, 47.9, 162],
    },
    {
      name: "TensorRT-LLM",
      offline: [4393, null, 4676, null, 3920],
      onlineS: [7.8, 9.2, 10.6, 54.8, 160],
    },
    {
      name: "vLLM",
      offline: [1998, null, 2061, null, 1966],
      onlineS: [9.6, 12.7, 50.1, 258, 474],
    },
  ],
};

export const llama70b: PublishedModel = {
  model: "Llama 3 70B (FP8)",
  hardware: "eight H100, tensor parallel",
  systems: [
    {
      name: "SGLang",
      offline: [7695, null, 8750, null, 6288],
      onlineS: [7.8, 8.8, 9.7, 19.9, 94.7],
    },
    {
      name: "TensorRT-LLM",
      offline: [6640, null, 6148, null, 4882],
      onlineS: [8.1, 9.1, 13.3, 24.6, 80.6],
    },
    {
      name: "vLLM",
      offline: [2420, null, 2349, null, 1998],
      onlineS: [8.4, 10.7, 15.8, 117, 273],
    },
  ],
};

/** The published figures that a model's are put beside. Models of other sizes get the small one's, for scale. */
export function publishedFor(model: string): PublishedModel {
  return isLarge(model) ? llama70b : llama8b;
}

export const isLarge = (model: string): boolean => /70b/i.test(model);

/** Whether figures of the model could be compared with the published ones at all. */
export const isPublishedModel = (model: string): boolean => /llama.*3(\.\d)?-(8|70)b/i.test(model);

export const publishedNote = ({ model, hardware }: PublishedModel): string =>
  `Published figures are of ${model} on ${hardware}: SGLang 0.2.7, TensorRT-LLM in Triton 24.06 and vLLM 0.5.2, ` +
  `read off the charts of July 2024 (bars within ${model.includes("70B") ? 40 : 20} token/s, latencies within 0.3 s).`;

export const leftOutNote =
  "The published bars of offline 2 and 4 (inputs of 2048 to 4096 tokens) are left out: they would need more arithmetic " +
  "than the GPUs have (617 TFLOP/s of an A100 whose peak is 312; 1230 TFLOP/s of an H100, for which about 1040 is the best " +
  "ever published), so these lengths cannot have been what was run.";
