// Deno does not find the stub through the link in node_modules, unless it was loaded from where it is.
import "../../stubs/empty/index.js";
// The web build: the Node build loads onnxruntime at start, in a way that no bundler sees.
export { PreTrainedTokenizer } from "../../node_modules/@huggingface/transformers/dist/transformers.web.js";
