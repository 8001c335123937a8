/** Processors, memory and GPUs. */
import { availableParallelism, cpus, freemem, loadavg, totalmem } from "node:os";
import type { GpuList } from "../launch/index.ts";
import { sizeText } from "../size-text.ts";
import { judged, ok, type Finding, type ReadText } from "./finding.ts";

/** What the kernels of the CPU backend can use, as /proc/cpuinfo spells it. */
const features = [
  "avx2",
  "fma",
  "avx512f",
  "avx512_vnni",
  "avx512_bf16",
  "amx_bf16",
  "amx_int8",
] as const;

export function machineFindings(read: ReadText, gpus: GpuList | null): Finding[] {
  return [
    ...processorFindings(read),
    loadFinding(loadavg()[0]!, availableParallelism()),
    memoryFinding(read),
    ...gpuFindings(gpus),
  ];
}

function processorFindings(read: ReadText): Finding[] {
  const usable = availableParallelism();
  const all = cpus();
  const cores = usable === all.length ? `${usable} cores` : `${usable} of ${all.length} cores`;
  const flags = /^flags\s*:(.*)$/m.exec(read("/proc/cpuinfo") ?? "")?.[1]?.split(" ") ?? [];
  const has = features.filter((feature) => flags.includes(feature));
  const slow = has.includes("avx2") && has.includes("fma") ? null : slowAdvice;
  return [
    ok("processor", `${all[0]?.model.trim() ?? "unknown"}, ${cores}`),
    judged("instruction sets", has.length === 0 ? "none of use" : has.join(", "), slow),
  ];
}
const slowAdvice =
  "the CPU backend falls back to plain code without AVX2 and FMA: use another machine, or a smaller model";

/** @param load Running threads on average over the last minute. */
export function loadFinding(load: number, cores: number): Finding {
  const busy = load > Math.max(0.5, cores / 4);
  const advice = "something else is running here: end it before you measure";
  return judged(
    "load",
    `${load.toFixed(2)} threads on ${cores} cores, last minute`,
    busy ? advice : null,
  );
}

const leastMemory = 2e9;

function memoryFinding(read: ReadText): Finding {
  const available = /^MemAvailable:\s*(\d+) kB/m.exec(read("/proc/meminfo") ?? "")?.[1];
  const free = available === undefined ? freemem() : Number(available) * 1024;
  return judged(
    "memory",
    `${sizeText(free)} free of ${sizeText(totalmem())}`,
    free < leastMemory ? "preset:tiny and preset:135m fit; larger models need more" : null,
  );
}

export function gpuFindings(list: GpuList | null): Finding[] {
  if (list === null) return [ok("GPUs", "none: neither nvidia-smi nor libcuda.so.1 shows any")];
  if (list.gpus.length === 0) {
    const advice =
      "the driver is there and shows no GPU: check CUDA_VISIBLE_DEVICES and nvidia-smi";
    return [judged("GPUs", `none by ${list.source}, driver ${list.driver}`, advice)];
  }
  return list.gpus.map(({ index, name, memoryBytes, computeCapability }) => {
    const capability =
      computeCapability === null ? "" : `, compute capability ${computeCapability}`;
    const { driver, source } = list;
    return ok(
      `GPU ${index}`,
      `${name}, ${sizeText(memoryBytes)}${capability}, driver ${driver} (${source})`,
    );
  });
}
