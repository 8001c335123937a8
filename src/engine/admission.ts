/**
 * How much of its output a request is expected to need. Reserving all of maxNewTokens would leave much of the pool
 * unused, since most requests end early; so running requests are charged a share of what they may still generate,
 * the new-token ratio. It falls while all goes well and rises when the pool has run out (SGLang's rule).
 */

/** Beyond this many tokens ahead nothing is reserved. */
const reservedTokensMax = 4096;
const startRatio = 0.7;
/** Share of the start ratio below which it never falls. */
const floorShare = 0.14;
/** Steps in which the ratio falls from start to floor. */
const decaySteps = 600;
/** Steps that each remaining request shall be able to go on after others had to give their pages back. */
const headroomSteps = 20;

interface Generating {
  readonly generated: number;
  readonly spec: { readonly maxNewTokens: number };
}

export class NewTokenRatio {
  readonly #start: number;
  readonly #floor: number;
  #value: number;

  /** @param conservativeness More than 1 reserves more and retracts less. */
  constructor(conservativeness: number) {
    this.#start = Math.min(startRatio * conservativeness, 1);
    this.#floor = floorShare * this.#start;
    this.#value = this.#start;
  }

  get value(): number {
    return this.#value;
  }

  /** A step with running requests went well. */
  decay(): void {
    this.#value = Math.max(this.#value - (this.#start - this.#floor) / decaySteps, this.#floor);
  }

  /** The pool had run out; `remaining` are the requests that go on. */
  raise(remaining: readonly Generating[]): void {
    let generated = headroomSteps * remaining.length;
    let wanted = 1;
    for (const request of remaining) {
      generated += request.generated;
      wanted += request.spec.maxNewTokens;
    }
    this.#value = Math.min(generated / wanted, 1);
  }

  /** Nothing runs: what was learnt belongs to requests that are gone. */
  reset(): void {
    this.#value = this.#start;
  }
}

/** Output tokens that may still come and are reckoned with. */
export function expectedTokens({ generated, spec }: Generating): number {
  return Math.min(spec.maxNewTokens - generated, reservedTokensMax);
}
