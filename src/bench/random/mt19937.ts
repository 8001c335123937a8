/**
 * The Mersenne Twister that both Python's `random` and numpy's `RandomState` draw from
 * (M. Matsumoto, T. Nishimura, "Mersenne Twister", ACM TOMACS 8(1), 1998). Request sets made
 * with bench_serving can be made again only with the same 32-bit words in the same order.
 */
const WORDS = 624;
const SHIFT = 397;
const UPPER = 0x80000000;
const LOWER = 0x7fffffff;
const MATRIX = 0x9908b0df;

export class Mt19937 {
  private readonly state = new Uint32Array(WORDS);
  private position = WORDS;

  private constructor() {}

  /** `init_genrand`: seeds with one 32-bit word. */
  static fromWord(seed: number): Mt19937 {
    const generator = new Mt19937();
    const { state } = generator;
    state[0] = seed;
    for (let i = 1; i < WORDS; i++) state[i] = Math.imul(1812433253, mix(state, i - 1)) + i;
    return generator;
  }

  /** `init_by_array`: seeds with a key of 32-bit words. */
  static fromKey(key: Uint32Array): Mt19937 {
    const generator = Mt19937.fromWord(19650218);
    const { state } = generator;
    let i = 1;
    const advance = (): void => {
      if (++i < WORDS) return;
      state[0] = state[WORDS - 1]!;
      i = 1;
    };
    for (let k = 0, j = 0; k < Math.max(WORDS, key.length); k++, j = (j + 1) % key.length) {
      state[i] = (state[i]! ^ Math.imul(mix(state, i - 1), 1664525)) + key[j]! + j;
      advance();
    }
    for (let k = 1; k < WORDS; k++) {
      state[i] = (state[i]! ^ Math.imul(mix(state, i - 1), 1566083941)) - i;
      advance();
    }
    state[0] = UPPER;
    return generator;
  }

  /** The next 32-bit word, as a non-negative number. */
  nextUint32(): number {
    if (this.position === WORDS) this.refill();
    let y = this.state[this.position++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  private refill(): void {
    const { state } = this;
    for (let i = 0; i < WORDS; i++) {
      const y = (state[i]! & UPPER) | (state[(i + 1) % WORDS]! & LOWER);
      state[i] = state[(i + SHIFT) % WORDS]! ^ (y >>> 1) ^ (y & 1 ? MATRIX : 0);
    }
    this.position = 0;
  }
}

function mix(state: Uint32Array, i: number): number {
  return state[i]! ^ (state[i]! >>> 30);
}
