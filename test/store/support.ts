/** Stores in folders of their own. */
import { afterAll } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type NewRun, Store } from "../../src/store/index.ts";

const folders: string[] = [];
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

export function newPath(): string {
  const folder = mkdtempSync(join(tmpdir(), "store-"));
  folders.push(folder);
  return join(folder, "data", "results.sqlite");
}

/** Opens a store that has nothing to say. */
export function openQuietly(path: string): Store {
  return Store.open(path, (line) => {
    throw new Error(`said: ${line}`);
  });
}

/** A run like no other. */
export function someRun(number: number, more: Partial<NewRun> = {}): NewRun {
  return {
    session: "s",
    at: "2026-11-29T03:00:00.000Z",
    command: `bench --request-rate ${number}`,
    system: "http://127.0.0.1:30000",
    fields: { backend: "sglang", request_rate: number },
    environment: { machine: "2 x CPU" },
    server: null,
    ...more,
  };
}
