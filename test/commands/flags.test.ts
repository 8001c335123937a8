/** Proves that command lines mean what argparse would make of them, and that mistakes get a helpful sentence. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  choiceFlag,
  intFlag,
  intsFlag,
  jsonFlag,
  numberFlag,
  parseFlags,
  required,
  switchFlag,
  textFlag,
  textListFlag,
  unbuiltFlag,
} from "../../src/commands/flags.ts";
import { UsageError } from "../../src/user-error.ts";

const flags = {
  backend: required(choiceFlag("", ["sglang", "vllm"])),
  "random-input-len": intFlag("", { default: 1024, min: 1 }),
  "random-output-len": intFlag("", { default: 128 }),
  "random-range-ratio": numberFlag("", { default: 0 }),
  "request-rate": numberFlag("", { default: Infinity }),
  "request-rate-range": textFlag("", { default: "2,34,2" }),
  "output-file": textFlag(""),
  "output-details": switchFlag("", { extension: true }),
  header: textListFlag(""),
  multi: switchFlag(""),
  body: jsonFlag(""),
  tp: unbuiltFlag("", "one device only", ["1"]),
  dtype: choiceFlag("", ["auto"], { unbuilt: { half: "use auto" } }),
  "context-length": intFlag("", { units: true, min: 2 }),
  ports: intsFlag("", { min: 0 }),
  "log-level": textFlag("", { aliases: ["verbosity"] }),
};
const parse = (line: string) => parseFlags(flags, line.split(" "));
const mistake = (line: string): string => {
  try {
    parse(line);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as Error).message;
  }
  throw new Error(`accepted: ${line}`);
};

describe("accepted", () => {
  test("defaults", () => {
    expect(parse("--backend vllm")).toEqual({
      backend: "vllm",
      randomInputLen: 1024,
      randomOutputLen: 128,
      randomRangeRatio: 0,
      requestRate: Infinity,
      requestRateRange: "2,34,2",
      outputFile: null,
      outputDetails: false,
      header: [],
      multi: false,
      body: null,
      tp: null,
      dtype: null,
      contextLength: null,
      ports: [],
      logLevel: null,
    });
  });

  test("prefixes, equals signs, exact names before longer ones, aliases", () => {
    const values = parse(
      "--ba=sglang --random-input 7 --random-o=9 --request-rate 4.5 --mul --verbosity warn",
    );
    expect(values).toMatchObject({
      backend: "sglang",
      randomInputLen: 7,
      randomOutputLen: 9,
      requestRate: 4.5,
      multi: true,
      logLevel: "warn",
    });
  });

  test.each([
    ["1_000", 1000],
    ["+inf", Infinity],
    ["Infinity", Infinity],
    [".5", 0.5],
    ["5.", 5],
    ["1E3", 1000],
    ["007", 7],
  ])("%s is a number, as in Python", (text, expected) => {
    expect(parse(`--backend vllm --request-rate ${text}`).requestRate).toBe(expected);
  });

  test.each(["0x10", "0b1", "1__0", "_1", "1_", "e5", "1n", "nan"])("%s is none", (text) => {
    expect(mistake(`--backend vllm --request-rate ${text}`)).toContain("is not a number");
  });

  test("a prefix of an original flag is not made ambiguous by an extension", () => {
    expect(parse("--backend vllm --output x.jsonl").outputFile).toBe("x.jsonl");
  });

  test.each([
    ["8192", 8192],
    ["1k", 1000],
    ["25.6k", 25_600],
    ["1.1k", 1100],
    ["1M", 1_000_000],
    ["1Ki", 1024],
    ["0.5Mi", 524_288],
  ])("%s is a number of tokens, as in SGLang", (text, expected) => {
    expect(parse(`--backend vllm --context-length ${text}`).contextLength).toBe(expected);
  });

  test.each(["1K", "1m", "1ki", "k", "1.5", "1 000", "1e3", "-1k"])("%s is none", (text) => {
    const argv = ["--backend", "vllm", "--context-length", text];
    expect(() => parseFlags(flags, argv)).toThrow(/is not a whole number|is out of range/);
  });

  test("a flag of several words takes all up to the next flag, as argparse's nargs='*'", () => {
    expect(parse("--ports 1 2 3 --backend vllm").ports).toEqual([1, 2, 3]);
    expect(parse("--backend vllm --ports").ports).toEqual([]);
    expect(parse("--backend vllm --ports=4 --multi").ports).toEqual([4]);
    expect(mistake("--backend vllm --ports 1 x")).toBe("--ports: 'x' is not a whole number");
  });

  test("numbers as Python reads them", () => {
    expect(parse("--backend vllm --request-rate inf").requestRate).toBe(Infinity);
    expect(parse("--backend vllm --random-output-len -3").randomOutputLen).toBe(-3);
    expect(parse("--backend vllm --random-range-ratio 1e-3").randomRangeRatio).toBe(0.001);
  });

  test("repeated flags, JSON, the value of an unbuilt flag that changes nothing", () => {
    const values = parse('--backend vllm --header a:1 --header b:2 --body {"x":1} --tp 1');
    expect(values).toMatchObject({ header: ["a:1", "b:2"], body: '{"x":1}', tp: null });
  });
});

describe("words", () => {
  const words = { recipe: required(choiceFlag("", ["offline", "online"])) };
  const parseWords = (line: string) => parseFlags(flags, line.split(" "), words);

  test("stand anywhere between flags", () => {
    expect(parseWords("online --backend vllm")).toMatchObject({ recipe: "online" });
    expect(parseWords("--backend vllm --multi online --tp 1").recipe).toBe("online");
  });

  test("must be there, known, and no more than there are", () => {
    expect(() => parseWords("--backend vllm")).toThrow(
      "the recipe is missing: name offline|online",
    );
    expect(() => parseWords("onlin --backend vllm")).toThrow(
      "recipe: 'onlin' is not one of offline, online (did you mean online?)",
    );
    expect(() => parseWords("online --backend vllm offline")).toThrow("unexpected word 'offline'");
  });
});

test("a value may begin with dashes if it has a space, as in argparse", () => {
  const values = parseFlags(flags, ["--backend", "vllm", "--output-file", "--a b"]);
  expect(values.outputFile).toBe("--a b");
});

test("mistakes", () => {
  expect({
    missing: mistake("--multi"),
    unknown: mistake("--backend vllm --outputfile x"),
    ambiguous: mistake("--backend vllm --random 3"),
    noValue: mistake("--backend"),
    flagAsValue: mistake("--backend --multi"),
    switchValue: mistake("--backend vllm --multi=1"),
    choice: mistake("--backend sglan"),
    whole: mistake("--backend vllm --random-input-len 3.5"),
    number: mistake("--backend vllm --request-rate fast"),
    range: mistake("--backend vllm --random-input-len 0"),
    json: mistake("--backend vllm --body [1]"),
    word: mistake("vllm"),
    unbuilt: mistake("--backend vllm --tp 8"),
    unbuiltChoice: mistake("--backend vllm --dtype half"),
  }).toMatchInlineSnapshot(`
    {
      "ambiguous": "--random is ambiguous: it could be --random-input-len, --random-output-len, --random-range-ratio",
      "choice": "--backend: 'sglan' is not one of sglang, vllm (did you mean sglang?)",
      "flagAsValue": "--backend needs a value (sglang|vllm)",
      "json": "--body: must be a JSON object like {"top_k": 5}, not [1]",
      "missing": "--backend is required",
      "noValue": "--backend needs a value (sglang|vllm)",
      "number": "--request-rate: 'fast' is not a number",
      "range": "--random-input-len: 0 is out of range: it must be at least 1",
      "switchValue": "--multi is a switch and takes no value",
      "unbuilt": "--tp: not built yet (8): one device only",
      "unbuiltChoice": "--dtype: half is not built yet; use auto",
      "unknown": "unknown flag --outputfile (did you mean --output-file?)",
      "whole": "--random-input-len: '3.5' is not a whole number",
      "word": "unexpected word 'vllm': flags begin with --",
    }
  `);
});

test("any words give values or a UsageError", () => {
  const word = fc.oneof(
    fc.constantFrom(...Object.keys(flags).map((f) => `--${f}`)),
    fc.constantFrom("vllm", "3", "-1", "{}", "--", "--=", "=x", ""),
    fc.string(),
  );
  let accepted = 0;
  let refused = 0;
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (words) => {
      try {
        parseFlags(flags, ["--backend", "vllm", ...words]);
        accepted++;
      } catch (error) {
        expect(error).toBeInstanceOf(UsageError);
        expect((error as Error).message.length).toBeGreaterThan(10);
        refused++;
      }
    }),
    { numRuns: 2000, seed: 1 },
  );
  expect(accepted).toBeGreaterThan(50);
  expect(refused).toBeGreaterThan(50);
});
