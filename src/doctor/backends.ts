/** The native libraries that travel in this program, and which of them would carry a model. */
import { netVersion } from "../net/library.ts";
import { Backend, Device, type Isa } from "../program/index.ts";
import { bad, ok, warn, type Finding } from "./finding.ts";

/** Best first, as the backend itself tries them. */
const isas: readonly Isa[] = ["amx", "avx512bf16", "avx512", "avx2", "scalar"];

export function backendFindings(hasGpu: boolean): Finding[] {
  return [
    library("cpu backend", () => `ABI ${new Backend("cpu").version}; kernels for ${usable()}`),
    library("null backend", () => `ABI ${new Backend("null").version}; computes nothing`),
    library("network threads", () => `ABI ${netVersion()}`),
    cudaFinding(hasGpu),
    library("serve would use", chosen),
  ];
}

function library(name: string, says: () => string): Finding {
  try {
    return ok(name, says());
  } catch (error) {
    const advice =
      "the library in this program does not load here: it needs Linux on x86-64, glibc 2.34";
    return bad(name, (error as Error).message, advice);
  }
}

function usable(): string {
  return isas.filter((isa) => isa === "scalar" || works(isa)).join(", ");
}

function works(isa: Isa): boolean {
  try {
    new Device("cpu", { isa, threads: 1 }).close();
    return true;
  } catch {
    return false;
  }
}

function chosen(): string {
  const device = new Device("cpu");
  const { isa, threads } = device.describe();
  device.close();
  const forced = process.env["SERVEBENCH_ISA"];
  const why = forced ? "SERVEBENCH_ISA says so" : "the best instruction set of this machine";
  return `cpu, ${isa} kernels, ${threads} ${threads === 1 ? "thread" : "threads"}: ${why}`;
}

function cudaFinding(hasGpu: boolean): Finding {
  if (!hasGpu) return ok("cuda backend", "not in this program; there is no GPU here either");
  const advice =
    "our engine runs on the CPU; launch another engine to use the GPU, and bench to measure it";
  return warn("cuda backend", "not in this program", advice);
}
