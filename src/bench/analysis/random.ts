/** Random numbers of the analysis: each figure has its own, so that one more figure changes none of the others. */
import seedrandom from "seedrandom";
import type { Random } from "../statistics/bootstrap.ts";

export const randomFor = (seed: number, figure: string): Random =>
  seedrandom(`servebench bootstrap ${seed} ${figure}`);
