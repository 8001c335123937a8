import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { variants } from "../fixtures/tokenizer/variants.json";
import { loadTokenizer } from "../../src/tokenizer/huggingface.ts";
import { pack, unpack, unpackBytes } from "../../src/tokenizer/packed.ts";
import { readTokenizerFolder } from "../../src/tokenizer/files.ts";

const folder = mkdtempSync(join(tmpdir(), "servebench-tokenizer-"));
afterAll(() => rmSync(folder, { recursive: true }));
const json = variants[0]!.tokenizer;

/** A pre-tokenizer that goes with the byte-level decoder of `json`. */
function stages(...before: readonly object[]): object {
  return {
    type: "Sequence",
    pretokenizers: [...before, { type: "ByteLevel", add_prefix_space: false }],
  };
}

function write(files: Readonly<Record<string, unknown>>): string {
  const path = mkdtempSync(join(folder, "case-"));
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(
      join(path, name),
      typeof content === "string" ? content : JSON.stringify(content),
    );
  }
  return path;
}

describe("a Hugging Face folder", () => {
  test("special tokens may be objects, and a template file stands over the configuration", () => {
    const bos = { __type: "AddedToken", content: "<s>", lstrip: false };
    const path = write({
      "tokenizer.json": json,
      "tokenizer_config.json": { bos_token: bos, eos_token: "</s>", chat_template: "old" },
      "chat_template.jinja": "{{ bos_token }}{{ messages[0].content }}",
    });
    const tokenizer = loadTokenizer({ folder: path });
    expect([tokenizer.bosId, tokenizer.eosIds]).toEqual([0, [1]]);
    expect(tokenizer.applyChatTemplate([{ role: "user", content: "hi" }], true)).toBe("<s>hi");
  });

  test("tokenizer_config.json may be absent", () => {
    const tokenizer = loadTokenizer({ folder: write({ "tokenizer.json": json }) });
    expect([tokenizer.bosId, tokenizer.eosIds, tokenizer.hasChatTemplate]).toEqual([
      null,
      [],
      false,
    ]);
  });

  test.each([
    [{ clean_up_tokenization_spaces: true }, true],
    [{ clean_up_tokenization_spaces: false }, false],
    [{}, false],
  ])("clean-up of decoded text holds where it is asked for: %p", (config, expected) => {
    const path = write({ "tokenizer.json": json, "tokenizer_config.json": config });
    expect(loadTokenizer({ folder: path }).cleansUp).toBe(expected);
  });

  const faults: [string, Record<string, unknown>, string][] = [
    ["no tokenizer.json", {}, "has no tokenizer.json"],
    ["not JSON", { "tokenizer.json": "{" }, "tokenizer.json is not valid JSON"],
    [
      "another model",
      { "tokenizer.json": { ...json, model: { type: "Unigram", vocab: [] } } },
      "its model is Unigram; only BPE",
    ],
    ["no model", { "tokenizer.json": {} }, "its model is missing"],
    [
      "a merge without a piece",
      { "tokenizer.json": { ...json, model: { ...json.model, merges: ["Q Qx"] } } },
      "which is not in the vocabulary",
    ],
    [
      "an unknown stage",
      { "tokenizer.json": { ...json, pre_tokenizer: stages({ type: "UnicodeScripts" }) } },
      "pre-tokenizer UnicodeScripts is not supported",
    ],
    [
      "an unknown decoder",
      { "tokenizer.json": { ...json, decoder: { type: "CTC" } } },
      'decoder {"type":"CTC"} is not',
    ],
    ["no decoder", { "tokenizer.json": { ...json, decoder: null } }, "it has no decoder"],
    [
      "half of byte-level",
      { "tokenizer.json": { ...json, pre_tokenizer: null } },
      "only one of its pre-tokenizer and",
    ],
    [
      "a pattern that cannot be had exactly",
      {
        "tokenizer.json": {
          ...json,
          pre_tokenizer: stages({
            type: "Split",
            pattern: { Regex: "(a|b)++" },
            behavior: "Isolated",
          }),
        },
      },
      'pattern "(a|b)++" is not supported: possessive group',
    ],
  ];
  for (const [name, files, message] of faults) {
    test(`${name}: says so`, () => {
      const path = write(files);
      expect(() => loadTokenizer({ folder: path })).toThrow(message);
      expect(() => loadTokenizer({ folder: path })).toThrow(path);
    });
  }
});

describe("the packed form", () => {
  const files = readTokenizerFolder(
    write({ "tokenizer.json": json, "tokenizer_config.json": { bos_token: "<s>" } }),
  );
  const packed = pack(files);

  test("gives back what went in, wherever it lies in memory", () => {
    expect(unpack(packed)).toEqual(files);
    const shifted = new Uint8Array(packed.length + 1);
    shifted.set(packed, 1);
    expect(unpack(shifted.subarray(1))).toEqual(files);
    expect(unpack(Buffer.from(shifted.buffer, 1))).toEqual(files);
    expect(unpackBytes(packed)).toEqual(files.vocabulary.bytes);
  });

  test("refuses other and shortened files", () => {
    expect(() => unpack(new Uint8Array(100))).toThrow("not a packed tokenizer");
    expect(() => unpack(packed.subarray(0, packed.length - 1))).toThrow("cut short");
  });
});
