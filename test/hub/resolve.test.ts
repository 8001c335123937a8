import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { presets } from "../../src/hub/presets.ts";
import { eosIds, resolveModel, resolveTokenizer } from "../../src/hub/resolve.ts";
import { parseConfig } from "../../src/model/config.ts";
import { realModel } from "../support/real-model.ts";
import { tinyWeights } from "./support.ts";

const root = mkdtempSync(join(tmpdir(), "servebench-hub-"));
afterAll(() => rmSync(root, { recursive: true }));

function write(
  files: Readonly<Record<string, object | string | Buffer>>,
  folder = mkdtempSync(join(root, "m-")),
): string {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    const raw = typeof content === "string" || Buffer.isBuffer(content);
    writeFileSync(path, raw ? content : JSON.stringify(content));
  }
  return folder;
}
const config = { "config.json": { model_type: "llama" } };
const index = (map: Record<string, unknown>) => ({
  "model.safetensors.index.json": { weight_map: map },
});

describe("presets", () => {
  const parameters: Record<string, number> = {
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.1-70b": 70_553_706_496,
    "llama-3.2-1b": 1_235_814_400,
  };
  for (const name of Object.keys(presets)) {
    test(`${name} is a model that can be built, with the Llama 3.1 tokenizer`, async () => {
      const model = await resolveModel(`preset:${name}`);
      expect(model).toMatchObject({
        name: `preset:${name}`,
        generationConfig: null,
      });
      expect(model.tokenizer).toEqual({ asset: "llama3_1.tokenizer" });
      expect(model.weights).toEqual({ kind: "dummy" });
      const { layers, hiddenSize, ffnSize, heads, kvHeads, headDim, vocabSize, tied } = parseConfig(
        model.config,
      );
      expect(vocabSize).toBe(128256);
      const attention = hiddenSize * headDim * (2 * heads + 2 * kvHeads);
      const layer = attention + 3 * hiddenSize * ffnSize + 2 * hiddenSize;
      const total = layers * layer + vocabSize * hiddenSize * (tied ? 1 : 2) + hiddenSize;
      expect(total).toBe(parameters[name] ?? total);
    });
  }
  test("an unknown one lists the names", async () => {
    await expect(resolveModel("preset:llama")).rejects.toThrow(
      "preset:llama is not known; the presets are preset:llama-3.1-8b,",
    );
    await expect(resolveModel("preset:constructor")).rejects.toThrow("not known");
  });
  test("has no weights to load, and no revisions", async () => {
    await expect(resolveModel("preset:tiny", { loadFormat: "safetensors" })).rejects.toThrow(
      "--load-format dummy",
    );
    await expect(resolveModel("preset:tiny", { revision: "main" })).rejects.toThrow(
      "--revision: preset:tiny is not on the Hub",
    );
    await expect(resolveModel(write(config), { revision: "main" })).rejects.toThrow(
      "is not on the Hub",
    );
  });
});

describe("a folder", () => {
  test("with one file", async () => {
    const folder = write({
      ...config,
      "model.safetensors": tinyWeights("a", "b"),
      "generation_config.json": { eos_token_id: 5 },
    });
    const model = await resolveModel(folder);
    expect(model).toMatchObject({
      name: folder,
      config: { model_type: "llama" },
      generationConfig: { eos_token_id: 5 },
    });
    expect(model.tokenizer).toEqual({ folder });
    if (model.weights.kind !== "safetensors") throw new Error("no weights");
    expect(model.weights.files).toEqual([join(folder, "model.safetensors")]);
    expect([...model.weights.tensors.keys()]).toEqual(["a", "b"]);
    expect(model.weights.tensors.get("b")).toMatchObject({
      file: 0,
      dtype: "U8",
      shape: [1],
      bytes: 1,
    });
  });

  test("with an index: only the files it names, and of a tensor that two hold the one it names", async () => {
    const folder = write({
      ...config,
      ...index({ a: "2.safetensors", b: "1.safetensors" }),
      "1.safetensors": tinyWeights("b", "a", "extra"),
      "2.safetensors": tinyWeights("a"),
      "3.safetensors": Buffer.from("not read"),
    });
    const { weights } = await resolveModel(folder);
    if (weights.kind !== "safetensors") throw new Error("no weights");
    expect(weights.files.map((f) => f.slice(folder.length + 1))).toEqual([
      "1.safetensors",
      "2.safetensors",
    ]);
    expect([...weights.tensors].map(([name, { file }]) => [name, file])).toEqual([
      ["b", 0],
      ["extra", 0],
      ["a", 1],
    ]);
  });

  test("with consolidated.safetensors beside model.safetensors drops the former", async () => {
    const folder = write({
      ...config,
      "model.safetensors": tinyWeights("a"),
      "consolidated.safetensors": tinyWeights("z"),
    });
    const { weights } = await resolveModel(folder);
    expect(weights).toMatchObject({ files: [join(folder, "model.safetensors")] });
  });

  test("needs no weights when they are dummy, and may take another's tokenizer", async () => {
    const model = await resolveModel(write(config), {
      loadFormat: "dummy",
      tokenizerPath: "preset:tiny",
    });
    expect(model.weights).toEqual({ kind: "dummy" });
    expect(model.tokenizer).toEqual({ asset: "llama3_1.tokenizer" });
  });

  const faults: [string, Record<string, object | string | Buffer>, string][] = [
    ["no config", { "model.safetensors": tinyWeights("a") }, "has no config.json"],
    ["config is not JSON", { "config.json": "{" }, "config.json is not valid JSON"],
    ["config is a list", { "config.json": [] }, "holds no JSON object"],
    ["no weights", config, "has no *.safetensors. For random weights give --load-format dummy"],
    [
      "pickled weights",
      { ...config, "pytorch_model.bin": "" },
      "weights in pytorch_model.bin only; only safetensors is read",
    ],
    [
      "missing shard",
      { ...config, ...index({ a: "1.safetensors" }) },
      "1.safetensors is missing; model.safetensors.index.json names it",
    ],
    [
      "tensor not in its shard",
      { ...config, ...index({ a: "1.safetensors" }), "1.safetensors": tinyWeights("b") },
      "1.safetensors lacks a, which",
    ],
    ["index without a map", { ...config, "model.safetensors.index.json": {} }, "has no weight_map"],
    [
      "index leaves the folder",
      { ...config, ...index({ a: "../1.safetensors" }) },
      "is not a name inside the folder",
    ],
    ["index names a number", { ...config, ...index({ a: 1 }) }, "is not a name inside the folder"],
    [
      "tensor twice",
      { ...config, "1.safetensors": tinyWeights("a"), "2.safetensors": tinyWeights("a") },
      "both 1.safetensors and 2.safetensors hold a",
    ],
    [
      "cut short",
      { ...config, "model.safetensors": tinyWeights("a").subarray(0, 20) },
      "model.safetensors is not a valid safetensors file",
    ],
  ];
  for (const [name, files, message] of faults) {
    test(`${name}: says so`, async () => {
      const folder = write(files);
      await expect(resolveModel(folder)).rejects.toThrow(message);
      await expect(resolveModel(folder)).rejects.toThrow(folder);
    });
  }

  test("that is a file, or nothing", async () => {
    await expect(resolveModel(join(write(config), "config.json"))).rejects.toThrow(
      "is a file. Expected the folder",
    );
    await expect(resolveModel("/nonexistent/model")).rejects.toThrow(
      "/nonexistent/model does not exist",
    );
  });
});

describe("a hub id, offline", () => {
  const before = { ...process.env };
  afterEach(() => {
    for (const name of ["HF_HUB_CACHE", "HF_HUB_OFFLINE"]) delete process.env[name];
    Object.assign(process.env, before);
  });

  test("gives the snapshot of the main branch, or of the revision", async () => {
    const cache = mkdtempSync(join(root, "cache-"));
    Object.assign(process.env, { HF_HUB_CACHE: cache, HF_HUB_OFFLINE: "1" });
    const repository = join(cache, "models--org--name");
    const commit = "0123456789".repeat(4);
    const blobs = {
      "blobs/1": config["config.json"],
      "blobs/2": tinyWeights("a"),
      "blobs/3": "{}",
    };
    write({ "refs/main": `${commit}\n`, "refs/v1/rc": commit, ...blobs }, repository);
    const snapshot = join(repository, "snapshots", commit);
    mkdirSync(snapshot, { recursive: true });
    ["config.json", "model.safetensors", "tokenizer.json"].forEach((name, i) =>
      symlinkSync(`../../blobs/${i + 1}`, join(snapshot, name)),
    );
    for (const revision of ["main", "v1/rc", commit]) {
      expect(await resolveModel("org/name", { revision })).toMatchObject({
        name: "org/name",
        tokenizer: { folder: snapshot },
      });
    }
    expect(await resolveTokenizer("org/name")).toEqual({ folder: snapshot });
  });

  test("without the model says what to do", async () => {
    Object.assign(process.env, { HF_HUB_CACHE: join(root, "empty"), HF_HUB_OFFLINE: "1" });
    await expect(resolveModel("org/name")).rejects.toThrow(
      `org/name (main) is not in the Hugging Face cache (${join(root, "empty")}), and HF_HUB_OFFLINE is set`,
    );
  });
});

test("end ids are those of tokenizer, config and generation config together", () => {
  const model = { config: { eos_token_id: [7, 3] }, generationConfig: { eos_token_id: 9 } };
  expect(eosIds(model, [3, 1])).toEqual([1, 3, 7, 9]);
  expect(eosIds({ config: { eos_token_id: null }, generationConfig: null }, [])).toEqual([]);
});

const why = realModel.folder === null ? ` (skipped: ${realModel.reason})` : "";
test.skipIf(realModel.folder === null)(`a real sharded model${why}`, async () => {
  const { weights } = await resolveModel(realModel.folder!);
  if (weights.kind !== "safetensors") throw new Error("no weights");
  expect(weights.files.length).toBe(3);
  expect(weights.tensors.get("model.embed_tokens.weight")).toMatchObject({
    dtype: "BF16",
    shape: [49152, 576],
  });
  expect(weights.tensors.size).toBe(272);
});
