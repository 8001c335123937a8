/** Data sets by name. */
import type { DatasetName } from "../options.ts";
import type { Dataset, DatasetContext } from "./dataset.ts";
import { customDataset } from "./custom.ts";
import { randomExactDataset } from "./random-exact.ts";
import { randomDataset } from "./random.ts";
import { randomIdsDataset } from "./random-ids.ts";
import { sharedPrefixDataset } from "./shared-prefix.ts";
import { sharegptDataset } from "./sharegpt.ts";

export type { Dataset, DatasetContext } from "./dataset.ts";

const builders: Record<DatasetName, (context: DatasetContext) => Dataset> = {
  sharegpt: sharegptDataset,
  random: randomDataset,
  "random-ids": randomIdsDataset,
  "random-exact": randomExactDataset,
  "generated-shared-prefix": sharedPrefixDataset,
  custom: customDataset,
};

/** Builds the requests of a run. Throws an Error whose message tells the user what to change. */
export function buildDataset(context: DatasetContext): Dataset {
  return builders[context.options.datasetName](context);
}
