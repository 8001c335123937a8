/** From a plan to the step description, and from the step's results to tokens and events. */
import { pageTokens, type StepResults, type StepWriter } from "../program/index.ts";
import type { EventWriter } from "./events.ts";
import type { Request } from "./request.ts";
import type { Scheduler, StepPlan } from "./scheduler.ts";

/** Describes the planned step. A token that the step before is still drawing is referred to by its row. */
export function writeStep(plan: StepPlan, step: StepWriter): void {
  step.reset();
  plan.requests.forEach((request, i) => {
    const end = plan.ends[i]!;
    const group = request.pageTokens / pageTokens;
    step.addRequest(plan.begins[i]!, request.pages, Math.ceil(end / pageTokens), group);
    for (let position = plan.begins[i]!; position < end; position++) {
      const pendingRow = position < request.known ? -1 : request.drawRow;
      if (pendingRow < 0) step.addId(request.tokens[position]!);
      else step.addSampledId(pendingRow);
      if (request.rowCount(position, position + 1) > 0) addRow(step, request, position, pendingRow);
    }
  });
}

/** @param pendingRow where the step before draws the token at `position`; -1 if that is known. */
function addRow(step: StepWriter, request: Request, position: number, pendingRow: number): void {
  const { sampling, logprobs } = request.spec;
  const topCount = logprobs?.topCount ?? 0;
  if (position + 1 < request.promptLength) {
    step.addTarget(request.tokens[position + 1]!, topCount);
  } else {
    request.drawRow = step.rowCount;
    step.addDraw(sampling, position + 1, topCount, logprobs !== null);
    request.adjuster?.adjust(step, position + 1 - request.promptLength, pendingRow);
  }
  if (logprobs?.askedIds?.length) step.askRow(logprobs.askedIds);
}

/** Hands a completed step's results to its requests and finishes those that have all they asked for. */
export function applyResults(
  plan: StepPlan,
  results: StepResults,
  scheduler: Scheduler,
  events: EventWriter,
): void {
  let row = 0;
  plan.requests.forEach((request, i) => {
    const end = plan.ends[i]!;
    const rowsEnd = row + plan.rowCounts[i]!;
    if (areTokens(results, row, rowsEnd)) scheduler.computed(request, end);
    for (; row < rowsEnd; row++) {
      // Ended meanwhile: by an abort, or by a stop token that came after this step was planned.
      if (!request.finished) applyRow(request, results, row, scheduler, events);
    }
    const promptOnly = request.spec.maxNewTokens === 0 && end === request.promptLength;
    if (promptOnly && !request.finished) finish(request, { type: "length" }, scheduler, events);
  });
}

/** What led to logits that are not finite must not be shared through the cache. */
function areTokens(results: StepResults, begin: number, end: number): boolean {
  for (let row = begin; row < end; row++) if (results.token(row) < 0) return false;
  return true;
}

/** Rows come in order of position, each once: this one is that of `request.rowsBegin`. */
function applyRow(
  request: Request,
  results: StepResults,
  row: number,
  scheduler: Scheduler,
  events: EventWriter,
): void {
  const { logprobs, stopTokenIds, maxNewTokens } = request.spec;
  const position = request.rowsBegin++;
  const token = results.token(row);
  if (token < 0) {
    const cause = request.adjuster
      ? "its biases leave no token, or the weights are damaged"
      : "the weights may be damaged";
    const message = `The logits at position ${position} are not finite; ${cause}`;
    finish(request, { type: "abort", message }, scheduler, events);
  } else if (position + 1 < request.promptLength) {
    events.logprob("promptLogprob", request.id, results, row);
  } else {
    request.push(token);
    scheduler.totals.generatedTokens++;
    if (logprobs === null) events.token(request.id, token);
    else events.logprob("tokenLogprob", request.id, results, row);
    if (stopTokenIds.includes(token)) {
      finish(request, { type: "stop", tokenId: token }, scheduler, events);
    } else if (request.known === request.promptLength + maxNewTokens) {
      finish(request, { type: "length" }, scheduler, events);
    }
  }
}

/** Ends a request and says so. */
export function finish(
  request: Request,
  reason: Parameters<EventWriter["finish"]>[1],
  scheduler: Scheduler,
  events: EventWriter,
): void {
  scheduler.finish(request);
  events.finish(request.id, reason);
}
