// Stands in for packages that @huggingface/transformers names but the tokenizer never calls.
export class Tensor {}
export const env = { wasm: {}, webgpu: {}, versions: {} };
export const InferenceSession = {};
export default {};
