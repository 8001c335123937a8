/** Proves that a host name becomes an address where it leads to a server, and stays what it is otherwise. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { isIP } from "node:net";
import { resolveEndpoint } from "../../../src/bench/transport/address.ts";
import { startMock } from "../mock/server.ts";
import type { MockServer } from "../mock/server.ts";

let server: MockServer;
beforeAll(async () => {
  server = await startMock(() => {});
});
afterAll(() => server.close());

const never = new AbortController().signal;

test("a name that leads to a server", async () => {
  const endpoint = { host: "localhost", port: server.port, tls: false };
  const resolved = await resolveEndpoint(endpoint, never);
  expect(isIP(resolved.host)).toBeGreaterThan(0);
  expect(resolved).toEqual({ ...endpoint, host: resolved.host });
});

test.each([
  ["an address, without a connection", { host: "127.0.0.1", tls: false }, never],
  ["a name for TLS", { host: "localhost", tls: true }, never],
  ["a name that nobody has", { host: "no-such-host.invalid", tls: false }, never],
  ["any name after an interruption", { host: "localhost", tls: false }, AbortSignal.abort()],
])("%s stays", async (_, given, signal) => {
  const before = server.connections();
  const endpoint = { ...given, port: server.port };
  expect(await resolveEndpoint(endpoint, signal)).toEqual(endpoint);
  expect(server.connections()).toBe(before);
});
