/** Shows a run while it goes on: a timer looks at the figures, which nothing that arrives ever waits for. */
import type { LoadPlan, LoadProgress } from "../load.ts";
import type { RequestRecord } from "../request.ts";
import { LiveFigures, type LivePlan } from "./figures.ts";
import type { LiveView } from "./view.ts";

export class Display {
  readonly #view: LiveView;
  readonly #figures: LiveFigures;
  #startMs = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(
    { schedule, sendForS, graceS }: Pick<LoadPlan, "schedule" | "sendForS" | "graceS">,
    more: Pick<LivePlan, "tokens" | "gapBeforeFirst">,
    view: LiveView,
  ) {
    const { count } = schedule;
    const lastDueS = Number.isFinite(count) ? schedule.dueS(count - 1) : Infinity;
    this.#figures = new LiveFigures({ total: count, lastDueS, sendForS, graceS, ...more });
    this.#view = view;
  }

  start(progress: () => LoadProgress): void {
    this.#startMs = performance.now();
    this.#timer = setInterval(() => this.#show(progress()), this.#view.periodMs);
  }

  end(record: RequestRecord): void {
    this.#figures.end(record);
  }

  /** The run is over: shows its last state. */
  finish(): void {
    this.close();
    this.#show(null);
  }

  /** Also after an error. */
  close(): void {
    clearInterval(this.#timer);
    this.#view.clear();
  }

  #show(progress: LoadProgress | null): void {
    this.#view.show(this.#figures.state((performance.now() - this.#startMs) / 1000, progress));
  }
}
