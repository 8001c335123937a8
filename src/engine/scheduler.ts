/**
 * Decides what each step computes. Plain data in, plain data out: it neither runs a step nor knows a device.
 *
 * Requests are admitted first come, first served, when pages for their whole prompt and output are free, so
 * a running request never has to give its pages back. A step computes one token of every request that is
 * decoding and, beside them, as much of the admitted prompts as the prefill budget allows (chunked prefill).
 */
import { PagePool, pagesFor } from "./pages.ts";
import { Request } from "./request.ts";

export interface SchedulerLimits {
  /** Requests that run at the same time; also the most requests of a step. */
  readonly maxRunning: number;
  /** Prompt tokens of a step. */
  readonly chunkedPrefillSize: number;
  /** Logits rows of a step; at least maxRunning, so that every decoding request draws its token. */
  readonly maxRows: number;
}

/** What one step computes: of each request the positions [begin, end). Reused from step to step. */
export class StepPlan {
  readonly requests: Request[] = [];
  readonly begins: Int32Array;
  readonly ends: Int32Array;
  tokenCount = 0;
  rowCount = 0;

  constructor(maxRunning: number) {
    this.begins = new Int32Array(maxRunning);
    this.ends = new Int32Array(maxRunning);
  }

  clear(): void {
    this.requests.length = 0;
    this.tokenCount = 0;
    this.rowCount = 0;
  }

  /** Adds the next positions of a request, up to `end`. */
  add(request: Request, end: number): void {
    const begin = request.planned;
    const index = this.requests.push(request) - 1;
    this.begins[index] = begin;
    this.ends[index] = end;
    this.tokenCount += end - begin;
    this.rowCount += request.rowCount(begin, end);
    request.planned = end;
  }
}

export class Scheduler {
  readonly limits: SchedulerLimits;
  readonly pool: PagePool;
  /** All requests that have not ended, by number. */
  readonly requests = new Map<number, Request>();
  readonly #waiting: Request[] = [];
  /** In order of admission. */
  readonly #running: Request[] = [];

  constructor(limits: SchedulerLimits, pool: PagePool) {
    this.limits = limits;
    this.pool = pool;
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  get runningCount(): number {
    return this.#running.length;
  }

  submit(request: Request): void {
    this.requests.set(request.id, request);
    this.#waiting.push(request);
  }

  /** Ends a request wherever it is and frees its pages; steps that already hold it are not disturbed. */
  finish(request: Request): void {
    request.finished = true;
    this.requests.delete(request.id);
    remove(request.pages.length > 0 ? this.#running : this.#waiting, request);
    // Steps run in order, so whoever gets these pages writes them after the last step that holds this request.
    this.pool.release(request.pages);
    request.pages = new Int32Array(0);
  }

  /** Fills `plan` with the next step. False when there is nothing to compute. */
  plan(plan: StepPlan): boolean {
    plan.clear();
    for (const request of this.#running) {
      if (request.decoding && request.planned < request.end) plan.add(request, request.planned + 1);
    }
    let budget = this.limits.chunkedPrefillSize;
    for (const request of this.#running) {
      if (!request.decoding) budget -= this.#addChunk(plan, request, budget);
    }
    for (let next: Request | null; budget > 0 && (next = this.#admit());) {
      budget -= this.#addChunk(plan, next, budget);
    }
    return plan.tokenCount > 0;
  }

  /** Adds as much of a prompt as budget and logits rows allow; returns the number of tokens. */
  #addChunk(plan: StepPlan, request: Request, budget: number): number {
    const begin = request.planned;
    const rowsLeft = this.limits.maxRows - plan.rowCount;
    const rowsEnd = Math.max(begin, request.rowsBegin) + rowsLeft;
    const end = Math.min(request.promptLength, begin + budget, rowsEnd);
    if (end > begin) plan.add(request, end);
    return Math.max(end - begin, 0);
  }

  /** Moves the first waiting request to the running ones if there is room for it. */
  #admit(): Request | null {
    const request = this.#waiting[0];
    if (request === undefined || this.#running.length >= this.limits.maxRunning) return null;
    const pages = this.pool.take(pagesFor(request.end));
    if (pages === null) return null;
    request.pages = pages;
    this.#waiting.shift();
    this.#running.push(request);
    return request;
  }

  /** Checks that requests and pages agree (see PagePool.checkIntegrity). */
  checkIntegrity(): void {
    this.pool.checkIntegrity(this.#running.map((request) => request.pages));
    const scheduled = [...this.#waiting, ...this.#running];
    const wrong = scheduled.find((r) => r.finished || this.requests.get(r.id) !== r);
    if (wrong || scheduled.length !== this.requests.size) {
      throw new Error(`request ${wrong?.id} is scheduled after its end, or one is not scheduled`);
    }
  }
}

function remove(list: Request[], request: Request): void {
  const index = list.indexOf(request);
  if (index < 0) throw new Error(`request ${request.id} is not scheduled`);
  list.splice(index, 1);
}
