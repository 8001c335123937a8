/** Exit codes of every command, as docs/cli.md gives them. */
export const exitCode = { success: 0, failure: 1, usage: 2, gate: 3, interrupted: 130 } as const;

export type ExitCode = (typeof exitCode)[keyof typeof exitCode];
