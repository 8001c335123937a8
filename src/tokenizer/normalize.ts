/** Rewrites text before it is cut: the `normalizer` of tokenizer.json, to Rust's rules. */
import { compilePattern, type PatternJson, whiteSpace } from "./pattern.ts";
import { flattenStages, type StageJson } from "./vocabulary.ts";

export type Normalize = (text: string) => string;

const spaceAtStart = new RegExp(`^${whiteSpace}+`, "v");
const spaceAtEnd = new RegExp(`(?<!${whiteSpace})${whiteSpace}+$`, "v");

/** null: text stays as it is. Throws an Error that names a stage that is not supported. */
export function normalizer(stage: StageJson | null): Normalize | null {
  const steps = flattenStages(stage).map(stepOf);
  return steps.length === 0 ? null : (text) => steps.reduce((t, step) => step(t), text);
}

function stepOf(stage: StageJson): Normalize {
  switch (stage.type) {
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD": {
      const form = stage.type;
      return (text) => text.normalize(form);
    }
    case "Lowercase":
      // Character by character: of a whole text JavaScript makes a Σ at the end of a word another letter.
      return (text) => Array.from(text, (c) => c.toLowerCase()).join("");
    case "Strip": {
      const start = stage["strip_left"] ? spaceAtStart : "";
      const end = stage["strip_right"] ? spaceAtEnd : "";
      return (text) => text.replace(start, "").replace(end, "");
    }
    case "Prepend": {
      const before = stage["prepend"] as string;
      return (text) => (text === "" ? "" : before + text);
    }
    case "Replace": {
      const pattern = compilePattern(stage["pattern"] as PatternJson);
      const content = stage["content"] as string;
      return (text) => text.replace(pattern, () => content);
    }
    default:
      throw new Error(`normalizer ${stage.type} is not supported`);
  }
}
