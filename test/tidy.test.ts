/** House rules that a reader would otherwise have to check by eye. Each message names the mend. */
import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

import packageJson from "../package.json" with { type: "json" };

const root = join(import.meta.dir, "..");

function filesUnder(folder: string, ending: RegExp): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((name) => ending.test(name) && statSync(join(root, name)).isFile());
}
const sources = filesUnder("src", /\.ts$/);
const read = (file: string) => readFileSync(join(root, file), "utf8");

/** Which layer may import which; a layer may also import what its imports may (see docs/architecture.md). */
const layers: Record<string, readonly string[]> = {
  main: ["repl", "commands", "terminal"],
  repl: ["commands"],
  commands: ["bench", "chat", "kernels", "launch", "server", "store", "terminal", "doctor"],
  chat: ["bench", "terminal"],
  doctor: ["bench", "program"],
  kernels: ["model", "terminal"],
  bench: ["hub", "tokenizer", "launch", "net", "terminal"],
  server: ["engine", "tokenizer", "hub"],
  engine: ["model"],
  model: ["program"],
  program: ["runtime"],
  hub: ["tokenizer", "runtime"],
  tokenizer: ["runtime"],
  launch: ["runtime"],
  net: ["runtime"],
  store: [],
  terminal: [],
  runtime: [],
};
/** Leaves that every layer may import. */
const leaves = ["version", "user-error", "nearest", "exit-code", "size-text"];

function reachable(layer: string, seen = new Set<string>()): Set<string> {
  for (const next of layers[layer] ?? []) {
    if (!seen.has(next)) reachable(next, seen.add(next));
  }
  return seen;
}

const layerOf = (file: string) => relative("src", file).split("/")[0]!.replace(/\.ts$/, "");

function importsOf(file: string): string[] {
  const found = read(file).matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g);
  return [...found].map((m) => relative(root, resolve(root, dirname(file), m[1]!)));
}

test("imports point down the layers", () => {
  const wrong: string[] = [];
  for (const file of sources) {
    const from = layerOf(file);
    expect([...Object.keys(layers), ...leaves], `${file}: add its layer to this test`).toContain(
      from,
    );
    for (const target of importsOf(file).filter((f) => f.startsWith("src/"))) {
      const to = layerOf(target);
      const allowed = to === from || leaves.includes(to) || reachable(from).has(to);
      if (!allowed) wrong.push(`${file} imports ${target}`);
    }
  }
  expect(wrong).toEqual([]);
});

test("only src/runtime names a runtime", () => {
  const naming = /\bBun\.|\bDeno\.|["']bun(:\w+)?["']/;
  const outside = sources.filter((file) => layerOf(file) !== "runtime");
  expect(outside.filter((file) => naming.test(stripComments(read(file))))).toEqual([]);
});

test.each([
  ["program", /\bsb_[a-z]+/],
  ["net", /\bsn_[a-z]+/],
])("only src/%s names functions of its native ABI", (layer, naming) => {
  const outside = sources.filter((file) => layerOf(file) !== layer);
  expect(outside.filter((file) => naming.test(stripComments(read(file))))).toEqual([]);
});

test("every source file is imported or is an entry", () => {
  const entries = [
    "src/main.ts",
    "src/engine/worker.ts",
    "src/tokenizer/worker.ts",
    ...Object.values(packageJson.imports["#runtime"]).map((file) => file.slice("./".length)),
  ];
  const imported = new Set([...sources, ...filesUnder("scripts", /\.ts$/)].flatMap(importsOf));
  const orphans = sources.filter(
    (file) => !imported.has(file) && !entries.includes(file) && !file.endsWith(".d.ts"),
  );
  expect(orphans, "delete it or import it").toEqual([]);
});

test("every source file says what it is for", () => {
  const silent = sources.filter(
    (file) => !/\/\*\*|^\/\//m.test(read(file)) && !file.endsWith(".d.ts"),
  );
  expect(silent, "add a comment that says what the file is for").toEqual([]);
});

test("functions fit a screen", () => {
  const long = sources.flatMap((file) =>
    longFunctions(read(file)).map((line) => `${file}:${line}`),
  );
  expect(long, "split functions of over 70 lines").toEqual([]);
});

/** First lines of functions that span over 70 lines, told by the indentation of their closing brace. */
function longFunctions(text: string): string[] {
  const lines = text.split("\n");
  const found: string[] = [];
  lines.forEach((line, start) => {
    const head = /^(\s*)(?:export |async |static |private )*(?:function\b|\w+\(.*\).*\{$)/.exec(
      line,
    );
    if (!head || !line.trimEnd().endsWith("{") || line.includes("=>")) return;
    const end = lines.findIndex((l, i) => i > start && l === `${head[1]}}`);
    if (end - start > 70) found.push(`${start + 1} (${end - start} lines)`);
  });
  return found;
}

function stripComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|(^|\s)\/\/.*$/gm, "$1");
}

const documents = ["README.md", "CHANGELOG.md", "THIRD_PARTY.md", ...filesUnder("docs", /\.md$/)];

test("links of documents lead to files", () => {
  const broken = documents.flatMap((file) =>
    [...read(file).matchAll(/\]\((?!https?:)([^)#]+)/g)]
      .map((link) => join(dirname(file), link[1]!))
      .filter((target) => !existsSync(join(root, target)))
      .map((target) => `${file} links to ${target}`),
  );
  expect(broken).toEqual([]);
});

test("documents have one title", () => {
  expect(documents.filter((file) => titles(read(file)).length !== 1)).toEqual([]);
});

function titles(markdown: string): readonly string[] {
  return markdown.replace(/```[\s\S]*?```/g, "").match(/^# .*/gm) ?? [];
}
