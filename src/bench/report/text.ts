/** How lines of the result table are laid out. */

export const width = 50;

/** Python's `{:<40} {:<10}`. */
export const row = (label: string, value: string | number): string =>
  `${label.padEnd(40)} ${String(value).padEnd(10)}`;

export const title = (text: string, fill: string): string => centred(` ${text} `, fill);
export const section = (text: string): string => centred(text, "-");

/** Python's `{:^50}`: the odd column goes to the right. */
function centred(text: string, fill: string): string {
  const left = Math.floor((width - text.length) / 2);
  return text.padStart(text.length + left, fill).padEnd(width, fill);
}
