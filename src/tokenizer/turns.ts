/** Long jobs of several callers advance by turns, so that none keeps the others waiting. */

/** A job that yields where it may be interrupted. */
export type Job = Generator<void, void>;

/** What one job may do before the next has its turn, in ms. */
const jobMs = 2;
/** What all may do before the thread looks for new messages, in ms. */
const turnMs = 5;

export class Turns {
  private readonly jobs: Job[] = [];
  private isScheduled = false;

  /** The job begins at once where no other is waiting. It must not throw. */
  add(job: Job): void {
    this.jobs.push(job);
    if (!this.isScheduled) this.turn();
  }

  private turn(): void {
    this.isScheduled = false;
    this.advance();
    if (this.jobs.length === 0) return;
    this.isScheduled = true;
    setImmediate(() => this.turn());
  }

  private advance(): void {
    const endMs = performance.now() + turnMs;
    let nowMs = performance.now();
    while (this.jobs.length > 0 && nowMs < endMs) {
      const job = this.jobs.shift()!;
      const untilMs = Math.min(nowMs + jobMs, endMs);
      let done = false;
      do {
        done = job.next().done!;
        nowMs = performance.now();
      } while (!done && nowMs < untilMs);
      if (!done) this.jobs.push(job);
    }
  }
}
