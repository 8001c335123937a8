/** Reproducible choices: the same seed gives the same requests and the same misdeeds. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995;
  }

  /** In [0, 1). Mulberry32. */
  share(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** An integer in [low, high]. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.share() * (high - low + 1));
  }

  /** Mostly small, seldom near `high`. */
  skewed(low: number, high: number): number {
    return low + Math.floor(this.share() ** 3 * (high - low + 1));
  }

  chance(probability: number): boolean {
    return this.share() < probability;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.integer(0, list.length - 1)]!;
  }

  /** A key, each as often as its weight says. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    const entries = Object.entries(weights) as [K, number][];
    let left = this.share() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [key, weight] of entries) if ((left -= weight) < 0) return key;
    return entries[0]![0];
  }

  /** Each field with its own probability. */
  fields(choices: Readonly<Record<string, readonly [probability: number, value: () => unknown]>>) {
    const entries = Object.entries(choices).filter(([, [probability]]) => this.chance(probability));
    return Object.fromEntries(entries.map(([name, [, value]]) => [name, value()]));
  }
}
