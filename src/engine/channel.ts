/** What passes between the host's thread and the engine's thread. */
import type { EngineLimits, EngineMemory, GenerateRequest } from "./api.ts";
import type { EventMessage } from "./events.ts";
import type { EngineOptions } from "./options.ts";
import type { ModelSource } from "../model/index.ts";

/**
 * Two shared counters beside the messages, since a thread inside a step sees no message until it looks.
 * acknowledged: event messages that the host is done with. bell: changes when commands have been sent.
 */
export const cells = { acknowledged: 0, bell: 1 } as const;

/** Event messages that may be on their way; with more, a slow host would only ever handle tokens. */
export const maxUnacknowledged = 2;

export interface WorkerData {
  readonly source: ModelSource;
  readonly options: EngineOptions;
  readonly libraryPath: string;
  readonly shared: SharedArrayBuffer;
}

export interface Commands {
  readonly submits: readonly { readonly id: number; readonly request: GenerateRequest }[];
  readonly aborts: readonly number[];
  /** Empty the prefix cache; answered by a "flushed" message. */
  readonly flushCache: boolean;
  readonly close: boolean;
}

export type WorkerMessage =
  | {
      readonly type: "ready";
      readonly limits: EngineLimits;
      readonly memory: EngineMemory;
      readonly device: string;
    }
  | { readonly type: "failed"; readonly message: string }
  | ({ readonly type: "events" } & EventMessage)
  | { readonly type: "flushed"; readonly done: boolean };
