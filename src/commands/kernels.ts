/** `servebench kernels`: the kernels of the native program, checked and measured one by one. */
import { exitCode } from "../exit-code.ts";
import { Device, isas, usableIsas, type Dtype, type Isa } from "../program/index.ts";
import { UserError } from "../user-error.ts";
import { version } from "../version.ts";
import { defineCommand, type CommandIo } from "./command.ts";
import { choiceFlag, intFlag, switchFlag, textFlag, type FlagValues } from "./flags.ts";

const flags = {
  model: textFlag("Whose shapes: a preset, a folder or org/name; weights are drawn.", {
    placeholder: "PATH",
    default: "preset:llama-3.2-1b",
  }),
  batch: intFlag("Requests in the step, one token each.", { default: 1, min: 1, max: 4096 }),
  context: intFlag("Tokens that each of them has in the KV cache, the step's own included.", {
    default: 1024,
    min: 1,
    max: 1 << 20,
  }),
  dtype: choiceFlag(
    "What weights and KV cache are stored in; auto: as the model's.",
    ["auto", "bfloat16", "float32"],
    { default: "auto" },
  ),
  isa: choiceFlag("Kernels of which instruction set.", ["auto", ...isas], { default: "auto" }),
  json: switchFlag("One JSON object instead of a table."),
} as const;

export const kernels = defineCommand({
  name: "kernels",
  summary: "check and measure the native kernels at a model's shapes",
  description:
    "Runs each operation of one decoding step of a model alone, on all threads of the CPU backend: checks it against float64, and measures its best time of several, with weights and " +
    "KV cache that no processor cache holds. Memory's bandwidth is the fastest that the same threads read, or add, large arrays. Exit code 1 if a kernel is wrong. " +
    "Nothing else should run meanwhile.",
  examples: [
    {
      line: "servebench kernels",
      says: "one request of 1024 tokens with the shapes of Llama 3.2 1B",
    },
    {
      line: "servebench kernels --model preset:llama-3.1-8b --batch 16 --context 4096 --json",
      says: "16 requests of 4096 tokens with those of Llama 3.1 8B",
    },
  ],
  flags,
  run: measureAll,
});

async function measureAll(values: FlagValues<typeof flags>, io: CommandIo): Promise<number> {
  const { batch, context, json } = values;
  const isa: Isa = values.isa;
  const { kernelsOf } = await import("../kernels/of-model.ts");
  const { measure, memoryBandwidth } = await import("../kernels/measure.ts");
  const { figuresOf, kernelTable } = await import("../kernels/report.ts");
  const { config, dtype } = await shapesOf(values, io);
  const device = deviceOf(isa);
  const all = kernelsOf(config, dtype, { batch, context });
  checkMemory(all);
  const before = memoryBandwidth(isa);
  const measured = [];
  for (const [index, kernel] of all.entries()) {
    if (io.isTerminal) io.stderr(`\r\u001b[K${index + 1} of ${all.length}: ${kernel.name}`);
    await new Promise(setImmediate); // for Ctrl-C
    if (io.signal.aborted) break;
    measured.push(measure(kernel, { batch, context }, isa));
  }
  if (io.isTerminal) io.stderr("\r\u001b[K");
  // Machines are not equally busy all the time.
  const memory = Math.max(before, memoryBandwidth(isa));
  const figures = measured.map((one) => figuresOf(one, memory));
  const memoryGbPerS = memory / 1e9;
  const about = { model: values.model, dtype, batch, context, ...device };
  if (json) {
    const result = { version, ...about, memory_gb_per_s: memoryGbPerS, kernels: figures };
    io.stdout(`${JSON.stringify(result)}\n`);
  } else {
    const requests = batch === 1 ? "1 request" : `${batch} requests`;
    io.stdout(
      `${values.model}, ${dtype}: a step of ${requests} at ${context} tokens\n` +
        `cpu, ${device.isa} kernels, ${device.threads} threads; this machine has ${device.isas.join(", ")} (--isa)\n` +
        `memory: ${memoryGbPerS.toFixed(1)} GB/s, the faster of reading and of adding arrays\n\n` +
        kernelTable(figures, io.output),
    );
  }
  if (io.signal.aborted) return exitCode.interrupted;
  return figures.every(({ ok }) => ok) ? exitCode.success : exitCode.failure;
}

async function shapesOf(values: FlagValues<typeof flags>, io: CommandIo) {
  const { resolveModel } = await import("../hub/resolve.ts");
  const { parseConfig } = await import("../model/index.ts");
  const user = {
    stderr: io.stderr,
    isTerminal: io.isTerminal,
    columns: io.columns,
    signal: io.signal,
    note: (line: string) => io.stderr(`${line}\n`),
  };
  try {
    const found = await resolveModel(values.model, { loadFormat: "dummy", user });
    const config = parseConfig(found.config);
    const stored = values.dtype === "auto" ? config.storedDtype : values.dtype;
    const dtype: Dtype = stored === "bfloat16" ? "bf16" : "f32";
    return { config, dtype };
  } catch (error) {
    throw new UserError(`--model: ${(error as Error).message}`, { cause: error });
  }
}

/** @throws UserError if the machine has no kernels of this instruction set. */
function deviceOf(isa: Isa) {
  try {
    const device = new Device("cpu", { isa });
    const { isa: name, threads } = device.describe();
    device.close();
    return { isa: name, threads, isas: usableIsas() };
  } catch (error) {
    throw new UserError((error as Error).message, { cause: error });
  }
}

/** A weight is there twice for a moment: as drawn, and as the kernels want it. */
function checkMemory(all: readonly { readonly bytes: number }[]): void {
  const needed = 2 * Math.max(...all.map(({ bytes }) => bytes));
  const free = process.availableMemory();
  if (needed <= free) return;
  throw new UserError(
    `these shapes need ${gib(needed)} GiB of memory, and ${gib(free)} are free; take a smaller --model, --batch or --context`,
  );
}

const gib = (bytes: number): string => (bytes / 2 ** 30).toFixed(1);
