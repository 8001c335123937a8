/** Requests by their ids, from their arrival to their end, so that /abort_request finds them. */
import { describe } from "./body.ts";
import { refused } from "./errors.ts";
import type { Generation } from "./generation.ts";

/** What one id stands for: one generation, or all choices of an OpenAI request; none while it is tokenized. */
interface Entry {
  readonly generations: Generation[];
  cancelled: boolean;
}

export class RunningRequests {
  private readonly entries = new Map<string, Entry>();

  /**
   * Holds `ids` while `start` begins the request. From then on whatever it has begun is to release them at its
   * end. Throws a 400 when one of them belongs to a running request.
   */
  async hold<T>(ids: readonly string[], start: (held: HeldIds) => Promise<T>): Promise<T> {
    const taken = ids.find((id) => this.entries.has(id));
    if (taken !== undefined) {
      throw refused(`rid: a request with the id ${describe(taken)} is running; use another.`);
    }
    const held = new HeldIds(this.entries, ids);
    try {
      return await start(held);
    } catch (error) {
      held.release();
      throw error;
    }
  }

  /** Ends every request whose id begins with `prefix`, as SGLang's scheduler does; "" means all of them. */
  cancel(prefix: string): void {
    for (const [id, entry] of this.entries) {
      if (!id.startsWith(prefix)) continue;
      entry.cancelled = true;
      for (const generation of entry.generations) generation.cancel();
    }
  }
}

/** The ids of one HTTP request. */
export class HeldIds {
  private readonly all: Map<string, Entry>;
  private readonly ids: readonly string[];
  private readonly own: readonly Entry[];
  private released = false;

  constructor(all: Map<string, Entry>, ids: readonly string[]) {
    this.all = all;
    this.ids = ids;
    this.own = ids.map(() => ({ generations: [], cancelled: false }));
    ids.forEach((id, i) => all.set(id, this.own[i]!));
  }

  /** The id of the generation at `index`, or of all. */
  idOf(index: number): string {
    return this.ids.length === 1 ? this.ids[0]! : this.ids[index]!;
  }

  /** Names a generation of the request by its id: the one at `index`, or the only one. */
  name(generation: Generation, index: number): void {
    const entry = this.own.length === 1 ? this.own[0]! : this.own[index]!;
    entry.generations.push(generation);
    // Its listener must not hear of it before whoever starts it is ready.
    if (entry.cancelled) queueMicrotask(() => generation.cancel());
  }

  /** The request is over: the ids may be used again. */
  release(): void {
    if (this.released) return;
    this.released = true;
    for (const id of this.ids) this.all.delete(id);
  }
}
