/** Tables as text, and how they give way to narrow terminals. */
import Table from "cli-table3";
import type { TerminalStyle } from "./style.ts";
import { displayWidth } from "./width.ts";

export interface TableSpec {
  /** One name a column; may have several lines. */
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Left if not given. */
  readonly right?: readonly boolean[];
  readonly frame: "box" | "none";
  /** Columns that may be left out for want of room, the first to go first. */
  readonly droppable?: readonly number[];
}

export interface FittedTable {
  readonly text: string;
  /** Columns that were left out. */
  readonly dropped: readonly number[];
}

/** More runs beside one another are harder to read than columns that are left out. */
const turnedRowsMax = 6;

/**
 * A table within the terminal's width: as it is, else turned by 90 degrees where its rows are few, else without some
 * columns, else in blocks below one another which all begin with the first column.
 */
export function fittedTable(spec: TableSpec, style: TerminalStyle): FittedTable {
  const limit = style.columns ?? Infinity;
  const fits = (one: TableSpec): boolean => widthOf(one) <= limit;
  const whole = { text: tableText(spec, style), dropped: [] };
  if (fits(spec)) return whole;
  const turnedSpec = turned(spec);
  if (spec.rows.length <= turnedRowsMax && fits(turnedSpec)) {
    return { text: tableText(turnedSpec, style), dropped: [] };
  }
  const dropped: number[] = [];
  for (const column of spec.droppable ?? []) {
    dropped.push(column);
    const kept = without(spec, dropped);
    if (fits(kept)) return { text: tableText(kept, style), dropped };
  }
  const blocks = blocksOf(without(spec, dropped), fits);
  return { text: blocks.map((block) => tableText(block, style)).join("\n"), dropped };
}

function widthOf({ head, rows, frame }: TableSpec): number {
  const widths = head.map((_, i) => {
    const cells = [head, ...rows].flatMap((row) => row[i]!.split("\n"));
    return Math.max(...cells.map(displayWidth));
  });
  const between = frame === "box" ? 3 * widths.length + 1 : 2 * (widths.length - 1);
  return widths.reduce((sum, width) => sum + width, between);
}

const oneLine = (text: string): string => text.replaceAll("\n", " ");

function turned({ head, rows, frame }: TableSpec): TableSpec {
  const [corner, ...labels] = head.map(oneLine);
  return {
    head: [corner!, ...rows.map((row) => oneLine(row[0]!))],
    rows: labels.map((label, i) => [label, ...rows.map((row) => row[i + 1]!)]),
    right: [false, ...rows.map(() => true)],
    frame,
  };
}

function without(spec: TableSpec, dropped: readonly number[]): TableSpec {
  const kept = <T>(items: readonly T[]): T[] => items.filter((_, i) => !dropped.includes(i));
  return {
    ...spec,
    head: kept(spec.head),
    rows: spec.rows.map(kept),
    ...(spec.right ? { right: kept(spec.right) } : {}),
  };
}

/** As many columns a block as fit; one beside the first at least. */
function blocksOf(spec: TableSpec, fits: (one: TableSpec) => boolean): TableSpec[] {
  const others = spec.head.map((_, i) => i).slice(1);
  if (others.length <= 1) return [spec];
  const blocks: number[][] = [];
  for (const column of others) {
    const wider = [...(blocks.at(-1) ?? []), column];
    const block = without(
      spec,
      others.filter((i) => !wider.includes(i)),
    );
    if (blocks.length > 0 && fits(block)) blocks[blocks.length - 1] = wider;
    else blocks.push([column]);
  }
  return blocks.map((block) =>
    without(
      spec,
      others.filter((i) => !block.includes(i)),
    ),
  );
}

const lineNames =
  "top top-mid top-left top-right mid mid-mid bottom bottom-mid bottom-left bottom-right left left-mid right right-mid";
const allLines = (character: string) =>
  Object.fromEntries(lineNames.split(" ").map((name) => [name, character]));
const frames = {
  none: { ...allLines(""), middle: "  " },
  box: {},
  ascii: { ...allLines("+"), top: "-", mid: "-", bottom: "-", left: "|", right: "|", middle: "|" },
};

/** The whole table, however wide. */
export function tableText(
  { head, rows, right, frame }: TableSpec,
  { unicode }: Pick<TerminalStyle, "unicode"> = { unicode: true },
): string {
  const padding = frame === "box" ? 1 : 0;
  const table = new Table({
    chars: frame === "box" && !unicode ? frames.ascii : frames[frame],
    colAligns: head.map((_, i) => (right?.[i] ? "right" : "left")),
    style: { head: [], border: [], "padding-left": padding, "padding-right": padding },
  });
  table.push(...[head, ...rows].map((row) => [...row]));
  const text = frame === "box" ? onlyHeadLine(table.toString()) : table.toString();
  return `${text.replaceAll(/ +$/gm, "")}\n`;
}

/** cli-table3 draws a line between all rows. */
function onlyHeadLine(text: string): string {
  let between = 0;
  const drawn = text.split("\n");
  return drawn
    .filter((line, i) => {
      const isLine = /^(?:├|\+-)/.test(line) && i > 0 && i < drawn.length - 1;
      return !isLine || ++between === 1;
    })
    .join("\n");
}
