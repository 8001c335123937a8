/** What a stream can show, and colours for where it shows them. */

export interface TerminalStyle {
  /** null: no terminal, so that lines may have any length. */
  readonly columns: number | null;
  readonly colour: boolean;
  readonly unicode: boolean;
}

/** NO_COLOR (no-color.org) and TERM=dumb are heeded; what is written into a file or a pipe has no colours. */
export function terminalStyle(
  stream: { readonly isTTY?: boolean; readonly columns?: number },
  env: Readonly<Record<string, string | undefined>>,
): TerminalStyle {
  const terminal = stream.isTTY === true;
  const dumb = env["TERM"] === "dumb";
  return {
    columns: terminal ? (stream.columns ?? 80) : null,
    colour: terminal && !dumb && !env["NO_COLOR"],
    unicode: !dumb,
  };
}

/** Numbers of "Select Graphic Rendition" (ECMA-48), on and off. */
const codes = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  magenta: [35, 39],
  cyan: [36, 39],
} as const;
export type Colour = keyof typeof codes;

export function paint(text: string, colour: Colour, { colour: on }: TerminalStyle): string {
  const [start, end] = codes[colour];
  return on && text !== "" ? `\u001b[${start}m${text}\u001b[${end}m` : text;
}
