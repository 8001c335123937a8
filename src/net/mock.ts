/** The mock server: replies on an exact schedule, in the wire format that it is given. */
import { checked, netLibrary, optionText } from "./library.ts";

/** In the middle of a reply, or in its place; by name, requests of a thousand. */
export const mockFaults = [
  "error_500",
  "empty",
  "reset",
  "cut",
  "stall",
  "garbage",
  "error_event",
] as const;
export type MockFault = (typeof mockFaults)[number];

export interface NetMockOptions {
  /** An IPv4 address. */
  readonly address: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** From the whole request to the first event. */
  readonly ttftMs: number;
  readonly itlMs: number;
  /** Events of a reply; 0: as many as a request asks for. */
  readonly tokens: number;
  /** Events that go out together. */
  readonly perWrite: number;
  /** All streams send at the same instants. */
  readonly lockstep: boolean;
  readonly seed: number;
  readonly faults: Readonly<Partial<Record<MockFault, number>>>;
}

/** The texts around the text of a reply: see enum sn_part of net.h. */
export interface WireFormat {
  readonly eventBefore: string;
  readonly eventAfter: string;
  readonly last: string;
  readonly wholeBefore: string;
  readonly wholeAfter: string;
  readonly models: string;
  readonly errorEvent: string;
}

const parts: readonly (keyof WireFormat)[] = [
  "eventBefore",
  "eventAfter",
  "last",
  "wholeBefore",
  "wholeAfter",
  "models",
  "errorEvent",
];

export class NetMock {
  readonly port: number;
  readonly #library = netLibrary();
  readonly #handle: number;

  /** Listens and answers from now on. @throws NetError */
  constructor(options: NetMockOptions, format: WireFormat) {
    const text = optionText({
      address: options.address,
      port: options.port,
      ttft_us: Math.round(options.ttftMs * 1000),
      itl_us: Math.round(options.itlMs * 1000),
      tokens: options.tokens,
      per_write: options.perWrite,
      lockstep: Number(options.lockstep),
      seed: options.seed,
      ...options.faults,
    });
    this.#handle = checked(this.#library.sn_mock_open(text));
    parts.forEach((name, part) => {
      const bytes = Buffer.from(format[name]);
      checked(this.#library.sn_mock_part(this.#handle, part, bytes, bytes.length));
    });
    this.port = checked(this.#library.sn_mock_start(this.#handle));
  }

  close(): void {
    checked(this.#library.sn_mock_close(this.#handle));
  }
}
