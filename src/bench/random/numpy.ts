/** Draws of numpy's global generator (`numpy.random.seed`, legacy streams), bit for bit. */
import { UsageError } from "../../user-error.ts";
import { naturalLog } from "./logarithm.ts";
import { Mt19937 } from "./mt19937.ts";

export class NumpyRandom {
  private readonly bits: Mt19937;

  /** Throws a UserError when `seed` is not an integer in [0, 2^32). */
  constructor(seed: number) {
    if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
      throw new UsageError(
        `--seed: ${seed} is not in the range that numpy takes, 0 to 4294967295.`,
      );
    }
    this.bits = Mt19937.fromWord(seed);
  }

  /**
   * `count` integers in [low, high), 0 <= low < high <= 2^31, as `randint(low, high, size=count)`: masked rejection,
   * no draw for one value.
   */
  integers(low: number, high: number, count: number): Int32Array {
    const range = high - 1 - low;
    if (range < 0) throw new RangeError(`integers: low ${low} is not below high ${high}`);
    const drawn = new Int32Array(count);
    if (range === 0) return drawn.fill(low);
    const mask = 0xffffffff >>> Math.clz32(range);
    return drawn.map(() => {
      for (;;) {
        const masked = (this.bits.nextUint32() & mask) >>> 0;
        if (masked <= range) return low + masked;
      }
    });
  }

  /** One draw of `exponential(scale)`. */
  exponential(scale: number): number {
    return scale * -naturalLog(1 - this.double());
  }

  /** 53 random bits in [0, 1). */
  private double(): number {
    const high = this.bits.nextUint32() >>> 5;
    const low = this.bits.nextUint32() >>> 6;
    return (high * 0x4000000 + low) / 0x20000000000000;
  }
}
