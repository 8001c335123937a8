/**
 * The step loop. One turn plans and starts a step, then waits for the step before it and publishes that one's
 * tokens, so the device always has its next step queued:
 *
 *     host     plan n+1 | wait n ........ publish n, plan n+2 | wait n+1 ....
 *     device   step n ...................| step n+1 .........................|
 */
import { StepResults, StepWriter, type Program } from "../program/index.ts";
import type { GenerateRequest } from "./api.ts";
import { EventWriter, type EventMessage } from "./events.ts";
import { Request } from "./request.ts";
import { StepPlan, type Scheduler, type SchedulerTotals } from "./scheduler.ts";
import { applyResults, finish, writeStep } from "./step.ts";

interface RunningStep {
  readonly plan: StepPlan;
  readonly ticket: number;
  /** The device had had nothing to do before it. */
  readonly rested: boolean;
}

export class EngineLoop {
  readonly #program: Program;
  readonly #scheduler: Scheduler;
  readonly #events = new EventWriter();
  readonly #step: StepWriter;
  readonly #results: StepResults;
  /** One is running while the other is planned. */
  #plans: [StepPlan, StepPlan];
  /** Since the last message. */
  #steps = 0;
  #idleUs = 0;
  #reported: SchedulerTotals;
  #reportedEvictions = 0;
  /** Nothing has been started since the loop was idle. */
  #rested = true;
  #running: RunningStep | null = null;

  constructor(program: Program, scheduler: Scheduler) {
    this.#program = program;
    this.#scheduler = scheduler;
    this.#step = new StepWriter(program.limits);
    this.#results = new StepResults(program.limits);
    this.#reported = { ...scheduler.totals };
    scheduler.onAdmitted = (request, cached) => this.#events.admitted(request.id, cached);
    this.#plans = [new StepPlan(program.limits.requests), new StepPlan(program.limits.requests)];
  }

  /** True when nothing is left to do until the next `submit`. */
  get idle(): boolean {
    return this.#running === null && this.#scheduler.requests.size === 0;
  }

  submit(id: number, spec: GenerateRequest): void {
    if (this.idle) this.#rested = true;
    this.#scheduler.submit(new Request(id, spec, this.#scheduler.cache.pool.pageTokens));
  }

  /** Ends a request early; unknown and ended ones are ignored. */
  abort(id: number): void {
    const request = this.#scheduler.requests.get(id);
    if (request) this.#abort(request, "The request was aborted");
  }

  /** Ends everything early and leaves nothing running on the device. */
  abortAll(): void {
    for (const id of this.#scheduler.requests.keys()) this.abort(id);
    while (!this.idle) this.turn();
  }

  /** Checks that requests, prefix cache and pool agree. O(pages). @throws Error that names what does not. */
  checkIntegrity(): void {
    this.#scheduler.checkIntegrity();
  }

  /** Starts the next step and completes the one before. */
  turn(): void {
    const next = this.#start();
    const previous = this.#running;
    this.#running = next;
    if (previous) this.#complete(previous);
  }

  /** What happened since the last call; null if nothing did. */
  takeEvents(): EventMessage | null {
    const { runningCount, waitingCount, newTokenRatio, cache, totals } = this.#scheduler;
    const { size, pageTokens } = cache.pool;
    const message = this.#events.take({
      running: runningCount,
      waiting: waitingCount,
      usedTokens: (size - cache.availableCount) * pageTokens,
      evictableTokens: cache.evictableCount * pageTokens,
      newTokenRatioMillionths: Math.round(newTokenRatio * 1e6),
      steps: this.#steps,
      idleUs: this.#idleUs,
      prefillTokens: totals.prefillTokens - this.#reported.prefillTokens,
      cachedTokens: totals.cachedTokens - this.#reported.cachedTokens,
      generatedTokens: totals.generatedTokens - this.#reported.generatedTokens,
      admissions: totals.admissions - this.#reported.admissions,
      retractions: totals.retractions - this.#reported.retractions,
      evictedTokens: (cache.evictions - this.#reportedEvictions) * pageTokens,
    });
    if (message) {
      this.#steps = this.#idleUs = 0;
      this.#reportedEvictions = cache.evictions;
      this.#reported = { ...totals };
    }
    return message;
  }

  /** Empties the prefix cache if nothing is running or waiting; says whether it did. */
  flushCache(): boolean {
    return this.#scheduler.flushCache();
  }

  #start(): RunningStep | null {
    const [plan, other] = this.#plans;
    if (!this.#scheduler.plan(plan)) return null;
    try {
      writeStep(plan, this.#step);
      const ticket = this.#program.run(this.#step);
      this.#plans = [other, plan];
      const rested = this.#rested;
      this.#rested = false;
      return { plan, ticket, rested };
    } catch (error) {
      this.#fail(plan, error);
      return null;
    }
  }

  #complete({ plan, ticket, rested }: RunningStep): void {
    try {
      this.#program.wait(ticket, this.#results);
    } catch (error) {
      this.#fail(plan, error);
      return;
    }
    this.#steps++;
    // Without work the device does not wait for the host.
    if (!rested) this.#idleUs += this.#program.idleUs();
    applyResults(plan, this.#results, this.#scheduler, this.#events);
  }

  /** A step that failed takes its requests with it and nothing else. */
  #fail(plan: StepPlan, error: unknown): void {
    const message = `A step of the engine failed: ${error instanceof Error ? error.message : error}`;
    for (const request of plan.requests) if (!request.finished) this.#abort(request, message);
  }

  #abort(request: Request, message: string): void {
    finish(request, { type: "abort", message }, this.#scheduler, this.#events);
  }
}
