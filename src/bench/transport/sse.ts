/**
 * Splits a body into lines. Server-sent events are read by line, as bench_serving does: one `data:` line is
 * one event, whether or not an empty line follows it.
 */
const newline = 0x0a;

export class LineSplitter {
  private tail: Uint8Array[] = [];
  private readonly onLine: (line: string) => void;

  /** @param onLine gets each line that is not blank, without white space at its ends. */
  constructor(onLine: (line: string) => void) {
    this.onLine = onLine;
  }

  /** Takes the next bytes, cut anywhere; they are valid during the call only. */
  feed(bytes: Uint8Array): void {
    let from = 0;
    for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, from)) {
      this.endLine(bytes.subarray(from, end));
      from = end + 1;
    }
    if (from < bytes.length) this.tail.push(Buffer.from(bytes.subarray(from)));
  }

  /** The body has ended; what is left is a line too. */
  end(): void {
    this.endLine(new Uint8Array());
  }

  private endLine(rest: Uint8Array): void {
    const bytes = this.tail.length === 0 ? rest : Buffer.concat([...this.tail, rest]);
    this.tail = [];
    const line = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8").trim();
    if (line !== "") this.onLine(line);
  }
}

/**
 * What a line of a body means: the payload of an event, text that is no event (a JSON body), or null for what a
 * client skips (comments, other fields).
 */
export function readLine(
  line: string,
): { readonly payload: string; readonly isEvent: boolean } | null {
  if (line.startsWith("data:")) return { payload: line.slice(5).trimStart(), isEvent: true };
  if (line.startsWith(":") || /^(?:event|id|retry):/.test(line)) return null;
  return { payload: line, isEvent: false };
}
