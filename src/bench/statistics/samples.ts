/** A list of doubles that grows: eight bytes a value, and at most as much again while it grows. */
export class Samples {
  #values: Float64Array;
  #length = 0;

  constructor(room = 1024) {
    this.#values = new Float64Array(room);
  }

  get length(): number {
    return this.#length;
  }

  get byteLength(): number {
    return this.#values.byteLength;
  }

  append(values: ArrayLike<number>): void {
    const length = this.#length + values.length;
    if (length > this.#values.length) {
      const room = new Float64Array(Math.max(length, 2 * this.#values.length));
      room.set(this.values());
      this.#values = room;
    }
    this.#values.set(values, this.#length);
    this.#length = length;
  }

  /** The values so far, or a part of them; valid until more are appended. */
  values(from = 0, to = this.#length): Float64Array {
    return this.#values.subarray(from, to);
  }
}
