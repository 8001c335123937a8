/** Proves that `kernels` runs every operation of a step on every instruction set here, and tells wrong ones. */
import { describe, expect, test } from "bun:test";
import { kernelTable, type KernelFigures } from "../../src/kernels/report.ts";
import { worstError } from "../../src/kernels/kernel.ts";
import type { TerminalStyle } from "../../src/terminal/style.ts";
import { usableIsas } from "../../src/program/index.ts";
import { run } from "../support/binary.ts";

interface Told {
  readonly isa: string;
  readonly dtype: string;
  readonly memory_gb_per_s: number;
  readonly kernels: readonly KernelFigures[];
}

const pipe: TerminalStyle = { columns: null, colour: false, unicode: true };
const small = "--model preset:tiny --batch 3 --context 40";
const names = [
  "embed",
  "rmsnorm",
  "linear q",
  "linear k, v",
  "rope q",
  "rope k",
  "kvWrite, attention",
  "linear o",
  "add",
  "linear gate, up",
  "siluMul",
  "linear down",
  "linear head",
  "sample",
];

const [best, ...others] = usableIsas();

describe.each([["float32", best!], ...[best!, ...others].map((isa) => ["bfloat16", isa])])(
  "%s, %s",
  (dtype, isa) => {
    test("all are right, and have figures", async () => {
      const line = `kernels ${small} --isa ${isa} --dtype ${dtype} --json`;
      const { code, stdout } = await run(line.split(" "));
      const told = JSON.parse(stdout) as Told;
      expect(told).toMatchObject({ isa, dtype: dtype === "float32" ? "f32" : "bf16" });
      expect(told.memory_gb_per_s).toBeGreaterThan(0);
      expect(told.kernels.map(({ kernel }) => kernel)).toEqual(names);
      expect(told.kernels.filter(({ ok }) => !ok)).toEqual([]);
      expect(told.kernels.filter(({ error }) => error === null || error > 1)).toEqual([]);
      const head = told.kernels.find(({ kernel }) => kernel === "linear head")!;
      expect(head.seconds).toBeGreaterThan(0);
      expect(head.memory_share).toBeGreaterThan(0);
      expect(code).toBe(0);
    });
  },
);

test("a table", async () => {
  const { stdout: out } = await run(["kernels", ...small.split(" ")]);
  expect(out).toStartWith("preset:tiny, bf16: a step of 3 requests at 40 tokens\ncpu, ");
  expect(out).toMatch(/^linear head .* ok$/m);
  expect(out).toMatch(/\nA step by these times: [\d.]+ [mu]?s\.\n$/);
});

test("what is wrong is said so", () => {
  const figures: KernelFigures = {
    kernel: "linear q",
    shape: "64 -> 64",
    per_step: 2,
    seconds: 1e-6,
    bytes: 8192,
    flops: 8192,
    gb_per_s: 8.2,
    gflop_per_s: 8.2,
    memory_share: 0.5,
    error: 25,
    ok: false,
  };
  expect(kernelTable([figures], pipe)).toContain("WRONG (25.0 x)");
  const nothing = kernelTable([{ ...figures, error: null }], { ...pipe, columns: 60 });
  expect(nothing).toContain("WRONG (not finite)");
  const longest = Math.max(...nothing.split("\n").map(({ length }) => length));
  expect(longest).toBeLessThanOrEqual(60);
  const off = worstError(Float32Array.of(1, 2.5), [1, 2], () => 0.1);
  expect(off).toBeCloseTo(5);
  expect(worstError(Float32Array.of(1, NaN, 2), [1, 1, 2], () => 0.1)).toBe(Infinity);
  expect(worstError(Float32Array.of(1), [1, 1], () => 0.1)).toBe(Infinity);
});

async function mistake(line: string): Promise<string> {
  const { code, stderr } = await run(line.split(" "));
  return `${code} ${stderr}`;
}

test("mistakes", async () => {
  expect(await mistake("kernels --model preset:nothing")).toMatch(/^1 .*--model: /);
  expect(await mistake("kernels --isa sse")).toMatch(/^2 .*not one of auto, amx/);
  const huge = "kernels --model preset:llama-3.1-8b --batch 4096 --context 1048576";
  expect(await mistake(huge)).toMatch(/^1 .*GiB of memory/);
});
