/** What is sent, and what became of it. */

/** Text, or token ids where the data set fixes the length exactly. */
export type Prompt = string | readonly number[];

export interface TokenLengths {
  /** Tokens of the prompt as counted when it was made. */
  readonly promptLen: number;
  /** Tokens asked for. */
  readonly outputLen: number;
}

/** One request of a data set. */
export interface BenchRequest extends TokenLengths {
  readonly prompt: Prompt;
}

export type FailureClass =
  | "connection" // refused, reset, unknown host
  | "timeout"
  | `http ${number}`
  | "error event" // the server reported an error inside a 200 stream
  | "cut off" // the connection ended before the reply did
  | "empty" // 200 with nothing in it
  | "malformed" // not HTTP, or not the backend's format
  | "interrupted"; // we gave up: Ctrl-C

export interface Failure {
  readonly class: FailureClass;
  readonly message: string;
}

export const failureText = ({ class: name, message }: Failure): string =>
  message === "" ? name : `${name}, ${message}`;

/** Token counts that the server itself reported. */
export interface Usage {
  readonly promptTokens: number | null;
  readonly completionTokens: number | null;
}

/** The life of one request. Seconds; the first three times from the start of the run, the others from the send. */
export interface RequestRecord extends TokenLengths {
  readonly index: number;
  readonly scheduledS: number;
  /** It could be sent: it was due, and under --max-concurrency there was a place for it. */
  readonly readyS: number;
  readonly sentS: number;
  readonly connectedS: number | null;
  readonly firstByteS: number | null;
  /** 0 when no token came. */
  readonly ttftS: number;
  /** Up to the last line of the reply. */
  readonly latencyS: number;
  /** Up to the end of the exchange, whatever it was. */
  readonly endedS: number;
  /** Gaps between token events; in 0.2.7 the first is the time to first token. */
  readonly itlsS: readonly number[];
  readonly text: string;
  readonly usage: Usage | null;
  readonly httpStatus: number | null;
  /** null: success. */
  readonly failure: Failure | null;
}
