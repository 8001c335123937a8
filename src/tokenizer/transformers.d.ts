export { PreTrainedTokenizer } from "@huggingface/transformers";
