/** Reading the headers that the Hub answers with. Whatever a server writes, none of these throws. */

/** The address that a Link header (RFC 8288) gives for the next page, or null. */
export function nextPage(link: string | null): string | null {
  for (const [, address, parameters] of (link ?? "").matchAll(/<([^>]*)>([^<]*)/g)) {
    if (/;\s*rel="?next"?\s*(?:[;,]|$)/i.test(parameters!)) return address!;
  }
  return null;
}

/** First byte and total length of a partial answer; null if the header says neither or is no such header. */
export function contentRange(text: string | null): { first: number; total: number } | null {
  const match = /^\s*bytes\s+(\d{1,15})-(\d{1,15})\/(\d{1,15})\s*$/i.exec(text ?? "");
  if (!match) return null;
  const [first, last, total] = match.slice(1).map(Number) as [number, number, number];
  return first <= last && last < total ? { first, total } : null;
}

/** How long the server asks to wait: Retry-After in seconds or as a date, else the Hub's `RateLimit: "api";r=0;t=55`. */
export function askedWaitMs(headers: Headers, nowMs = Date.now()): number | null {
  const retryAfter = headers.get("retry-after")?.trim() ?? "";
  if (/^\d{1,9}$/.test(retryAfter)) return Number(retryAfter) * 1000;
  const at = /^[A-Z][a-z]{2},/.test(retryAfter) ? Date.parse(retryAfter) : NaN;
  if (!Number.isNaN(at)) return Math.max(0, at - nowMs);
  const limit = /\br=(\d{1,9})\b.*\bt=(\d{1,9})\b/.exec(headers.get("ratelimit") ?? "");
  return limit && Number(limit[1]) === 0 ? Number(limit[2]) * 1000 : null;
}
