/** A word to those who measure a server's memory without meaning to: the same seed makes the same prompts. */
import type { Dataset } from "../datasets/index.ts";
import type { BenchOptions } from "../options.ts";
import type { ServerFigures } from "./figures.ts";

/** More than the warm-up and the first tokens of prompts explain. */
const cachedShare = 0.05;

const advice =
  "The same --seed makes the same prompts in every run; --salt random makes them new, --flush-cache empties the cache.";

/** A line for the user; null where prompts are meant to be cached, were not, or where the server keeps no cache. */
export function cacheNote(
  { sharesPrefixes }: Dataset,
  { salt, flushCache }: BenchOptions,
  server: ServerFigures | null,
): string | null {
  if (sharesPrefixes || !server) return null;
  const { cacheHitRate, info } = server;
  if (cacheHitRate !== null) {
    if (cacheHitRate <= cachedShare) return null;
    const percent = (100 * cacheHitRate).toFixed(1);
    return `Note: ${percent} % of the prompt tokens came from the server's prefix cache. ${advice}`;
  }
  const guarded = salt !== null || flushCache;
  if (info["disable_radix_cache"] !== false || guarded) return null;
  return `Note: the server keeps a prefix cache and does not tell what came from it (--enable-metrics). ${advice}`;
}
