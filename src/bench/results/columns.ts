/** What runs are listed, filtered and sorted by: facts of a run, figures, and any key of its result line. */
import { nearest } from "../../nearest.ts";
import { UsageError } from "../../user-error.ts";
import { configurationOf } from "./configuration.ts";
import {
  errorRate,
  type Figure,
  figureNames,
  figureOfLine,
  headlines,
  latencyNames,
  parseFigure,
} from "./figures.ts";
import { numberOf, rateOf, type SavedRun, textOf } from "./lines.ts";
import { numberText } from "./number-text.ts";

/** A run as it is listed: its result line, and what is known around it. */
export interface ListedRun {
  readonly saved: SavedRun;
  /** r3; of a file, its name and line. */
  readonly name: string;
  /** null: it is not in the store. */
  readonly id: number | null;
  readonly session: string | null;
  /** ISO 8601. */
  readonly at: string | null;
  readonly system: string | null;
  readonly command: string | null;
  readonly note: string | null;
  readonly hasRecords: boolean;
}

/** null: not known. */
export type Value = number | string | boolean | null;

export interface Column {
  /** As it is asked for. */
  readonly name: string;
  /** In heads of tables. */
  readonly label: string;
  /** Empty: it has none. */
  readonly unit: string;
  readonly figure: Figure | null;
  of(run: ListedRun): Value;
}

const fact = (name: string, of: Column["of"], label = name, unit = ""): Column => ({
  name,
  label,
  unit,
  figure: null,
  of,
});

/** A part of what was asked of the run, in words. */
const asked =
  (part: "data set" | "lengths"): Column["of"] =>
  ({ saved }) =>
    configurationOf(saved.fields)[part] ?? null;
const text =
  (key: string): Column["of"] =>
  ({ saved }) =>
    textOf(saved.fields, key);
const number =
  (...keys: readonly string[]): Column["of"] =>
  ({ saved }) =>
    numberOf(saved.fields, ...keys);

export const nameColumn = fact("run", ({ name }) => name);

const facts: readonly Column[] = [
  nameColumn,
  fact("session", ({ session }) => session),
  fact("at", ({ at }) => at, "when"),
  fact("system", ({ system }) => system),
  fact("backend", text("backend")),
  fact("model", text("model")),
  fact("dataset", asked("data set"), "data set"),
  fact("lengths", asked("lengths"), "in/out"),
  fact("request_rate", ({ saved }) => rateOf(saved.fields), "rate", "req/s"),
  fact("concurrency", number("max_concurrency"), "conc."),
  fact("requests", number("planned", "num_prompts")),
  fact("completed", number("completed"), "done"),
  fact("duration", number("duration", "benchmark_duration"), "duration", "s"),
  fact("valid", ({ saved: { fields } }) =>
    typeof fields["valid"] === "boolean" ? fields["valid"] : null,
  ),
  fact("records", ({ hasRecords }) => hasRecords),
  fact("command", ({ command }) => command),
  fact("note", ({ note }) => note || null),
];

const aliases: Readonly<Record<string, string>> = {
  label: "run",
  name: "run",
  when: "at",
  started_at: "at",
  server: "system",
  dataset_name: "dataset",
  rate: "request_rate",
  max_concurrency: "concurrency",
  num_prompts: "requests",
  planned: "requests",
};

const shortLabels: Readonly<Record<string, string>> = {
  request_throughput: "requests",
  input_throughput: "input",
  output_throughput: "output",
  error_rate: "failed",
};

export function figureColumn(figure: Figure): Column {
  const short = shortLabels[figure.name];
  const label =
    short ??
    (figure.kind === "latency"
      ? `${latencyNames[figure.metric].split(" ")[0]!} ${figure.name.split("_")[1]!}`
      : figure.label);
  return {
    name: figure.name,
    label,
    unit: figure.unit,
    figure,
    of: ({ saved }) => figureOfLine(figure, saved.fields),
  };
}

export const columnNames = `${facts.map(({ name }) => name).join(", ")}; ${figureNames}`;

/** A column by name. @param runs Whose keys are columns, too. @throws UsageError */
export function parseColumn(written: string, runs: readonly ListedRun[]): Column {
  const name = written.trim().toLowerCase().replaceAll("-", "_");
  const found = facts.find((column) => column.name === (aliases[name] ?? name));
  if (found) return found;
  try {
    return figureColumn(parseFigure(name));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
  }
  const path = written.trim().split(".");
  if (runs.some(({ saved }) => valueAt(saved.fields, path) !== undefined)) {
    return fact(written.trim(), ({ saved }) => plain(valueAt(saved.fields, path)));
  }
  const keys = runs.flatMap(({ saved }) => Object.keys(saved.fields));
  const near = nearest(name, [
    ...Object.keys(aliases),
    ...facts.map((column) => column.name),
    ...[...headlines, errorRate].map((figure) => figure.name),
    ...new Set(keys),
  ]);
  throw new UsageError(
    `'${written}' is not a column${near}; columns are ${columnNames}; and any key of a result line, such as ` +
      "random_input_len or client.cpu_share",
  );
}

/** undefined where there is nothing of that name. */
function valueAt(fields: unknown, path: readonly string[]): unknown {
  let value = fields;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}

function plain(value: unknown): Value {
  if (value === undefined || value === null) return null;
  if (typeof value === "number" || typeof value === "boolean") return value;
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** For people. What would steer a terminal is left out. */
export function valueText(value: Value, { name, figure }: Column): string {
  if (value === null) return "-";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") {
    if (value === Infinity) return "inf";
    return Number.isInteger(value) && !figure ? String(value) : numberText(value);
  }
  if (name === "at") return timeText(value);
  return value.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, " ");
}

const two = (part: number): string => String(part).padStart(2, "0");

/** Local time to the minute. */
export function timeText(iso: string): string {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return iso;
  const day = [time.getFullYear(), time.getMonth() + 1, time.getDate()].map(two).join("-");
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}`;
}
