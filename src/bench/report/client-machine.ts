/** The machine that measures, in a line: a figure without it cannot be judged later. */
import { arch, cpus, release, totalmem, type } from "node:os";
import { runtime } from "../../runtime/index.ts";

/** "2 x Intel(R) Xeon(R) Gold 6430, 8 GiB, Linux 6.1.0 x64, bun 1.4.5". */
export function clientMachine(): string {
  const processors = cpus();
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`;
  return [
    `${processors.length} x ${processors[0]?.model.trim() ?? "unknown processor"}`,
    memory,
    `${type()} ${release()} ${arch()}`,
    `${runtime.name} ${runtime.version}`,
  ].join(", ");
}
