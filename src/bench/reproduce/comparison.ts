/** The published comparison over again: what each system did in each run, and what was published of it. */
import { allFailed, failuresOf, type Fields, numberOf } from "../results/lines.ts";
import type { Ledger } from "./ledger.ts";
import type { Plan, PlannedRun, Series } from "./plan.ts";
import { publishedFor, type PublishedSystem } from "./published.ts";
import type { RecipeName } from "./recipes.ts";

/** One system's figures, a run each: output token/s offline, median end-to-end seconds online. */
export interface Column {
  readonly name: string;
  readonly published: boolean;
  readonly figures: readonly (number | null)[];
  /** Requests that failed. */
  readonly failed: readonly number[];
}

/** One recipe on one model. */
export interface Comparison {
  readonly recipe: RecipeName;
  readonly model: string;
  /** Of the first system; they are the same for all. */
  readonly runs: readonly PlannedRun[];
  readonly columns: readonly Column[];
}

/** One for each model and recipe. */
export function comparisonsOf(plan: Plan, { done }: Ledger): Comparison[] {
  const byModel = Map.groupBy(plan.series, ({ model }) => modelKey(model));
  return [...byModel.values()].flatMap((series) => {
    const { runs, model } = series[0]!;
    const recipes = [...new Set(runs.map(({ recipe }) => recipe))];
    return recipes.map((recipe): Comparison => {
      const ofRecipe = runs.filter((run) => run.recipe === recipe);
      const published = publishedFor(model).systems;
      const columns = [
        ...series.map((one) => measuredColumn(one, recipe, done)),
        ...published.map((system) => publishedColumn(system, ofRecipe)),
      ];
      return { recipe, model, runs: ofRecipe, columns };
    });
  });
}

/** The same for "preset:llama-3.1-8b" and "meta-llama/Meta-Llama-3.1-8B-Instruct", which are one model by other names. */
export function modelKey(model: string): string {
  const name = model.split(/[/:]/).findLast((part) => part !== "") ?? model;
  return name
    .toLowerCase()
    .replace(/^meta-/, "")
    .replace(/-instruct$/, "");
}

function measuredColumn(
  { system, runs }: Series,
  recipe: RecipeName,
  done: Ledger["done"],
): Column {
  const lines = runs.filter((run) => run.recipe === recipe).map((run) => done.get(run) ?? null);
  return {
    name: system,
    published: false,
    figures: lines.map((line) => line && figureOf(recipe, line)),
    failed: lines.map((line) => (line && failuresOf(line)?.failed) ?? 0),
  };
}

function figureOf(recipe: RecipeName, line: Fields): number | null {
  if (allFailed(line)) return null;
  if (recipe === "offline") return numberOf(line, "output_throughput");
  const medianMs = numberOf(line, "median_e2e_latency_ms");
  return medianMs === null ? null : medianMs / 1000;
}

function publishedColumn(system: PublishedSystem, runs: readonly PlannedRun[]): Column {
  const figures = runs.map(
    ({ recipe, number }) =>
      (recipe === "offline" ? system.offline : system.onlineS)[number - 1] ?? null,
  );
  return { name: system.name, published: true, figures, failed: runs.map(() => 0) };
}
