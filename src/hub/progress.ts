/** How a download is going: a line redrawn on a terminal, a plain line at each tenth elsewhere. */
import { sizeText } from "../size-text.ts";
import type { HubUser } from "./hub.ts";

const periodMs = 200;

export class DownloadProgress {
  private readonly label: string;
  private readonly total: number;
  private readonly user: HubUser;
  private readonly redrawn: boolean;
  private readonly timer: ReturnType<typeof setInterval> | undefined;
  private readonly startMs = performance.now();
  private readonly bytesOf = new Map<string, number>();
  private readonly atStart: number;
  private tenths: number;

  /** `bytesOf` has what was there before, by file. */
  constructor(
    label: string,
    total: number,
    before: ReadonlyMap<string, number>,
    user: HubUser,
    bars: boolean,
  ) {
    this.label = label;
    this.total = total;
    this.user = user;
    this.redrawn = user.isTerminal && bars;
    this.bytesOf = new Map(before);
    this.atStart = this.bytes();
    this.tenths = this.tenthsDone();
    if (this.redrawn) this.timer = setInterval(() => this.draw(), periodMs);
  }

  /** `file` has so many bytes now. */
  set(file: string, bytes: number): void {
    this.bytesOf.set(file, bytes);
    const tenths = this.tenthsDone();
    if (this.redrawn || tenths <= this.tenths) return;
    this.tenths = tenths;
    this.user.note(this.text());
  }

  /** Tells a line above the bar. */
  note(line: string): void {
    if (this.redrawn) this.user.stderr("\r\u001b[K");
    this.user.note(line);
  }

  /** Draws the last state and leaves the line. */
  close(): void {
    clearInterval(this.timer);
    if (!this.redrawn) return;
    this.draw();
    this.user.stderr("\n");
  }

  private bytes(): number {
    return this.bytesOf.values().reduce((sum, bytes) => sum + bytes, 0);
  }

  private tenthsDone(): number {
    return this.total === 0 ? 10 : Math.floor((10 * this.bytes()) / this.total);
  }

  private text(): string {
    const seconds = (performance.now() - this.startMs) / 1000;
    return `${this.label} ${downloadText(this.bytes(), this.total, this.atStart, seconds)}`;
  }

  private draw(): void {
    this.user.stderr(`\r${this.text().slice(0, Math.max(0, this.user.columns - 1))}\u001b[K`);
  }
}

const barWidth = 20;

/** `atStart` of the `bytes` were there before the clock began. */
export function downloadText(
  bytes: number,
  total: number,
  atStart: number,
  seconds: number,
): string {
  const share = total === 0 ? 1 : Math.min(1, bytes / total);
  const filled = Math.floor(share * barWidth);
  const bar = "#".repeat(filled) + ".".repeat(barWidth - filled);
  const rate = seconds > 0 ? Math.max(0, bytes - atStart) / seconds : 0;
  const left = rate > 0 && bytes < total ? `${clockText((total - bytes) / rate)} left` : "";
  const percent = `${String(Math.floor(share * 100)).padStart(3)}%`;
  return [
    `${percent} [${bar}] ${sizeText(bytes)} of ${sizeText(total)}`,
    `${sizeText(rate)}/s`,
    left,
  ]
    .filter((part) => part !== "")
    .join("  ");
}

function clockText(seconds: number): string {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
