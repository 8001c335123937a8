import type { Exchange } from "./conversations.ts";
export function syntheticConversations(_n: number): Exchange[] { return [["hello there you all", "a b c d e f g"]]; }
