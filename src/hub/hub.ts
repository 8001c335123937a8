/**
 * The Hugging Face Hub as downloads see it: its settings, the user who waits, and the clock and disk that tests
 * replace.
 *
 * Why not the npm package @huggingface/hub (2.17): it hides the X-Error-Code header, by which gated, missing and
 * forbidden are told apart; its download to the cache neither resumes, nor checks sums, nor locks, nor retries, nor
 * reads HF_TOKEN, and loads one file at a time. What it would leave to us is all of this folder but two GETs.
 */
import { existsSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { hubSettings, type Environment, type HubSettings } from "./settings.ts";

/** Who is told of a download, and who may end it. */
export interface HubUser {
  /** Tells one line. */
  readonly note: (line: string) => void;
  readonly stderr: (text: string) => void;
  /** Whether standard error takes redrawn lines, and how wide it is. */
  readonly isTerminal: boolean;
  readonly columns: number;
  readonly signal: AbortSignal;
}

export interface Hub {
  readonly settings: HubSettings;
  readonly user: HubUser;
  /** Waits. Rejects when the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Free bytes on the disk of a folder, which need not exist yet. */
  readonly freeBytes: (folder: string) => number;
}

/** Throws a UserError for an environment variable of no use. */
export function openHub(user: HubUser, environment: Environment = process.env): Hub {
  return {
    settings: hubSettings(environment),
    user,
    sleep: (ms, signal) => delay(ms, undefined, { signal }),
    freeBytes,
  };
}

function freeBytes(folder: string): number {
  let existing = folder;
  while (!existsSync(existing)) existing = dirname(existing);
  const { bavail, bsize } = statfsSync(existing);
  return bavail * bsize;
}

/** A repository of the Hub at a revision: a branch, a tag or a commit. */
export interface Repository {
  readonly type: "model" | "dataset";
  readonly id: string;
  readonly revision: string;
}

/** The form of a repository's id: `name` or `org/name`. */
export function isHubId(text: string): boolean {
  return (
    /^\w[\w.-]*(\/\w[\w.-]*)?$/.test(text) && !/--|\.\.|[.-](\/|$)/.test(text) && text.length <= 96
  );
}

export const isCommit = (revision: string): boolean => /^[0-9a-f]{40}$/.test(revision);

/** The page of a repository, for people. */
export function pageOf({ endpoint }: HubSettings, { type, id }: Repository): string {
  return `${endpoint}/${type === "dataset" ? "datasets/" : ""}${id}`;
}
