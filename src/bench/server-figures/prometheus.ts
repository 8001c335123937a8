/** Reads Prometheus' text format (0.0.4), as servers write it at `/metrics`. */
export interface Sample {
  /** Colons are part of it: `sglang:token_usage`. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const metric = /^\s*([A-Za-z_:][\w:]*)\s*(\{.*\})?\s+(\S+)(?:\s+-?\d+)?\s*$/s;
const label = /\s*([A-Za-z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*,?/gsy;

/** All samples in order. Comments, and lines that are none of the format's, are skipped: one bad line is no reason to lose the rest. */
export function parseMetrics(text: string): Sample[] {
  const samples: Sample[] = [];
  for (const line of text.split("\n")) {
    if (/^\s*(?:#|$)/.test(line)) continue;
    const [, name, braces, number] = metric.exec(line) ?? [];
    const value = name === undefined ? null : parseValue(number!);
    const labels = parseLabels(braces ?? "{}");
    if (name !== undefined && value !== null && labels) samples.push({ name, labels, value });
  }
  return samples;
}

/** null: not a number of the format. */
function parseValue(text: string): number | null {
  if (/^[+-]?Inf$/i.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  if (/^nan$/i.test(text)) return NaN;
  return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) ? Number(text) : null;
}

const escapes: Readonly<Record<string, string>> = { "\\n": "\n", '\\"': '"', "\\\\": "\\" };

/** null: not labels in braces. */
function parseLabels(braces: string): Record<string, string> | null {
  const labels: Record<string, string> = Object.create(null) as Record<string, string>;
  const inner = braces.slice(1, -1);
  label.lastIndex = 0;
  while (label.lastIndex < inner.length) {
    const from = label.lastIndex;
    const match = label.exec(inner);
    if (!match) return /^\s*$/.test(inner.slice(from)) ? labels : null;
    labels[match[1]!] = match[2]!.replaceAll(/\\./gs, (pair) => escapes[pair] ?? pair);
  }
  return labels;
}
