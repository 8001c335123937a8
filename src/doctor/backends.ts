/** The native libraries that travel in this program, and which of them would carry a model. */
import { netVersion } from "../net/library.ts";
import { Backend, Device, usableIsas } from "../program/index.ts";
import { bad, ok, warn, type Finding } from "./finding.ts";

export function backendFindings(hasGpu: boolean): Finding[] {
  return [
    library(
      "cpu backend",
      () => `ABI ${new Backend("cpu").version}; kernels for ${usableIsas().join(", ")}`,
    ),
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
