/** servebench.h, the table of src/program/backend.ts and the exports of the libraries say the same. */
import { describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as backend from "../../src/program/backend.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const header = readFileSync(`${root}native/include/servebench.h`, "utf8");
const libraries = ["cpu", "null"].map((name) => `${root}build/native/libservebench_${name}.so`);

/** The kinds of FFI argument behind a C parameter. */
function kindOf(parameter: string): string {
  if (parameter.includes("*")) return "buffer";
  return parameter.trim().startsWith("double") ? "f64" : "i32";
}

function prototypes(): Record<string, { args: string[]; returns: string }> {
  const found = header.matchAll(/^SB_API int32_t (\w+)\(([^)]*)\);/gm);
  return Object.fromEntries(
    Array.from(found, ([, name, list]) => {
      const args = list === "void" ? [] : list!.split(",").map(kindOf);
      return [name!, { args, returns: "i32" }];
    }),
  );
}

const constant = (name: string) => Number(new RegExp(`#define ${name} (\\d+)`).exec(header)?.[1]);
const run = (tool: string, ...args: string[]) => execFileSync(tool, args, { encoding: "utf8" });

test("the FFI table has every prototype of the header", () => {
  expect<object>(backend.backendSymbols).toEqual(prototypes());
  expect(Object.keys(prototypes()).length).toBeGreaterThan(10);
});

test("the constants are the header's", () => {
  expect({
    SB_ABI_VERSION: backend.abiVersion,
    SB_PAGE_TOKENS: backend.pageTokens,
    SB_TOP_MAX: backend.topMax,
    SB_ASKED_MAX: backend.askedMax,
    SB_STEP_HEADER: backend.stepHeaderWords,
    SB_ROW_WORDS: backend.samplingWords,
    SB_ADJUST_WORDS: backend.adjustWords,
    SB_ASKED_WORDS: backend.askedWords,
    SB_RESULT_WORDS: backend.resultWords,
  }).toEqual({
    SB_ABI_VERSION: constant("SB_ABI_VERSION"),
    SB_PAGE_TOKENS: constant("SB_PAGE_TOKENS"),
    SB_TOP_MAX: constant("SB_TOP_MAX"),
    SB_ASKED_MAX: constant("SB_ASKED_MAX"),
    SB_STEP_HEADER: constant("SB_STEP_HEADER"),
    SB_ROW_WORDS: constant("SB_ROW_WORDS"),
    SB_ADJUST_WORDS: constant("SB_ADJUST_WORDS"),
    SB_ASKED_WORDS: constant("SB_ASKED_WORDS"),
    SB_RESULT_WORDS: constant("SB_RESULT_WORDS"),
  });
});

describe.each(libraries)("%s", (library) => {
  test("exports the functions of the header and nothing else", () => {
    const names = run("nm", "-D", "--defined-only", library)
      .trim()
      .split("\n")
      .map((line) => line.split(" ").at(-1)!);
    expect(names.toSorted()).toEqual(Object.keys(prototypes()).toSorted());
  });

  test("needs libc and libm only, and no symbol newer than GLIBC 2.34", () => {
    const needed = run("objdump", "-p", library).matchAll(/NEEDED\s+(\S+)/g);
    const allowed = ["libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2"];
    for (const [, name] of needed) expect(allowed).toContain(name!);
    const versions = Array.from(run("objdump", "-T", library).matchAll(/GLIBC_2\.(\d+)/g));
    expect(versions.length).toBeGreaterThan(5);
    expect(Math.max(...versions.map(([, minor]) => Number(minor)))).toBeLessThanOrEqual(34);
  });
});
