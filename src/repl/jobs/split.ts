/** Parts a job's standard error into what is for people and the live figures between it (RFC 7464: 0x1e, JSON, line feed). */

const separator = "\x1e";

export class LiveSplitter {
  #pending = "";

  /** @returns What is for people; figures are handed to `live`. What is half come is kept back. */
  feed(text: string, live: (json: string) => void): string {
    this.#pending += text;
    let plain = "";
    for (;;) {
      const start = this.#pending.indexOf(separator);
      if (start < 0) break;
      plain += this.#pending.slice(0, start);
      const end = this.#pending.indexOf("\n", start);
      if (end < 0) {
        this.#pending = this.#pending.slice(start);
        return plain;
      }
      live(this.#pending.slice(start + 1, end));
      this.#pending = this.#pending.slice(end + 1);
    }
    plain += this.#pending;
    this.#pending = "";
    return plain;
  }
}
