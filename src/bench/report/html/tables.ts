/** The report's tables: the runs and their figures, repeated runs together, where and how it was measured. */
import { configurationText, groupRuns } from "../../results/configuration.ts";
import { type Figure, figureOf, headlines, parseFigure } from "../../results/figures.ts";
import { failuresOf, failuresText, type Fields, textOf } from "../../results/lines.ts";
import { numberText } from "../../results/number-text.ts";
import { repeated } from "../../statistics/student.ts";
import { type Markup, markup } from "./markup.ts";
import type { ReportedRun } from "./runs.ts";
import { seriesName } from "./chart.ts";

const columns: readonly { readonly head: string; readonly figure: Figure }[] = [
  ["req/s", "request_throughput"],
  ["out tok/s", "output_throughput"],
  ["TTFT p50", "ttft_p50"],
  ["p99", "ttft_p99"],
  ["TPOT p50", "tpot_p50"],
  ["p99", "tpot_p99"],
  ["ITL p50", "itl_p50"],
  ["p99", "itl_p99"],
  ["E2E p50", "e2e_p50"],
  ["p99", "e2e_p99"],
].map(([head, name]) => ({ head: head!, figure: parseFigure(name!) }));

export function summaryTable(runs: readonly ReportedRun[]): Markup {
  return markup`<div class="wide"><table>
<caption>Latencies in milliseconds.</caption>
<thead><tr><th scope="col">Run</th><th scope="col">done</th><th scope="col">failed</th>${columns.map(
    ({ head }) => markup`<th scope="col">${head}</th>`,
  )}</tr></thead>
<tbody>${runs.map(summaryRow)}</tbody></table></div>`;
}

function summaryRow(run: ReportedRun): Markup {
  const failures = failuresOf(run.saved.fields);
  const cells = columns.map(({ figure }) => figureOf(figure, run.saved, run.records ?? undefined));
  return markup`<tr><th scope="row">${
    run.colour === null ? null : markup`<span class="swatch ${seriesName(run.colour)}"></span>`
  }${run.name}</th><td>${
    failures ? failures.of - failures.failed : "-"
  }</td><td${failures && failures.failed > 0 ? markup` class="bad"` : null}>${failures?.failed ?? "-"}</td>${cells.map(
    (value) => markup`<td>${numberText(value)}</td>`,
  )}</tr>`;
}

/** Mean, interval and coefficient of variation of configurations that were run several times. */
export function repeatedTables(runs: readonly ReportedRun[]): Markup[] {
  const bySaved = new Map(runs.map((run) => [run.saved, run]));
  return groupRuns(runs.map(({ saved }) => saved))
    .filter((group) => group.runs.length > 1)
    .map((group) => {
      const members = group.runs.map((saved) => bySaved.get(saved)!);
      return markup`<div class="wide"><table>
<caption>${configurationText(group.configuration)}: ${members.length} runs</caption>
<thead><tr><th scope="col">Figure</th><th scope="col">mean</th><th scope="col">95 % interval</th><th scope="col">variation</th></tr></thead>
<tbody>${headlines.map((figure) => repeatedRow(figure, members))}</tbody></table></div>`;
    });
}

function repeatedRow(figure: Figure, runs: readonly ReportedRun[]): Markup | null {
  const values = runs.flatMap((run) => figureOf(figure, run.saved, run.records ?? undefined) ?? []);
  if (values.length < 2) return null;
  const { mean, interval, variation } = repeated(values);
  const [low, high] = interval!;
  return markup`<tr><th scope="row">${figure.label} (${figure.unit})</th><td>${numberText(mean)}</td><td>${numberText(low)} to ${numberText(high)}</td><td>${
    Number.isFinite(variation!) ? `${(100 * variation!).toFixed(1)} %` : "-"
  }</td></tr>`;
}

/** What a reader must know before the figures. */
export function warnings(runs: readonly ReportedRun[]): Markup | null {
  const found = runs.flatMap(({ name, saved: { fields } }) => {
    const failures = failuresText(fields);
    return [
      ...(failures === null ? [] : [`${name}: ${failures}`]),
      ...(fields["interrupted"] === true
        ? [`${name}: interrupted, so only a part was measured.`]
        : []),
      ...(fields["valid"] === false || fields["invalid"]
        ? [`${name}: INVALID by its own judgement. ${reasonsOf(fields)}`]
        : []),
    ];
  });
  if (found.length === 0) return null;
  return markup`<ul class="warnings">${found.map((text) => markup`<li>${text}</li>`)}</ul>`;
}

const codeList = (title: string, texts: readonly string[]): Markup | null =>
  texts.length === 0
    ? null
    : markup`<h3>${title}</h3>${texts.map((text) => markup`<pre><code>${text}</code></pre>`)}`;

function reasonsOf(fields: Fields): string {
  const reasons = fields["invalid_reasons"];
  return Array.isArray(reasons) ? reasons.map((reason) => `${String(reason)}.`).join(" ") : "";
}

/** Servers, commands and the machine that measured, each once. */
export function commands(runs: readonly ReportedRun[]): Markup | null {
  const lines = ["server", "command", "client_machine"].map((key) => [
    ...new Set(runs.flatMap(({ saved }) => textOf(saved.fields, key) ?? [])),
  ]);
  const [servers, benches, clients] = lines as [string[], string[], string[]];
  if (lines.every((texts) => texts.length === 0)) return null;
  return markup`${codeList("Server", servers)}${codeList("Load", benches)}${codeList("Client", clients)}`;
}

/** Lists of --output-details would fill pages. */
const isShown = (value: unknown): boolean => !Array.isArray(value) || value.length <= 20;

/** Everything that the lines say, also what this program does not know. */
export function allFields(runs: readonly ReportedRun[]): Markup {
  const keys = [...new Set(runs.flatMap(({ saved }) => Object.keys(saved.fields)))].filter((key) =>
    runs.every(({ saved }) => isShown(saved.fields[key])),
  );
  return markup`<details><summary>All fields of the result lines</summary><div class="wide"><table>
<thead><tr><th scope="col">Field</th>${runs.map(({ name }) => markup`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>${keys.map(
    (key) =>
      markup`<tr><th scope="row">${key}</th>${runs.map(
        ({ saved }) => markup`<td>${valueText(saved.fields, key)}</td>`,
      )}</tr>`,
  )}</tbody></table></div></details>`;
}

function valueText(fields: Fields, key: string): string {
  const value = fields[key];
  if (value === undefined) return "";
  if (typeof value === "string") return value;
  return value === Infinity ? "inf" : JSON.stringify(value);
}
