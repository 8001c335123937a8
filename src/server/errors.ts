/** Requests that cannot be answered, and the JSON that says so. */

/** SGLang's flat error object. */
export interface ErrorBody {
  readonly object: "error";
  readonly message: string;
  readonly type: string;
  readonly param: null;
  readonly code: number;
}

/** Thrown by anything that handles a request; `app.ts` turns it into the response. */
export class RequestError extends Error {
  readonly status: number;
  readonly type: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    type: string,
    message: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.status = status;
    this.type = type;
    this.headers = headers;
  }

  get body(): ErrorBody {
    return {
      object: "error",
      message: this.message,
      type: this.type,
      param: null,
      code: this.status,
    };
  }
}

/** The body is not what the endpoint takes: bad JSON, a wrong type. */
export const malformed = (message: string) => new RequestError(400, "Bad Request", message);

/** The body is well formed and asks for something impossible or not built. */
export const refused = (message: string) => new RequestError(400, "BadRequestError", message);

/** Any other status; SGLang puts the number into `type` as well. */
export const failed = (status: number, message: string, headers?: Record<string, string>) =>
  new RequestError(status, String(status), message, headers);

/** Nobody reads it; 499 is what proxies log for it. */
export const clientGone = () => failed(499, "The client has gone.");
