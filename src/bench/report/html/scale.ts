/** Scales of charts, and their values in words. */
import { numberText } from "../../results/number-text.ts";

export { linearScale, logScale, type Scale, tickText } from "../../../terminal/scale.ts";

/** Milliseconds in the unit that reads best. */
export function latencyText(ms: number): string {
  return ms >= 10_000 ? `${numberText(ms / 1000)} s` : `${numberText(ms)} ms`;
}
