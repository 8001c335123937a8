/** What can be told to be wrong before anything is sent. */
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { UserError, UsageError } from "../user-error.ts";
import type { Backend } from "./backends/index.ts";
import { checkLoadShape } from "./load-shape.ts";
import type { BenchOptions } from "./options.ts";

/** @throws UsageError that names the flag and says what to do. */
export function checkOptions(options: BenchOptions, backend: Backend): void {
  if (options.numPrompts < 1)
    throw new UsageError(`--num-prompts: ${options.numPrompts} is not above 0.`);
  if (!(options.requestRate.perSecond > 0)) {
    throw new UsageError(
      `--request-rate: ${options.requestRate.perSecond} is not above 0; 'inf' sends all at once.`,
    );
  }
  checkLoadShape(options);
  if (!backend.authorized && options.model === null) {
    throw new UsageError(
      `Please provide a model using \`--model\` when using \`${options.backend}\` backend.`,
    );
  }
  checkPrompts(options, backend);
}

function checkPrompts(options: BenchOptions, backend: Backend): void {
  const { datasetName, backend: name, applyChatTemplate } = options;
  if (!backend.takesIds && datasetName === "random-ids") {
    throw new UsageError(
      `--dataset-name: random-ids sends token ids, which the ${name} backend does not take; use random-exact.`,
    );
  }
  if (applyChatTemplate && backend.path.endsWith("/chat/completions")) {
    throw new UsageError(
      `--apply-chat-template: with ${name} the server does it; leave the flag out.`,
    );
  }
  if (applyChatTemplate && datasetName === "random-ids") {
    throw new UsageError("--apply-chat-template needs text; random-ids has none.");
  }
  if (options.cacheHitRatio !== null && datasetName !== "generated-shared-prefix") {
    throw new UsageError("--cache-hit-ratio needs --dataset-name generated-shared-prefix.");
  }
}

/** Before the run, so that a mistyped folder does not cost an hour's figures. */
export function checkWritable(flag: string, path: string): void {
  const exists = existsSync(path);
  try {
    accessSync(exists ? path : dirname(path), constants.W_OK);
  } catch (error) {
    throw new UserError(`${flag}: cannot write '${path}': ${(error as Error).message}`, {
      cause: error,
    });
  }
  if (exists && statSync(path).isDirectory()) {
    throw new UserError(`${flag}: '${path}' is a folder; expected a file.`);
  }
}
