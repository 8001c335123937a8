/** How clients behave. Each makes one request, or tries to, and says how that ended. */
import { postBytes } from "../../../src/bench/transport/http.ts";
import { essence, readAnswers } from "./answers.ts";
import { Connection, type Reply } from "./connection.ts";
import type { Dice } from "./dice.ts";
import type { RequestMaker, ValidRequest } from "./requests.ts";

/** How long a server full of other clients may take. */
const patienceMs = 180_000;
const json = [["Content-Type", "application/json"]] as const;

/** A request that can be asked again, and its answer. */
export interface Sample {
  readonly request: ValidRequest;
  readonly essence: string;
}

export interface Client {
  readonly port: number;
  readonly dice: Dice;
  readonly make: RequestMaker;
  /** Takes answers that are to be compared later. */
  keep(sample: Sample): void;
  /** The server has been told to stop: requests may be turned away and cut. */
  readonly ending: () => boolean;
}

/** Something that the server must not do. */
export class Violation extends Error {}

export const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

const bytesOf = ({ endpoint, body }: ValidRequest): Uint8Array =>
  postBytes("127.0.0.1", endpoint, json, JSON.stringify(body));

const sketch = (request: ValidRequest): string =>
  `${request.endpoint} ${JSON.stringify(request.body).slice(0, 2000)}`;

/** Asks and reads to the end. */
export async function ask(port: number, request: ValidRequest): Promise<string> {
  const connection = await Connection.open(port);
  try {
    connection.write(bytesOf(request));
    return essence(answersIn(request, await connection.reply(patienceMs)));
  } finally {
    connection.end();
  }
}

function answersIn(request: ValidRequest, reply: Reply) {
  const begin = reply.text.slice(0, 300);
  if (!reply.whole) throw new Violation(`cut off: ${sketch(request)}: ${reply.status} ${begin}`);
  if (reply.status !== 200) throw new Violation(`${reply.status} to ${sketch(request)}: ${begin}`);
  try {
    return readAnswers(request, reply.text);
  } catch (error) {
    throw new Violation(`${(error as Error).message}: ${sketch(request)}: ${begin}`);
  }
}

/** How a request ended while the server was stopping: all that matters is that it ended. */
function endingOutcome({ whole, status, text }: Reply): string {
  if (!whole) return "cut while stopping";
  if (status === 200) return text.includes('"abort"') ? "cut while stopping" : "complete";
  return `${status} while stopping`;
}

async function valid(client: Client, connection: Connection): Promise<string> {
  const request = client.make.valid({ outputMax: client.dice.chance(0.05) ? 1500 : 200 });
  return complete(client, connection, request);
}

async function complete(client: Client, connection: Connection, request: ValidRequest) {
  connection.write(bytesOf(request));
  const reply = await connection.reply(patienceMs);
  if (client.ending()) return endingOutcome(reply);
  const answers = answersIn(request, reply);
  if (request.repeatable) client.keep({ request, essence: essence(answers) });
  return "complete";
}

/** Several requests over one connection, one after the other. */
async function keepAlive(client: Client, connection: Connection): Promise<string> {
  const count = client.dice.integer(2, 4);
  for (let i = 0; i < count; i++) {
    const request = client.make.valid({ outputMax: 30 });
    const outcome = await complete(client, connection, request);
    if (outcome !== "complete") return outcome;
    if (!connection.open) throw new Violation("the connection was closed between two requests");
  }
  return "complete";
}

/** Leaves at any point: before the request is sent, before the answer begins, or in its middle. */
async function vanish({ dice, make }: Client, connection: Connection): Promise<string> {
  const request = make.valid({ outputMax: 800 });
  connection.write(bytesOf(request));
  if (dice.chance(0.4)) await sleep(dice.skewed(0, 500));
  else await connection.received(dice.skewed(1, 50_000), patienceMs);
  if (dice.chance(0.5)) connection.reset();
  else connection.end();
  return "left";
}

/** Stops reading for a while; the server may drop it, and nobody else may notice. */
async function stall(client: Client, connection: Connection): Promise<string> {
  const { dice, make } = client;
  const request = dice.chance(0.4)
    ? make.heavy()
    : make.valid({ outputMax: 2500, stream: true, endpoint: "/generate" });
  connection.write(bytesOf(request));
  await connection.received(1, patienceMs);
  connection.pause();
  await sleep(dice.integer(500, 15_000));
  if (dice.chance(0.3)) {
    connection.reset();
    return "left after a stall";
  }
  connection.resume();
  const reply = await connection.reply(patienceMs);
  if (client.ending()) return endingOutcome(reply);
  if (!reply.whole) return "dropped after a stall";
  answersIn(request, reply);
  return "complete after a stall";
}

/** Sends a part of a request, then leaves, at once or later. */
async function halfBody({ dice, make }: Client, connection: Connection): Promise<string> {
  const bytes = bytesOf(make.valid({ outputMax: 10 }));
  connection.write(bytes.subarray(0, dice.integer(1, bytes.length - 1)));
  await sleep(dice.chance(0.5) ? 0 : dice.integer(1, 5000));
  if (dice.chance(0.5)) connection.reset();
  else connection.end();
  return "left";
}

async function refused(client: Client, connection: Connection): Promise<string> {
  const { what, path, method, headers, body, status } = client.make.refused();
  const post = Buffer.from(postBytes("127.0.0.1", path, headers, body)).toString("latin1");
  connection.write(Buffer.from(post.replace(/^POST/, method), "latin1"));
  const reply = await connection.reply(patienceMs);
  if (client.ending()) return endingOutcome(reply);
  if (reply.status !== status) {
    throw new Violation(`${what}: ${reply.status}, not ${status}: ${reply.text.slice(0, 300)}`);
  }
  return "refused";
}

/** Bytes that are no HTTP; any end is fine, as long as there is one. */
async function rubbish({ dice }: Client, connection: Connection): Promise<string> {
  connection.write(
    dice.pick([
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", // a TLS client
      "GET\r\n\r\n",
      "\0".repeat(1000),
      "POST /generate HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n{}",
      "POST /generate HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
      `GET / HTTP/1.1\r\nHost: x\r\nCookie: ${"c".repeat(100_000)}\r\n\r\n`,
    ]),
  );
  await Promise.race([connection.reply(2000).catch(() => {}), sleep(2000)]);
  connection.end();
  return "left";
}

const readings = [
  "/health",
  "/health_generate",
  "/v1/models",
  "/v1/loads",
  "/get_model_info",
  "/get_server_info",
  "/metrics",
  "/flush_cache",
];

async function read(client: Client, connection: Connection): Promise<string> {
  const path = client.dice.pick(readings);
  connection.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  const reply = await connection.reply(patienceMs);
  if (client.ending()) return endingOutcome(reply);
  const busy = path === "/flush_cache" && reply.status === 400; // others are being served
  if (reply.status !== 200 && !busy) throw new Violation(`${reply.status} to ${path}`);
  return "complete";
}

/** Has its own request ended by another connection. */
async function abort(client: Client, connection: Connection): Promise<string> {
  const { dice, make } = client;
  const request = make.valid({ outputMax: 2000, endpoint: "/generate" });
  const rid = `chaos-${dice.integer(0, 1e12)}`;
  connection.write(bytesOf({ ...request, body: { ...request.body, rid } }));
  if (dice.chance(0.5)) await sleep(dice.skewed(0, 1000));
  else await connection.received(1, patienceMs);
  const other = await Connection.open(client.port);
  other.write(postBytes("127.0.0.1", "/abort_request", json, JSON.stringify({ rid })));
  const { status } = await other.reply(patienceMs);
  other.end();
  const reply = await connection.reply(patienceMs);
  if (client.ending()) return endingOutcome(reply);
  if (status !== 200) throw new Violation(`${status} to /abort_request`);
  if (reply.whole && reply.text.includes('"abort"')) return "aborted";
  if (reply.whole && reply.status !== 200) return `aborted with ${reply.status}`;
  answersIn(request, reply);
  return "complete";
}

/** Text to ids and back. */
async function tokenize(client: Client, connection: Connection): Promise<string> {
  const prompt = client.make.text();
  const steps = [
    ["/tokenize", { prompt, add_special_tokens: false }, "tokens"],
    ["/detokenize", {}, "text"],
  ] as const;
  let value: unknown = null;
  for (const [path, fields, name] of steps) {
    const body = path === "/detokenize" ? { tokens: value } : fields;
    connection.write(postBytes("127.0.0.1", path, json, JSON.stringify(body)));
    const reply = await connection.reply(patienceMs);
    if (client.ending()) return endingOutcome(reply);
    if (reply.status !== 200) throw new Violation(`${reply.status} to ${path}: ${reply.text}`);
    value = (JSON.parse(reply.text) as Record<string, unknown>)[name];
  }
  if (value !== prompt) throw new Violation(`another text from its ids: ${JSON.stringify(prompt)}`);
  return "complete";
}

export const behaviours = {
  valid,
  "keep-alive": keepAlive,
  vanish,
  stall,
  "half a body": halfBody,
  refused,
  rubbish,
  read,
  abort,
  tokenize,
} as const;
export type Behaviour = keyof typeof behaviours;

export const weights: Readonly<Record<Behaviour, number>> = {
  valid: 40,
  "keep-alive": 4,
  vanish: 20,
  stall: 6,
  "half a body": 10,
  refused: 10,
  rubbish: 3,
  read: 6,
  abort: 6,
  tokenize: 3,
};
