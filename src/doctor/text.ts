/** The doctor's findings as a page of text. */
import type { Finding, Level, Section } from "./finding.ts";

const marks: Readonly<Record<Level, string>> = { ok: "ok  ", warn: "WARN", bad: "BAD " };
const nameWidth = 21;

export function doctorText(sections: readonly Section[]): string {
  const findings = sections.flatMap((section) => section.findings);
  const count = (level: Level): number => findings.filter((f) => f.level === level).length;
  const lines = sections.flatMap(({ title, findings: own }) => [title, ...own.flatMap(rows), ""]);
  return [...lines, summary(count("warn"), count("bad")), ""].join("\n");
}

function rows({ name, level, value, advice }: Finding): string[] {
  const first = `  ${marks[level]}  ${name.padEnd(nameWidth)} ${value}`;
  return advice === null ? [first] : [first, `        ${"".padEnd(nameWidth)} -> ${advice}`];
}

function summary(warnings: number, faults: number): string {
  if (warnings + faults === 0) return "Nothing stands in the way of good figures.";
  const parts = [
    ...(faults > 0 ? [`${faults} bad: what needs it will not work`] : []),
    ...(warnings > 0 ? [`${warnings} to look at: figures may be worse for it`] : []),
  ];
  return `${parts.join("; ")}.`;
}
