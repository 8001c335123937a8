/**
 * The address behind a host name, found once. A look-up for each connection would count as latency and let
 * requests that are sent at once overtake each other.
 */
import { isIP } from "node:net";
import { runtime } from "../../runtime/index.ts";
import type { ConnectOptions } from "../../runtime/index.ts";

/**
 * The endpoint with the address to which a first connection leads. It stays as it is where none comes about, so
 * that the request that fails says why, and with TLS, which checks the name.
 */
export function resolveEndpoint(
  endpoint: ConnectOptions,
  signal: AbortSignal,
): Promise<ConnectOptions> {
  const { promise, resolve } = Promise.withResolvers<ConnectOptions>();
  const keep = (): void => resolve(endpoint);
  if (endpoint.tls || isIP(endpoint.host) !== 0 || signal.aborted) keep();
  else {
    signal.addEventListener("abort", keep, { once: true });
    runtime.connect(endpoint, {
      open: (socket) => {
        resolve({ ...endpoint, host: socket.remoteAddress });
        socket.destroy();
      },
      data: () => {},
      close: keep,
    });
  }
  return promise.finally(() => signal.removeEventListener("abort", keep));
}
