/** Looks over the machine: what would be used, what stands in the way of good figures, and what to do about it. */
import { readFileSync } from "node:fs";
import { listGpus } from "../launch/index.ts";
import { backendFindings } from "./backends.ts";
import { clockFindings } from "./clock.ts";
import { engineFindings } from "./engines.ts";
import type { Section } from "./finding.ts";
import { limitFindings } from "./limits.ts";
import { machineFindings } from "./machine.ts";
import { storageFindings } from "./storage.ts";

export type { Finding, Level, Section } from "./finding.ts";
export { doctorText } from "./text.ts";

/** Measures for about a second. @param dataFolder Where results are kept. */
export async function examine(dataFolder: string, signal: AbortSignal): Promise<Section[]> {
  const gpus = listGpus();
  const hasGpu = (gpus?.gpus.length ?? 0) > 0;
  return [
    { title: "machine", findings: machineFindings(readText, gpus) },
    { title: "backends", findings: backendFindings(hasGpu) },
    { title: "limits", findings: limitFindings(readText) },
    { title: "clock", findings: await clockFindings(readText, signal) },
    { title: "storage", findings: storageFindings(dataFolder, process.env) },
    { title: "other engines", findings: engineFindings() },
  ];
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
