/** One line on a terminal that tells how a run is going. It is drawn by a timer, never by a reply. */
const periodMs = 200;

export interface ProgressScreen {
  readonly stderr: (text: string) => void;
  readonly isTerminal: boolean;
  readonly columns: number;
}

export class Progress {
  sent = 0;
  ended = 0;
  failed = 0;
  /** Infinity: not known. */
  private readonly total: number;
  private readonly screen: ProgressScreen;
  private readonly startMs = performance.now();
  private readonly timer: ReturnType<typeof setInterval> | undefined;

  constructor(total: number, screen: ProgressScreen, enabled: boolean) {
    this.total = total;
    this.screen = screen;
    if (enabled && screen.isTerminal) this.timer = setInterval(() => this.draw(), periodMs);
  }

  /** Draws the last state and leaves the line. */
  close(): void {
    if (this.timer === undefined) return;
    clearInterval(this.timer);
    this.draw();
    this.screen.stderr("\n");
  }

  private draw(): void {
    const seconds = (performance.now() - this.startMs) / 1000;
    const text = progressText(this, this.total, seconds);
    this.screen.stderr(`\r${text.slice(0, Math.max(0, this.screen.columns - 1))}\u001b[K`);
  }
}

interface Counts {
  readonly sent: number;
  readonly ended: number;
  readonly failed: number;
}

const barWidth = 20;

export function progressText(
  { sent, ended, failed }: Counts,
  total: number,
  seconds: number,
): string {
  const share = total === 0 ? 1 : ended / total;
  const filled = Math.floor(share * barWidth);
  const bar = "#".repeat(filled) + ".".repeat(barWidth - filled);
  const clock = `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
  const counted = `${String(Math.floor(share * 100)).padStart(3)}% [${bar}] ${ended}/${total}`;
  const parts = [
    Number.isFinite(total) ? counted : `${ended} done`,
    clock,
    `${sent - ended} in flight`,
    `${(seconds > 0 ? ended / seconds : 0).toFixed(1)} req/s`,
    ...(failed > 0 ? [`${failed} failed`] : []),
  ];
  return parts.join("  ");
}
