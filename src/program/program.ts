/** A compiled program: runs steps. */
import type { Backend } from "./backend.ts";
import type { Value } from "./builder.ts";
import type { ProgramLimits, StepResults, StepWriter } from "./step.ts";

export class Program {
  readonly limits: ProgramLimits;
  readonly #backend: Backend;
  readonly #handle: number;

  constructor(backend: Backend, handle: number, limits: ProgramLimits) {
    this.#backend = backend;
    this.#handle = handle;
    this.limits = limits;
  }

  /**
   * Starts a step and returns its ticket at once; `step` may be reused. Up to 4 steps may be out; the next may
   * refer to the tokens of this one (`StepWriter.addSampledId`).
   */
  run(step: StepWriter): number {
    const count = step.finish(); // may replace `words`
    return this.#backend.run(this.#handle, step.words, count);
  }

  /** Blocks until the step has ended and fills `results`. Each ticket once, in order. */
  wait(ticket: number, results: StepResults): void {
    results.load(this.#backend.wait(this.#handle, ticket, results.words));
  }

  /** Copies a kept value of the last completed step into `out`; returns the number of floats. */
  read(value: Value, out: Float32Array): number {
    return this.#backend.read(this.#handle, value, out);
  }

  /** Microseconds that the device stood idle between the last two steps. */
  idleUs(): number {
    return this.#backend.idleUs(this.#handle);
  }

  /** Waits for what runs and frees the program. */
  free(): void {
    this.#backend.free(this.#handle);
  }
}
