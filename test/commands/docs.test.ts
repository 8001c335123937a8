/** Proves that docs/cli.md says what --help says. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { cliDocs } from "../../scripts/generate-cli-docs.ts";

test("docs/cli.md is up to date", () => {
  const written = readFileSync(join(import.meta.dir, "../../docs/cli.md"), "utf8");
  expect(written, "run: bun scripts/generate-cli-docs.ts").toBe(cliDocs());
});
