/** Which files of a repository a server needs, or a tokenizer alone. */
import { UserError } from "../user-error.ts";
import { indexName, readIndex, shardsOf, unindexedFiles } from "./weights.ts";

/**
 * Picks from the paths of a repository; `obtain` makes one of them exist on disk and gives its place, for what must
 * be read to know the rest. Throws a UserError when the repository lacks what is needed.
 */
export type Choice = (
  paths: readonly string[],
  obtain: (path: string) => Promise<string>,
) => Promise<readonly string[]>;

export interface ModelParts {
  readonly tokenizer: boolean;
  readonly weights: boolean;
}

export function modelFiles(id: string, parts: ModelParts): Choice {
  return async (paths, obtain) => {
    needed(id, paths, "config.json", "It is not in the format of transformers; choose another.");
    const chosen = paths.filter((path) => /^(generation_)?config\.json$/.test(path));
    if (parts.tokenizer) chosen.push(...(await tokenizerFiles(id)(paths, obtain)));
    if (!parts.weights) return chosen;
    if (!paths.includes(indexName)) {
      const inRoot = paths.filter((path) => !path.includes("/"));
      return [...chosen, ...unindexedFiles(id, inRoot)];
    }
    const shards = shardsOf(readIndex(await obtain(indexName)));
    for (const shard of shards) needed(id, paths, shard, `${indexName} names it.`);
    return [...chosen, indexName, ...shards];
  };
}

export function tokenizerFiles(id: string): Choice {
  const wanted = /^(tokenizer.*\.json|special_tokens_map\.json|chat_template\.jinja)$/;
  return (paths) => {
    needed(id, paths, "tokenizer.json", "Name another model's tokenizer.");
    return Promise.resolve(paths.filter((path) => wanted.test(path)));
  };
}

export function oneFile(id: string, name: string): Choice {
  return (paths) => {
    needed(id, paths, name, "Was it renamed?");
    return Promise.resolve([name]);
  };
}

function needed(id: string, paths: readonly string[], name: string, hint: string): void {
  if (!paths.includes(name)) throw new UserError(`${id} has no ${name}. ${hint}`);
}
