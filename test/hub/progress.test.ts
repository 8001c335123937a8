/** How downloads are told: lines without a terminal, a redrawn line on one. */
import { expect, test } from "bun:test";
import { DownloadProgress, downloadText } from "../../src/hub/progress.ts";
import { sizeText } from "../../src/size-text.ts";

test("sizes", () => {
  const sizes = [0, 999, 1000, 99_499, 99_500, 999_499, 999_500, 1.5e9, 16.06e9, 141e9, 2e15];
  expect(sizes.map(sizeText)).toEqual([
    "0 B",
    "999 B",
    "1.0 kB",
    "99.5 kB",
    "100 kB",
    "999 kB",
    "1.0 MB",
    "1.5 GB",
    "16.1 GB",
    "141 GB",
    "2.0 PB",
  ]);
});

test("one line says how far, how fast and how long", () => {
  expect(downloadText(1e9, 4e9, 0, 10)).toBe(
    " 25% [#####...............] 1.0 GB of 4.0 GB  100 MB/s  0:30 left",
  );
  expect(downloadText(3e9, 4e9, 2e9, 10)).toBe(
    " 75% [###############.....] 3.0 GB of 4.0 GB  100 MB/s  0:10 left",
  );
  expect(downloadText(0, 4e9, 0, 0)).toBe("  0% [....................] 0 B of 4.0 GB  0 B/s");
  expect(downloadText(0, 0, 0, 1)).toContain("100%");
});

function progressOn(isTerminal: boolean) {
  const notes: string[] = [];
  let screen = "";
  const user = {
    note: (line: string) => void notes.push(line),
    stderr: (text: string) => void (screen += text),
    isTerminal,
    columns: 40,
    signal: new AbortController().signal,
  };
  const progress = new DownloadProgress("org/name", 1000, new Map([["a", 250]]), user, true);
  return { progress, notes, screen: () => screen };
}

test("without a terminal each tenth is told once, even after a start from scratch", () => {
  const { progress, notes, screen } = progressOn(false);
  for (const bytes of [260, 310, 320, 0, 330, 450, 900]) progress.set("a", bytes);
  progress.set("b", 100);
  progress.close();
  expect(notes.map((line) => /(\d+)%/.exec(line)![1])).toEqual(["31", "45", "90", "100"]);
  expect(screen()).toBe("");
});

test("on a terminal one line is redrawn within its width, and notes stand above it", () => {
  const { progress, notes, screen } = progressOn(true);
  progress.set("a", 500);
  progress.note("a note");
  progress.close();
  expect(notes).toEqual(["a note"]);
  expect(screen()).toBe(
    `\r\u001b[K\r${"org/name  50% [##########..........] 500 B".slice(0, 39)}\u001b[K\n`,
  );
});
