/** Folders that hold results and models, and how the Hugging Face Hub would be reached. */
import { accessSync, constants, statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { hubSettings, type Environment } from "../hub/settings.ts";
import { sizeText } from "../size-text.ts";
import { bad, judged, ok, type Finding } from "./finding.ts";

export function storageFindings(dataFolder: string, environment: Environment): Finding[] {
  return [
    folderFinding("results and logs", dataFolder, 1e8, "SERVEBENCH_HOME"),
    ...hubFindings(environment),
  ];
}

/** A folder that may not be there yet. @param wantedBytes With less free space there is something to say. */
function folderFinding(
  name: string,
  folder: string,
  wantedBytes: number,
  variable: string,
): Finding {
  const exists = nearestExisting(folder);
  const elsewhere = `make room, or name another folder by ${variable}`;
  if (!isWritable(exists)) {
    const advice = `make it a folder that you may write to, or name another by ${variable}`;
    return bad(name, `${folder} cannot be written`, advice);
  }
  const { bavail, bsize } = statfsSync(exists);
  const free = bavail * bsize;
  const value = `${folder}${exists === folder ? "" : " (made when needed)"}, ${sizeText(free)} free`;
  if (free < 1e7) return bad(name, value, elsewhere);
  return judged(name, value, free < wantedBytes ? elsewhere : null);
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return statSync(folder).isDirectory();
  } catch {
    return false;
  }
}

function nearestExisting(folder: string): string {
  for (let path = folder; ; path = dirname(path)) {
    try {
      accessSync(path);
      return path;
    } catch {
      if (path === dirname(path)) return path;
    }
  }
}

function hubFindings(environment: Environment): Finding[] {
  try {
    const { endpoint, token, tokenSource, cacheFolder, offline } = hubSettings(environment);
    return [
      folderFinding("model cache", cacheFolder, 2e10, "HF_HOME"),
      ok("Hugging Face Hub", `${withoutPassword(endpoint)}${offline ? notAsked : ""}`),
      ok(
        "access token",
        token === null
          ? `none: gated models need one in ${tokenSource}`
          : `given by ${tokenSource} (not shown)`,
      ),
      ok("HF_ variables", variablesText(environment)),
    ];
  } catch (error) {
    return [bad("Hugging Face Hub", (error as Error).message, "correct the variable, or unset it")];
  }
}

const notAsked = ", not asked: HF_HUB_OFFLINE is set";

function withoutPassword(endpoint: string): string {
  const url = new URL(endpoint);
  return url.username + url.password === "" ? endpoint : `${url.protocol}//***@${url.host}`;
}

/** Those that may hold a secret by name alone. */
function variablesText(environment: Environment): string {
  const names = Object.keys(environment).filter((name) => name.startsWith("HF_"));
  const texts = names.sort().map((name) => {
    const value = environment[name]!;
    return /TOKEN|ENDPOINT|KEY|SECRET/.test(name) ? name : `${name}=${value}`;
  });
  return texts.length === 0 ? "none is set" : texts.join(", ");
}
