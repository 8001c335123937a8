/**
 * Decides what each step computes. Plain data in, plain data out: it neither runs a step nor knows a device.
 *
 * A step computes one token of every request that is decoding and, beside them, as much of the admitted prompts as
 * the prefill budget allows (continuous batching with chunked prefill). Admission is optimistic: it reckons with a
 * share of the output that running requests may still generate (admission.ts). When the pool runs out all the same,
 * running requests are retracted: they give their pages back, keep their tokens, and wait to be computed again.
 */
import { expectedTokens, NewTokenRatio } from "./admission.ts";
import type { PrefixCache } from "./prefix-cache.ts";
import type { Request } from "./request.ts";

export type SchedulePolicy = "fcfs" | "lpm";

export interface SchedulerOptions {
  /** Requests that run at the same time; also the most requests of a step. */
  readonly maxRunning: number;
  /** Prompt tokens of a step. */
  readonly prefillTokens: number;
  /**
   * Cut prompts to that. Otherwise a prompt that does not fit beside others has to wait for a next step, and one that
   * is longer has a step of its own.
   */
  readonly chunked: boolean;
  /** Logits rows of a step; at least maxRunning, so that every decoding request draws its token. */
  readonly maxRows: number;
  /** Order of admission: first come first served, or longest cached prefix (longest prefix match) first. */
  readonly policy: SchedulePolicy;
  readonly conservativeness: number;
}

/** With more requests waiting than this, lpm is fcfs: matching them all at every step would cost too much. */
const lpmWaitingMax = 128;

/** What one step computes: of each request the positions [begin, end). Reused from step to step. */
export class StepPlan {
  readonly requests: Request[] = [];
  readonly begins: Int32Array;
  readonly ends: Int32Array;
  /** Logits rows of each request. */
  readonly rowCounts: Int32Array;
  tokenCount = 0;
  rowCount = 0;

  constructor(maxRunning: number) {
    this.begins = new Int32Array(maxRunning);
    this.ends = new Int32Array(maxRunning);
    this.rowCounts = new Int32Array(maxRunning);
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
    const rows = request.rowCount(begin, end);
    this.begins[index] = begin;
    this.ends[index] = end;
    this.rowCounts[index] = rows;
    this.tokenCount += end - begin;
    this.rowCount += rows;
    request.planned = end;
  }
}

/** What has been done since the start; only ever grows. */
export interface SchedulerTotals {
  /** Tokens of prompts (and of retracted requests) that steps computed. */
  prefillTokens: number;
  /** Tokens that the prefix cache spared. */
  cachedTokens: number;
  generatedTokens: number;
  admissions: number;
  retractions: number;
}

export class Scheduler {
  readonly options: SchedulerOptions;
  readonly cache: PrefixCache;
  /** All requests that have not ended, by number. */
  readonly requests = new Map<number, Request>();
  readonly totals: SchedulerTotals = {
    prefillTokens: 0,
    cachedTokens: 0,
    generatedTokens: 0,
    admissions: 0,
    retractions: 0,
  };
  /** Told of each admission: how many of the request's tokens the cache held. */
  onAdmitted: (request: Request, cachedTokens: number) => void = () => {};
  readonly #ratio: NewTokenRatio;
  readonly #waiting: Request[] = [];
  /** In order of admission. */
  readonly #running: Request[] = [];

  constructor(options: SchedulerOptions, cache: PrefixCache) {
    this.options = options;
    this.cache = cache;
    this.#ratio = new NewTokenRatio(options.conservativeness);
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  get runningCount(): number {
    return this.#running.length;
  }

  /** Share of their remaining output that running requests are charged at admission. */
  get newTokenRatio(): number {
    return this.#ratio.value;
  }

  submit(request: Request): void {
    this.requests.set(request.id, request);
    this.#waiting.push(request);
  }

  /** Ends a request wherever it is and frees its pages; steps that already hold it are not disturbed. */
  finish(request: Request): void {
    request.finished = true;
    this.requests.delete(request.id);
    remove(request.running ? this.#running : this.#waiting, request);
    this.#releasePages(request);
  }

  /** Fills `plan` with the next step. False when there is nothing to compute. */
  plan(plan: StepPlan): boolean {
    plan.clear();
    if (this.#running.length === 0) this.#ratio.reset();
    const retractions = this.totals.retractions;
    this.#makeRoomForDecoding();
    for (const request of this.#running) if (request.decoding) this.#addNext(plan, request, 1);
    let budget = this.options.prefillTokens;
    for (const request of this.#running) {
      if (!request.decoding) budget -= this.#addPrompt(plan, request, budget);
    }
    // Prompts that have all pages between them and nobody that decodes: one has to give way.
    while (plan.tokenCount === 0 && this.#isStuck()) {
      this.#retractOne();
      for (const request of this.#running) budget -= this.#addPrompt(plan, request, budget);
    }
    const retracted = this.totals.retractions > retractions;
    if (retracted) this.#ratio.raise(this.#running);
    else if (this.#running.length > 0) this.#ratio.decay();
    // What was retracted is not taken back in the same breath.
    if (!retracted) this.#admit(plan, budget);
    return plan.tokenCount > 0;
  }

  /**
   * The positions of a step that is done, up to `end`, are in the KV cache: pages that became full may be shared.
   * @param end Below or at `request.known`.
   */
  computed(request: Request, end: number): void {
    if (!this.cache.enabled || !request.running) return;
    const fullPages = Math.min(Math.floor(end / request.pageTokens), request.pageCount);
    const { pages, tokens, pageTokens } = request;
    for (let i = request.cachedCount; i < fullPages; i++) {
      const own = pages[i]!;
      pages[i] = this.cache.insert(i === 0 ? -1 : pages[i - 1]!, tokens, i * pageTokens, own);
      // Steps run in order, so whoever gets the spare page writes it after the last step that reads it here.
      if (pages[i] !== own) this.cache.release(own);
      request.cachedCount = i + 1;
    }
  }

  /** Empties the prefix cache if nothing is running or waiting; says whether it did. */
  flushCache(): boolean {
    if (this.requests.size > 0) return false;
    this.cache.flush();
    return true;
  }

  // ---- pages ----

  /** Takes pages until `request` can hold `tokens`; false when the pool runs out before that. */
  #grow(request: Request, tokens: number): boolean {
    while (request.pageCount * request.pageTokens < tokens) {
      const page = this.cache.take();
      if (page < 0) return false;
      request.pages[request.pageCount++] = page;
    }
    return true;
  }

  /** Steps run in order, so whoever gets these pages writes them after the last step that holds this request. */
  #releasePages(request: Request): void {
    const { pages, cachedCount, pageCount } = request;
    for (let i = pageCount - 1; i >= cachedCount; i--) this.cache.release(pages[i]!);
    this.cache.unlock(pages, cachedCount);
    request.pageCount = request.cachedCount = 0;
    request.running = false;
  }

  // ---- running requests ----

  /** Retracts requests until every one that decodes can have its next token's page. */
  #makeRoomForDecoding(): void {
    let pagesNeeded = 0;
    for (const request of this.#running) if (needsPageToDecode(request)) pagesNeeded++;
    while (pagesNeeded > this.cache.availableCount) {
      if (needsPageToDecode(this.#retractOne())) pagesNeeded--;
    }
  }

  /** Some request has tokens to compute; after nothing could be planned, that means it lacks pages. */
  #isStuck(): boolean {
    return this.#running.some((request) => request.planned < request.end);
  }

  /** Sends the running request back that has generated least; among those, the one with the longest prompt. */
  #retractOne(): Request {
    let victim = this.#running[0]!;
    for (const request of this.#running) {
      const less = request.generated - victim.generated;
      if (less < 0 || (less === 0 && request.promptLength >= victim.promptLength)) victim = request;
    }
    remove(this.#running, victim);
    this.#releasePages(victim);
    victim.planned = 0;
    this.#waiting.push(victim);
    this.totals.retractions++;
    return victim;
  }

  /** Adds what `budget`, the rest of the step's prompt tokens, allows of a request's prompt; returns how many tokens. */
  #addPrompt(plan: StepPlan, request: Request, budget: number): number {
    const { prefillTokens, chunked } = this.options;
    if (chunked) return this.#addNext(plan, request, budget);
    const wanted = request.known - request.planned;
    const fits = wanted <= budget || budget === prefillTokens;
    return fits ? this.#addNext(plan, request, wanted) : 0;
  }

  /**
   * Adds as many of a request's next positions as the limit, logits rows and free pages allow; returns how many.
   * The token after the known ones may be computed too: the step before draws it.
   */
  #addNext(plan: StepPlan, request: Request, limit: number): number {
    const begin = request.planned;
    const rowsLeft = this.options.maxRows - plan.rowCount;
    const rowsEnd = Math.max(begin, request.rowsBegin) + rowsLeft;
    const pending = Math.max(request.known, begin + 1);
    let end = Math.min(pending, request.end, begin + limit, rowsEnd);
    if (!this.#grow(request, end)) end = Math.min(end, request.pageCount * request.pageTokens);
    if (end <= begin) return 0;
    if (begin < request.known - 1) this.totals.prefillTokens += end - begin;
    plan.add(request, end);
    return end - begin;
  }

  // ---- admission ----

  #admit(plan: StepPlan, budget: number): void {
    if (this.#waiting.length === 0 || budget <= 0) return;
    if (this.#running.length >= this.options.maxRunning) return;
    this.#order();
    let admitted = 0;
    while (admitted < this.#waiting.length && this.#running.length < this.options.maxRunning) {
      const request = this.#waiting[admitted]!;
      if (budget <= 0 || !this.#start(request)) break;
      admitted++;
      const added = this.#addPrompt(plan, request, budget);
      if (added === 0) break;
      budget -= added;
    }
    this.#waiting.splice(0, admitted);
  }

  #order(): void {
    if (this.options.policy === "fcfs" || !this.cache.enabled) return;
    if (this.#waiting.length < 2 || this.#waiting.length > lpmWaitingMax) return;
    const matched = new Map(
      this.#waiting.map((r) => [r, this.cache.matchCount(r.tokens, shareablePages(r))]),
    );
    this.#waiting.sort((a, b) => matched.get(b)! - matched.get(a)!);
  }

  /** Locks what is cached of a waiting request and makes it a running one, if room for the rest is expected. */
  #start(request: Request): boolean {
    const { cache } = this;
    const cached = cache.lockPrefix(request.tokens, shareablePages(request), request.pages);
    const cachedTokens = cached * request.pageTokens;
    const needed = request.known - cachedTokens + expectedTokens(request) + request.pageTokens;
    // Alone, every request fits: whoever submitted it has checked that.
    if (this.#running.length > 0 && needed > this.#expectedFree()) {
      cache.unlock(request.pages, cached);
      return false;
    }
    request.pageCount = request.cachedCount = cached;
    request.planned = cachedTokens;
    request.running = true;
    this.#running.push(request);
    this.totals.cachedTokens += cachedTokens;
    this.totals.admissions++;
    this.onAdmitted(request, cachedTokens);
    return true;
  }

  /** Tokens of the pool that running requests are not expected to need. */
  #expectedFree(): number {
    let reserved = 0;
    for (const request of this.#running) {
      reserved += Math.max(request.known - request.planned, 0);
      reserved += expectedTokens(request) * this.#ratio.value;
    }
    return this.cache.availableCount * this.cache.pool.pageTokens - reserved;
  }

  /** Checks that requests, cache and pool agree (see PrefixCache.checkIntegrity). O(pages). */
  checkIntegrity(): void {
    for (const request of this.#waiting) {
      if (request.running || request.pageCount > 0)
        throw new Error(`request ${request.id} waits with pages`);
    }
    for (const { id, planned, pageCount, pageTokens, cachedCount, running } of this.#running) {
      const sound = running && cachedCount <= pageCount && planned <= pageCount * pageTokens;
      if (!sound) throw new Error(`request ${id} runs with too few pages for its positions`);
    }
    const scheduled = [...this.#waiting, ...this.#running];
    const wrong = scheduled.find((r) => r.finished || this.requests.get(r.id) !== r);
    if (wrong || scheduled.length !== this.requests.size) {
      throw new Error(`request ${wrong?.id} is scheduled after its end, or one is not scheduled`);
    }
    this.cache.checkIntegrity(
      this.#running.map((r) => r.pages.subarray(0, r.cachedCount)),
      this.#running.map((r) => r.pages.subarray(r.cachedCount, r.pageCount)),
    );
  }
}

/** Whether the next position of a decoding request begins a page that it does not have yet. */
function needsPageToDecode(request: Request): boolean {
  const { decoding, planned, end, pageCount, pageTokens } = request;
  return decoding && planned < end && planned >= pageCount * pageTokens;
}

/** Full pages that a request may take from the cache: positions that need a logits row must be computed. */
function shareablePages({ known, rowsBegin, pageTokens }: Request): number {
  return Math.floor(Math.min(known - 1, rowsBegin) / pageTokens);
}

function remove(list: Request[], request: Request): void {
  const index = list.indexOf(request);
  if (index < 0) throw new Error(`request ${request.id} is not scheduled`);
  list.splice(index, 1);
}
