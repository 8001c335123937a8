/** Small tokenizers, one for each way in which files differ, against Hugging Face's on the same texts. */
import { describe, expect, test } from "bun:test";
import { texts, variants } from "../fixtures/tokenizer/variants.json";
import { withoutTables } from "../../src/tokenizer/files.ts";
import { HuggingFaceTokenizer } from "../../src/tokenizer/huggingface.ts";
import { readVocabulary, type TokenizerJson } from "../../src/tokenizer/vocabulary.ts";

for (const { name, tokenizer: file, ids, shown, withSpecial } of variants) {
  const json = file as unknown as TokenizerJson;
  const vocabulary = readVocabulary(json);
  const tokenizer = new HuggingFaceTokenizer({ json: withoutTables(json), config: {}, vocabulary });
  const whole = { ...shown, ...withSpecial } as Record<number, string>;
  describe(name, () => {
    test("ids", () => {
      expect(texts.map((text) => [text, tokenizer.encode(text)])).toEqual(
        texts.map((text, i) => [text, ids[i]!]),
      );
    });
    test("text", () => {
      expect(ids.map((of) => tokenizer.decode(of))).toEqual(shown);
      const all = ids.map((of) => tokenizer.decode(of, { skipSpecialTokens: false }));
      expect(all).toEqual(shown.map((_, i) => whole[i]!));
    });
  });
}
