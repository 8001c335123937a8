/** The server's log: what may be written, and how a flood of the same line becomes two. */

export type LogLevel = "error" | "warning" | "info" | "debug";

/** Takes one line; never a prompt or a key. */
export type Log = (level: LogLevel, line: string) => void;

/** Lets a line pass at once, and what repeats it within `windowMs` as one line with the count. */
export function gatherRepeats(log: Log, windowMs = 1000): Log {
  const repeats = new Map<string, number>();
  return (level, line) => {
    const count = repeats.get(line);
    if (count !== undefined) return void repeats.set(line, count + 1);
    log(level, line);
    repeats.set(line, 0);
    setTimeout(() => {
      const more = repeats.get(line)!;
      repeats.delete(line);
      if (more > 0) log(level, `${line} (${more} more times within ${windowMs / 1000} s)`);
    }, windowMs).unref();
  };
}
