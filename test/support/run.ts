/** Runs a program to its end. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  /** Replaces the environment. */
  readonly env?: Record<string, string>;
  /** What it reads on standard input; nothing if not given. */
  readonly stdin?: Blob;
}

/** Unlike spawnSync, leaves this process free to serve what the program asks for. */
export async function runProgram(
  line: readonly string[],
  options: RunOptions = {},
): Promise<Ended> {
  const child = Bun.spawn([...line], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    ...options,
  });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  await child.exited;
  return { code: child.exitCode, stdout, stderr };
}
