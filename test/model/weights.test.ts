import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Model, type StoredTensor } from "../../src/model/index.ts";
import { Device } from "../../src/program/index.ts";
import { readGolden } from "../support/random-model.ts";

const { config, tensors: shapes } = readGolden("gqa3-head-dim");
let device: Device;
beforeAll(() => (device = new Device("null")));
afterAll(() => device.close());

/** Loads the model with some tensors changed; undefined removes one. */
function load(
  changes: Record<string, Partial<StoredTensor> | undefined>,
  more: object = {},
): Model {
  const tensors = new Map<string, StoredTensor>();
  for (const [name, shape] of Object.entries(shapes)) {
    tensors.set(name, { file: 0, offset: 0, dtype: "F32", shape });
  }
  for (const [name, change] of Object.entries(changes)) {
    if (change === undefined) tensors.delete(name);
    else {
      const base = { file: 0, offset: 0, dtype: "F32", shape: [1] };
      tensors.set(name, { ...base, ...tensors.get(name), ...change });
    }
  }
  const source = {
    config: { ...config, ...more },
    weights: { kind: "safetensors", files: [import.meta.path], tensors },
  } as const;
  return new Model(device, source);
}

const qProj = "model.layers.1.self_attn.q_proj.weight";

test("a complete checkpoint loads and knows its size", () => {
  const model = load({});
  const values = Object.values(shapes).reduce((sum, [a, b = 1]) => sum + a! * b, 0);
  expect(model.weightBytes).toBe(4 * values);
  expect(model.kvBytesPerToken).toBe(2 * 2 * 2 * 24 * 4);
});

test("tensors that nobody reads are ignored where checkpoints are known to carry them", () => {
  load({ "model.layers.0.self_attn.rotary_emb.inv_freq": {} });
  load({}, { tie_word_embeddings: true });
});

test("weights that do not fit in memory are refused before they are made", () => {
  const source = { config: readGolden("mha-tied").config, weights: { kind: "dummy" } } as const;
  expect(() => new Model(device, source, { memoryBytes: 2 ** 16 })).toThrow(
    /do not fit in the 0\.0 GiB/,
  );
});

describe("a checkpoint that does not match its config is refused by name", () => {
  test.each([
    [
      "a missing tensor",
      { [qProj]: undefined },
      /lack the tensor model\.layers\.1\.self_attn\.q_proj\.weight of shape \[144, 204\]/,
    ],
    [
      "another shape",
      { [qProj]: { shape: [204, 144] } },
      /q_proj\.weight has shape \[204, 144\];.*calls for \[144, 204\]/,
    ],
    ["a missing head", { "lm_head.weight": undefined }, /lack the tensor lm_head\.weight/],
    [
      "a bias that the config does not mention",
      { "model.layers.0.self_attn.q_proj.bias": {} },
      /does not call for: model\.layers\.0\.self_attn\.q_proj\.bias/,
    ],
    [
      "a strange number format",
      { [qProj]: { dtype: "F8_E4M3" } },
      /q_proj\.weight is stored as F8_E4M3; expected BF16, F16 or F32/,
    ],
    ["a file that ends early", { [qProj]: { dtype: "BF16", offset: 2 ** 40 } }, /ends before byte/],
  ])("%s", (_name, changes, message) => {
    expect(() => load(changes as Parameters<typeof load>[0])).toThrow(message);
  });
});
