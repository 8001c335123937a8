/** Columns that text takes on a terminal, and its characters as a reader counts them. */

const segmenter = new Intl.Segmenter("en", { granularity: "grapheme" });

/** User-perceived characters: "é" of two code points is one. */
export function graphemes(text: string): string[] {
  if (/^[\x20-\x7e]*$/.test(text)) return [...text];
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

/** First and last code points of wide characters (Unicode's East Asian Width W and F, in blocks). */
const wideRanges: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x231a, 0x231b],
  [0x23e9, 0x23ec],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xa000, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1f64f],
  [0x1f680, 0x1f6ff],
  [0x1f900, 0x1faff],
  [0x20000, 0x3fffd],
];

/** 0 for a combining or invisible one, 2 for wide ones, else 1. */
export function graphemeWidth(grapheme: string): number {
  const code = grapheme.codePointAt(0) ?? 0;
  if (code < 0x300) return 1;
  if (/^[\p{Mn}\p{Me}\p{Cf}]/u.test(grapheme)) return 0;
  // U+FE0F asks for the picture of a character that also has a plain form.
  if (grapheme.includes("\ufe0f")) return 2;
  return wideRanges.some(([first, last]) => first <= code && code <= last) ? 2 : 1;
}

/** Escape sequences that colour text (CSI ... m) and links (OSC 8), which take no columns. */
// eslint-disable-next-line no-control-regex -- escape sequences begin with one
const styling = /\u001b(?:\[[\d;:]*m|\]8;[^\u0007\u001b]*(?:\u0007|\u001b\\))/g;

export function displayWidth(text: string): number {
  const plain = text.replaceAll(styling, "");
  return graphemes(plain).reduce((sum, grapheme) => sum + graphemeWidth(grapheme), 0);
}

/** The beginning of plain text that fits, with an ellipsis where something is cut off. */
export function fit(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  let kept = "";
  let width = 1;
  for (const grapheme of graphemes(text)) {
    width += graphemeWidth(grapheme);
    if (width > columns) break;
    kept += grapheme;
  }
  return columns > 0 ? `${kept}…` : "";
}
