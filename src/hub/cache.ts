/** The Hugging Face cache, read only: `models--ORG--NAME/{refs/main, snapshots/COMMIT/...}`. */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

/** The folder of the cache, by the variables that huggingface_hub reads. */
export function cacheFolder(environment: Environment = process.env): string {
  const { HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME } = environment;
  const home = HF_HOME || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "huggingface");
  return HF_HUB_CACHE || HUGGINGFACE_HUB_CACHE || join(home, "hub");
}

/** The form of a hub id: `name` or `org/name`. */
export function isHubId(text: string): boolean {
  return /^[\w-][\w.-]*(\/[\w-][\w.-]*)?$/.test(text);
}

/** The folder that holds the main revision of a model, or null if the cache does not have it. */
export function cachedSnapshot(id: string, environment: Environment = process.env): string | null {
  const repository = join(cacheFolder(environment), `models--${id.replaceAll("/", "--")}`);
  const ref = join(repository, "refs/main");
  if (!existsSync(ref)) return null;
  const snapshot = join(repository, "snapshots", readFileSync(ref, "utf8").trim());
  return existsSync(snapshot) ? snapshot : null;
}
