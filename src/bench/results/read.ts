/** Result files and records files together, as compare and report take them. */
import type { Measurements } from "../measurements.ts";
import { readResultFile, type SavedRun } from "./lines.ts";
import { matchRecords, readRecordFile } from "./records.ts";

export interface Results {
  /** The runs of each file, in the order of the files. */
  readonly files: readonly (readonly SavedRun[])[];
  readonly records: ReadonlyMap<SavedRun, Measurements>;
  /** What a reader should know of what was not used. */
  readonly notes: readonly string[];
}

/** @throws UserError when a file cannot be read or holds nothing of its kind. */
export function readResults(
  resultFiles: readonly string[],
  recordFiles: readonly string[],
): Results {
  const files = resultFiles.map(readResultFile);
  const recorded = recordFiles.flatMap(readRecordFile);
  const { records, left } = matchRecords(
    files.flatMap(({ runs }) => runs),
    recorded,
  );
  const skipped = files.flatMap(({ skipped: count }, i) =>
    count === 0 ? [] : [`${resultFiles[i]}: ${count} of the lines are no result lines.`],
  );
  const unused = left === 0 ? [] : [`${left} recorded runs belong to no result line.`];
  return { files: files.map(({ runs }) => runs), records, notes: [...skipped, ...unused] };
}
