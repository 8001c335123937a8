/** Reads Prometheus' text format 0.0.4 and throws where a scraper would stumble. */

export interface Family {
  readonly type: string;
  /** Values by sample name with labels as written, e.g. `x_total{a="b"}`. */
  readonly samples: Map<string, number>;
}

const label = String.raw`[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\n"])*"`;
const sampleLine = new RegExp(
  String.raw`^([a-zA-Z_:][\w:]*)(?:\{(${label}(?:,${label})*)\})? ([-+]?(?:\d[\d.e+-]*|Inf)|NaN)$`,
);

export function parseExposition(text: string): Map<string, Family> {
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  const families = new Map<string, Family>();
  let name = "";
  for (const line of text.split("\n").filter((l) => l !== "" && !l.startsWith("# HELP "))) {
    if (line.startsWith("# TYPE ")) {
      const [, , typeName, type] = line.split(" ");
      if (families.has(typeName!)) throw new Error(`${typeName} is there twice`);
      families.set((name = typeName!), { type: type!, samples: new Map() });
      continue;
    }
    const [, sample, labels, value] = sampleLine.exec(line) ?? [];
    const family = families.get(name);
    if (sample === undefined || !family) throw new Error(`not a sample: ${line}`);
    const suffixes = family.type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
    if (!suffixes.some((suffix) => sample === name + suffix))
      throw new Error(`${sample} stands under ${name}`);
    const key = labels === undefined ? sample : `${sample}{${labels}}`;
    if (family.samples.has(key)) throw new Error(`${key} is there twice`);
    family.samples.set(key, Number(value!.replace("Inf", "Infinity")));
  }
  for (const [own, family] of families) if (family.type === "histogram") checkBuckets(own, family);
  return families;
}

/** Buckets ascend, end with +Inf, and agree with the count. */
function checkBuckets(name: string, { samples }: Family): void {
  const last = new Map<string, { bound: number; count: number }>();
  for (const [key, count] of samples) {
    const le = /^\w[\w:]*_bucket\{.*?le="([^"]+)"/.exec(key)?.[1];
    if (le === undefined) continue;
    const series = key.replace(/le="[^"]+",?/, "");
    const bound = Number(le.replace("Inf", "Infinity"));
    const before = last.get(series);
    if (before && (bound <= before.bound || count < before.count))
      throw new Error(`${key} does not ascend`);
    last.set(series, { bound, count });
  }
  if (last.size === 0) throw new Error(`${name} has no buckets`);
  for (const [series, { bound, count }] of last) {
    if (bound !== Infinity) throw new Error(`${series} does not end with +Inf`);
    if (samples.get(series.replace("_bucket", "_count")) !== count)
      throw new Error(`${series} disagrees with its count`);
  }
}

/** Sum over all series of a sample name whose labels contain `part`. */
export function valueOf(families: Map<string, Family>, name: string, part = ""): number {
  const family = families.get(name) ?? families.get(name.replace(/_(sum|count|bucket)$/, ""));
  if (!family) throw new Error(`there is no ${name}`);
  const keys = [...family.samples.keys()].filter(
    (key) => (key === name || key.startsWith(`${name}{`)) && key.includes(part),
  );
  if (keys.length === 0) throw new Error(`${name} has no series with ${part}`);
  return keys.reduce((sum, key) => sum + family.samples.get(key)!, 0);
}
