/** What Tab can name in a session. */
import { readdirSync } from "node:fs";
import { homedir } from "node:os";
import { presets } from "../hub/presets.ts";
import { templates } from "../launch/index.ts";
import type { World } from "./line/completion.ts";
import type { Session } from "./session.ts";
import { topics } from "./topics.ts";

/** @param session Asked when a key is pressed: the session needs a user interface first, which needs this. */
export function worldOf(session: () => Session): World {
  return {
    get commands() {
      return session().commands;
    },
    presets: Object.keys(presets),
    kinds: templates.map(({ name: text, summary: says }) => ({ text, says })),
    servers: () =>
      session()
        .fleet.list()
        .filter(({ state }) => state !== "ended")
        .map(({ name }) => name),
    results: () =>
      session()
        .store.runs({ session: session().name })
        .map(({ label }) => label),
    jobs: () => session().jobs.all.map(({ spec }) => String(spec.id)),
    sessions: () =>
      session()
        .store.sessions()
        .map(({ name }) => name),
    topics: () => [...session().commands.map(({ name }) => name), ...Object.keys(topics)],
    settings: () => Object.keys(session().defaults.flags),
    setting: (name) => {
      const { flags } = session().defaults;
      return Object.hasOwn(flags, name) ? flags[name]! : null;
    },
    listFolder,
  };
}

function listFolder(path: string): string[] {
  const real = path === "" ? "." : path.replace(/^~(?=\/)/, homedir());
  try {
    return readdirSync(real, { withFileTypes: true })
      .map((entry) => entry.name + (entry.isDirectory() ? "/" : ""))
      .sort();
  } catch {
    return [];
  }
}
