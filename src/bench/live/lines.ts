/** A live state as text: a block of one to six lines that fits a terminal, or one line. */
import { sparkline } from "../../terminal/sparkline.ts";
import { type Colour, paint, type TerminalStyle } from "../../terminal/style.ts";
import { displayWidth, fit } from "../../terminal/width.ts";
import type { LiveState, Quantiles, Rates, Series } from "./state.ts";

/** A piece of a line, dropped as a whole where it does not fit. */
interface Part {
  readonly text: string;
  readonly colour?: Colour;
}

/** From here on rates have curves, and latencies stand in one line. */
const wide = 60;
const narrow = 24;

/** Draws a state in `columns` columns, one to six lines. */
export function liveLines(state: LiveState, columns: number, style: TerminalStyle): string[] {
  if (columns < narrow) return [fit(oneLine(state), columns)];
  const { ttft, itl } = state;
  const latencies = [latencyPart("TTFT", ttft), latencyPart("ITL", itl)];
  const groups: readonly (readonly Part[])[] = [
    ...(state.series ? [seriesParts(state.series, state.leftS)] : []),
    progressParts(state, columns, style),
    countParts(state),
    ...(columns >= wide
      ? []
      : [[plain(perSecond(state.requests, "req")), plain(perSecond(state.tokens, "tok"))]]),
    ...(columns >= wide ? [latencies] : latencies.map((part) => [part])),
  ];
  const lines = groups.map((parts) => joined(parts, columns, style));
  if (columns < wide) return lines;
  const curves = [
    rateLine("requests", state.requests, columns, style),
    rateLine("tokens", state.tokens, columns, style),
  ];
  return [...lines.slice(0, -1), ...curves, lines.at(-1)!];
}

/** The same in one line without colours, for logs and for what is left of a run that is over. */
export function liveLine(state: LiveState, columns = Infinity): string {
  const { series, over, elapsedS, leftS, requests, tokens } = state;
  const rates = over
    ? [`${numberText(requests.mean)} req/s`, `${numberText(tokens.mean)} tok/s`]
    : [perSecond(requests, "req"), perSecond(tokens, "tok")];
  const time = over || leftS === null ? "" : `about ${clockText(leftS)} left`;
  const parts = [
    plain(series ? placeText(series) : ""),
    plain(clockText(elapsedS)),
    plain(time),
    ...countParts(state),
    ...rates.map(plain),
    latencyPart("TTFT", state.ttft),
    latencyPart("ITL", state.itl),
  ];
  return joined(
    parts.filter(({ text }) => text !== ""),
    columns,
    plainStyle,
  );
}

const plainStyle: TerminalStyle = { columns: null, colour: false, unicode: true };

const oneLine = (state: LiveState): string =>
  `${shareText(state)} ${countParts(state)[0]!.text} ${clockText(state.elapsedS)}`;

const plain = (text: string): Part => ({ text });

/** As many of the parts, from the first on, as fit; the first is cut if need be. */
function joined(parts: readonly Part[], columns: number, style: TerminalStyle): string {
  let width = 0;
  let line = "";
  for (const { text, colour } of parts) {
    const gap = line === "" ? "" : "  ";
    const shown = line === "" ? fit(text, columns) : text;
    width += gap.length + displayWidth(shown);
    if (width > columns) break;
    line += gap + (colour ? paint(shown, colour, style) : shown);
  }
  return line;
}

function seriesParts(series: Series, leftS: number | null): Part[] {
  const { restS, of } = series;
  const place = { text: placeText(series), colour: "bold" as const };
  if (of === null || restS === null || leftS === null) return [place];
  return [place, plain(`about ${clockText(restS + leftS)} left in all`)];
}

const placeText = ({ at, of, name }: Series): string =>
  `${of === null ? `run ${at}` : `${at} of ${of}`}${name === "" ? "" : `: ${name}`}`;

function progressParts(state: LiveState, columns: number, style: TerminalStyle): Part[] {
  const { elapsedS, leftS } = state;
  const width = Math.max(6, Math.min(30, columns - 46));
  const time = leftS === null ? [] : [plain(`about ${clockText(leftS)} left`)];
  return [
    plain(shareText(state)),
    { text: bar(share(state), width, style), colour: "green" },
    plain(clockText(elapsedS)),
    ...time,
  ];
}

/** Of the time where that can be told, else of the requests. */
function share({ elapsedS, leftS, done, failed, givenUp, total }: LiveState): number {
  if (leftS !== null) return leftS + elapsedS > 0 ? elapsedS / (leftS + elapsedS) : 0;
  return total ? (done + failed + givenUp) / total : 0;
}

const shareText = (state: LiveState): string =>
  `${String(Math.floor(100 * share(state))).padStart(3)}%`;

function bar(part: number, width: number, { unicode }: TerminalStyle): string {
  const filled = Math.floor(part * width);
  const [full, empty] = unicode ? ["█", "░"] : ["#", "."];
  return full!.repeat(filled) + empty!.repeat(width - filled);
}

function countParts({ sent, running, done, failed, givenUp, total }: LiveState): Part[] {
  const of = total === null ? "" : ` of ${countText(total)}`;
  return [
    plain(`${countText(done)}${of} done`),
    ...(failed > 0 ? [{ text: `${countText(failed)} failed`, colour: "red" as const }] : []),
    ...(givenUp > 0 ? [plain(`${countText(givenUp)} given up`)] : []),
    ...(running > 0
      ? [plain(`${countText(running)} running`), plain(`${countText(sent)} sent`)]
      : []),
  ];
}

const perSecond = ({ now }: Rates, unit: string): string => `${numberText(now)} ${unit}/s`;

function rateLine(label: string, rates: Rates, columns: number, style: TerminalStyle): string {
  const figure = `${label.padEnd(8)} ${numberText(rates.now).padStart(8)}/s  `;
  const width = Math.min(60, columns - figure.length);
  const curve = sparkline(rates.history, width, { ascii: !style.unicode });
  return curve.trim() === "" ? figure.trimEnd() : figure + paint(curve, "cyan", style);
}

function latencyPart(label: string, quantiles: Quantiles | null): Part {
  if (!quantiles) return plain(`${label} -`);
  const { p50, p99 } = quantiles;
  return plain(`${label} p50 ${numberText(p50)} p99 ${numberText(p99)} ms`);
}

const countText = (count: number): string => count.toLocaleString("en-US");

/** Three digits that count, and all before the point. */
function numberText(value: number): string {
  if (value >= 100) return countText(Math.round(value));
  return value.toFixed(value >= 10 ? 1 : 2);
}

const two = (part: number): string => String(part).padStart(2, "0");

function clockText(seconds: number): string {
  const whole = Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
