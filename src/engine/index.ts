/** The engine: token ids in, token ids out. */
export type * from "./api.ts";
export { askedMax } from "../program/index.ts";
export { startEngine } from "./host.ts";
export { startReplicas, type LoadBalanceMethod } from "./replicas.ts";
export { defaults, type EngineOptions } from "./options.ts";
export type { ModelSource } from "../model/index.ts";
