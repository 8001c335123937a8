/** What the doctor says of one thing. */

export type Level = "ok" | "warn" | "bad";

export interface Finding {
  readonly name: string;
  readonly level: Level;
  readonly value: string;
  /** What to do; null where nothing has to be done. */
  readonly advice: string | null;
}

export interface Section {
  readonly title: string;
  readonly findings: readonly Finding[];
}

export const ok = (name: string, value: string): Finding => ({
  name,
  level: "ok",
  value,
  advice: null,
});

export const warn = (name: string, value: string, advice: string): Finding => ({
  name,
  level: "warn",
  value,
  advice,
});

export const bad = (name: string, value: string, advice: string): Finding => ({
  name,
  level: "bad",
  value,
  advice,
});

/** `ok` unless there is something to advise. */
export function judged(name: string, value: string, advice: string | null): Finding {
  return advice === null ? ok(name, value) : warn(name, value, advice);
}

/** Text of a file of /proc or /sys; null where the kernel has none such. */
export type ReadText = (path: string) => string | null;
