/** A Python with packages that serve as oracles or peers; tests that need it skip aloud without. */
import { spawnSync } from "node:child_process";

/** SERVEBENCH_PYTHON, or python3, if it can import all `modules`; else null and why not. */
export function pythonWith(
  ...modules: string[]
): { python: string } | { python: null; why: string } {
  const python = process.env["SERVEBENCH_PYTHON"] ?? "python3";
  const { status } = spawnSync(python, ["-c", `import ${modules.join(", ")}`]);
  if (status === 0) return { python };
  return { python: null, why: `${python} lacks ${modules.join(" or ")}; set SERVEBENCH_PYTHON` };
}
