/** What was measured of kernels, as a table and as JSON. */
import type { TerminalStyle } from "../terminal/style.ts";
import { fittedTable } from "../terminal/table.ts";
import type { Measured } from "./measure.ts";

export interface KernelFigures {
  readonly kernel: string;
  readonly shape: string;
  readonly per_step: number;
  readonly seconds: number;
  readonly bytes: number;
  readonly flops: number;
  readonly gb_per_s: number;
  readonly gflop_per_s: number;
  /** Of the machine's memory bandwidth; null where the values come from the processor's caches. */
  readonly memory_share: number | null;
  /** Of what rounding may cost; above 1 the kernel is wrong. null: not finite. */
  readonly error: number | null;
  readonly ok: boolean;
}

export function figuresOf(
  { kernel, seconds, error }: Measured,
  memoryBytesPerS: number,
): KernelFigures {
  const { name, shape, perStep, bytes, flops, fromMemory } = kernel;
  return {
    kernel: name,
    shape,
    per_step: perStep,
    seconds,
    bytes,
    flops,
    gb_per_s: bytes / seconds / 1e9,
    gflop_per_s: flops / seconds / 1e9,
    memory_share: fromMemory ? bytes / seconds / memoryBytesPerS : null,
    error: Number.isFinite(error) ? error : null,
    ok: error <= 1,
  };
}

export function kernelTable(figures: readonly KernelFigures[], style: TerminalStyle): string {
  const total = figures.reduce((sum, { seconds, per_step: times }) => sum + seconds * times, 0);
  const rows = figures.map((f) => [
    f.kernel,
    f.shape,
    String(f.per_step),
    timeText(f.seconds),
    `${((100 * f.seconds * f.per_step) / total).toFixed(1)}%`,
    rateText(f.gb_per_s),
    f.memory_share === null ? "" : `${Math.round(100 * f.memory_share)}%`,
    f.flops === 0 ? "" : rateText(f.gflop_per_s),
    f.ok ? "ok" : `WRONG (${f.error === null ? "not finite" : `${rateText(f.error)} x`})`,
  ]);
  const { text } = fittedTable(
    {
      head: [
        "kernel",
        "shape",
        "runs\na step",
        "time\nof one",
        "of the\nstep",
        "GB/s",
        "of\nmemory's",
        "GFLOP/s",
        "against\nfloat64",
      ],
      rows,
      right: [false, false, true, true, true, true, true, true, false],
      frame: "none",
      droppable: [1, 2, 7],
    },
    style,
  );
  return `${text}\nA step by these times: ${timeText(total)}.\n`;
}

function timeText(seconds: number): string {
  if (seconds < 1e-3) return `${digits(seconds * 1e6)} us`;
  return seconds < 1 ? `${digits(seconds * 1e3)} ms` : `${digits(seconds)} s`;
}

const digits = (value: number): string =>
  value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : String(Math.round(value));

const rateText = (rate: number): string => (Number.isFinite(rate) ? digits(rate) : "");
