/** Draws of Python's `random` module, bit for bit: `random.seed(int)`, `random.shuffle` and `random.random`. */
import { Mt19937 } from "./mt19937.ts";

export class PythonRandom {
  private readonly bits: Mt19937;

  /** @param seed any integer; its sign does not count, as in Python. */
  constructor(seed: number) {
    const words: number[] = [];
    for (let rest = BigInt(Math.abs(seed)); rest > 0n || words.length === 0; rest >>= 32n) {
      words.push(Number(rest & 0xffffffffn));
    }
    this.bits = Mt19937.fromKey(Uint32Array.from(words));
  }

  /** Shuffles in place. */
  shuffle(items: unknown[]): void {
    for (let i = items.length - 1; i >= 1; i--) {
      const j = this.below(i + 1);
      [items[i], items[j]] = [items[j], items[i]];
    }
  }

  /** 53 random bits in [0, 1), as `random.random()`. */
  random(): number {
    const high = this.bits.nextUint32() >>> 5;
    const low = this.bits.nextUint32() >>> 6;
    return (high * 0x4000000 + low) / 0x20000000000000;
  }

  /** An integer in [0, limit); 0 < limit < 2^32. */
  private below(limit: number): number {
    const unused = Math.clz32(limit);
    for (;;) {
      const drawn = this.bits.nextUint32() >>> unused;
      if (drawn < limit) return drawn;
    }
  }
}
