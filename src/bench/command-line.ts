/** Command lines as a user would type them. */

export function commandLine(command: string, words: readonly string[]): string {
  return ["servebench", command, ...words.map(shellWord)].join(" ");
}

/** The word as a shell must be given it. */
export function shellWord(word: string): string {
  return /^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
