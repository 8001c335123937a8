// The web build of transformers: the Node build loads onnxruntime at start, which no bundler sees.
export { PreTrainedTokenizer } from "../../node_modules/@huggingface/transformers/dist/transformers.web.min.js";
