/** Which runs are meant, and in which order: conditions, keys to sort by, groups. */
import { UsageError } from "../../user-error.ts";
import { type Column, type ListedRun, parseColumn, type Value } from "./columns.ts";

const operators = [">=", "<=", "!=", "!~", "==", "=", ">", "<", "~"] as const;
type Operator = (typeof operators)[number];

export interface Condition {
  readonly column: Column;
  readonly operator: Operator;
  readonly operand: string;
}

const example = `such as "request_rate>=4", "dataset=random" or "note~fix"`;

/** "request_rate>=4", "system~vllm", "note!=none", "ttft_p99<0.2s". @throws UsageError */
export function parseCondition(text: string, runs: readonly ListedRun[]): Condition {
  const match = /^\s*([\w.-]+?)\s*(>=|<=|!=|!~|==|=|>|<|~)\s*(.*?)\s*$/s.exec(text);
  if (!match)
    throw new UsageError(`'${text}' is no condition; write a column and a value, ${example}`);
  const [, name, operator, operand] = match as unknown as [string, string, Operator, string];
  const column = parseColumn(name, runs);
  if (operand === "")
    throw new UsageError(`'${text}' has no value; write it after ${operator}, ${example}`);
  const condition = { column, operator, operand: operand.replace(/^(["'])(.*)\1$/s, "$2") };
  const numbers = runs.map(column.of).filter((value) => typeof value === "number");
  if (
    numbers.length > 0 &&
    !operator.endsWith("~") &&
    operandNumber(condition) === null &&
    operand !== "none"
  ) {
    throw new UsageError(`'${text}': ${column.name} holds numbers, and '${operand}' is none`);
  }
  return condition;
}

/** Milliseconds may be written as seconds. */
function operandNumber({ operand, column }: Condition): number | null {
  if (/^inf(inity)?$/i.test(operand)) return Infinity;
  const [, digits, unit] = /^([+-]?\d*\.?\d+(?:e[+-]?\d+)?)\s*(ms|s|%|)$/i.exec(operand) ?? [];
  if (digits === undefined) return null;
  return Number(digits) * (unit === "s" && column.unit === "ms" ? 1000 : 1);
}

export function meets(run: ListedRun, condition: Condition): boolean {
  const { column, operator, operand } = condition;
  const value = column.of(run);
  const wanted = typeof value === "number" ? operandNumber(condition) : null;
  if (operator === "~" || operator === "!~") {
    const contains = String(value ?? "")
      .toLowerCase()
      .includes(operand.toLowerCase());
    return contains === (operator === "~");
  }
  if (value === null || operand === "none") {
    const isNone = value === null && operand === "none";
    return operator === "!=" ? !isNone : isNone;
  }
  const order = wanted === null ? compareText(textOfValue(value), operand) : Number(value) - wanted;
  switch (operator) {
    case "=":
    case "==":
      return order === 0;
    case "!=":
      return order !== 0;
    case ">":
      return order > 0;
    case "<":
      return order < 0;
    case ">=":
      return order >= 0;
    case "<=":
      return order <= 0;
  }
}

const textOfValue = (value: NonNullable<Value>): string =>
  typeof value === "boolean" ? (value ? "yes" : "no") : String(value);

const compareText = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1);

export interface SortKey {
  readonly column: Column;
  readonly descending: boolean;
}

/** "ttft_p99", or "-output_throughput" for the greatest first. @throws UsageError */
export function parseSortKey(text: string, runs: readonly ListedRun[]): SortKey {
  const descending = text.startsWith("-");
  return { column: parseColumn(descending ? text.slice(1) : text, runs), descending };
}

/** What is not known comes last, whichever way. Equal ones keep their order. */
export function sorted(runs: readonly ListedRun[], keys: readonly SortKey[]): ListedRun[] {
  return runs.toSorted((a, b) => {
    for (const { column, descending } of keys) {
      const [x, y] = [column.of(a), column.of(b)];
      if (x === null || y === null) {
        if (x !== y) return x === null ? 1 : -1;
        continue;
      }
      const order =
        typeof x === "number" && typeof y === "number"
          ? compareNumbers(x, y)
          : String(x).localeCompare(String(y), "en", { numeric: true });
      if (order !== 0) return descending ? -order : order;
    }
    return 0;
  });
}

/** Infinity minus itself is no number. */
const compareNumbers = (x: number, y: number): number => (x === y ? 0 : x < y ? -1 : 1);

/** Runs that agree in all columns, in the order of their first ones. */
export function grouped(runs: readonly ListedRun[], by: readonly Column[]): ListedRun[][] {
  const key = (run: ListedRun): string =>
    JSON.stringify(by.map((column) => String(column.of(run))));
  return [...Map.groupBy(runs, key).values()];
}
