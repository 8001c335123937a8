/** SGLang v0.2's published comparison as data: the flags of each run, as published. */

export const recipeNames = ["offline", "online"] as const;
export type RecipeName = (typeof recipeNames)[number];

/** Which recipes each word of the command line means. */
export const recipeWords: Readonly<Record<"offline" | "online" | "all", readonly RecipeName[]>> = {
  offline: ["offline"],
  online: ["online"],
  all: recipeNames,
};

export interface Recipe {
  /** Flags of bench_serving, one line a run; runs are numbered from 1. */
  readonly runs: readonly string[];
  readonly outputFile: string;
  /** The field of the result line, cut at colons, that holds what the comparison shows. */
  readonly field: number;
}

/** Published flags of launch_server beside the model, for the 8B and the 70B model. Other engines had none. */
export const serverFlags = {
  small: "--enable-torch-compile --disable-radix-cache",
  large: "--disable-radix-cache --tp 8",
} as const;

const online = "--random-input 4096 --random-output 1024 --random-range-ratio 0.125";

export const recipes: Readonly<Record<RecipeName, Recipe>> = {
  offline: {
    runs: [
      "--backend sglang --dataset-name random --num-prompts 3000 --random-input 1024 --random-output 1024 --random-range-ratio 0.5",
      "--backend sglang --dataset-name random --num-prompts 3000 --random-input 4096 --random-output 1024 --random-range-ratio 0.5",
      "--backend sglang --dataset-name random --num-prompts 3000 --random-input 1024 --random-output 512 --random-range-ratio 0.5",
      "--backend sglang --dataset-name random --num-prompts 3000 --random-input 4096 --random-output 512 --random-range-ratio 0.5",
      "--backend sglang --num-prompts 3000",
    ],
    outputFile: "sglang_offline_benchmark.jsonl",
    field: 12,
  },
  online: {
    runs: [
      `--backend sglang --dataset-name random ${online} --request-rate 1 --num-prompts 300`,
      `--backend sglang --dataset-name random ${online} --request-rate 2 --num-prompts 600`,
      `--backend sglang --dataset-name random ${online} --request-rate 4 --num-prompts 1200`,
      `--backend sglang --dataset-name random ${online} --request-rate 8 --num-prompts 2400`,
      `--backend sglang --dataset-name random ${online} --request-rate 16 --num-prompts 3200`,
    ],
    outputFile: "sglang_online_benchmark.jsonl",
    field: 9,
  },
};

/** A published run's words with the number of prompts scaled, at least one. */
export function scaledFlags(flags: string, scale: number): string[] {
  const words = flags.split(" ");
  const at = words.indexOf("--num-prompts") + 1;
  return words.with(at, String(Math.max(1, Math.round(Number(words[at]) * scale))));
}
