/** `servebench mock`: a server that is exact about when, and what this client makes of it. */
import { UsageError } from "../user-error.ts";
import { defineCommand, type CommandIo } from "./command.ts";
import {
  choiceFlag,
  intFlag,
  numberFlag,
  switchFlag,
  textFlag,
  textListFlag,
  type FlagValues,
} from "./flags.ts";
import { mockFormats, wireFormats } from "../bench/mock/formats.ts";
import { mockFaults, type MockFault } from "../net/mock.ts";

const flags = {
  host: textFlag("Address to listen on.", { default: "127.0.0.1", placeholder: "HOST" }),
  port: intFlag("Port to listen on; 0 takes any free one and prints it.", {
    default: 30000,
    min: 0,
    max: 65535,
  }),
  format: choiceFlag("Wire format of the replies, on every path.", mockFormats, {
    default: "completions",
  }),
  ttft: numberFlag("From a request to its first token, in ms.", { default: 50, min: 0, max: 2e6 }),
  itl: numberFlag("Between tokens, in ms.", { default: 10, min: 0, max: 2e6 }),
  tokens: intFlag("Tokens of a reply; as many as a request asks for if not given.", { min: 1 }),
  "per-write": intFlag("Tokens that go out together, one event each.", {
    default: 1,
    min: 1,
    max: 4096,
  }),
  lockstep: switchFlag("All streams send at the same instants, as an engine's batch does."),
  fault: textListFlag(
    `Requests of a thousand that fail, NAME=COUNT; may be repeated. Names: ${mockFaults.join(", ")}.`,
    { placeholder: "NAME=COUNT" },
  ),
  seed: intFlag("Seed of the faults.", { default: 0, min: 0, max: 2 ** 31 - 1 }),
  "self-test": switchFlag(
    "Instead, measure this client against such a server and a bare client, and print its error.",
  ),
  rounds: intFlag("Rounds of the self-test; its figures are medians.", { default: 3, min: 1 }),
  only: textFlag("Parts of the self-test whose name holds this.", { placeholder: "TEXT" }),
  json: switchFlag("The self-test's rows as JSON."),
};
type Values = FlagValues<typeof flags>;

export const mock = defineCommand({
  name: "mock",
  summary: "a server that only keeps time; measures this client",
  description:
    "Answers every POST with a reply whose tokens come when they are asked to, each of them the time of its " +
    "sending (ns of CLOCK_MONOTONIC). GET /mock tells how exact it was. --self-test measures this client with it.",
  examples: [
    { line: "servebench mock --ttft 50 --itl 10", says: "serves on 127.0.0.1:30000 until Ctrl-C" },
    {
      line: "servebench mock --fault reset=10 --fault error_500=5",
      says: "resets one connection of a hundred, and answers 5 requests of a thousand with 500",
    },
    { line: "servebench mock --self-test", says: "prints this client's error beside a bare one's" },
  ],
  flags,
  run: (values, io) => (values.selfTest ? runSelfTest(values, io) : runMock(values, io)),
});

async function runMock(values: Values, io: CommandIo): Promise<number> {
  const { NetMock } = await import("../net/mock.ts");
  const server = new NetMock(
    {
      address: values.host,
      port: values.port,
      ttftMs: values.ttft,
      itlMs: values.itl,
      tokens: values.tokens ?? 0,
      perWrite: values.perWrite,
      lockstep: values.lockstep,
      seed: values.seed,
      faults: Object.fromEntries(values.fault.map(parseFault)),
    },
    wireFormats[values.format],
  );
  io.stdout(`servebench mock: ready at http://${values.host}:${server.port}\n`);
  // A runtime that waits with nothing of its own open spins, which would cost the mock its processor.
  const open = setInterval(() => {}, 2 ** 30);
  await new Promise((resolve) => io.signal.addEventListener("abort", resolve, { once: true }));
  clearInterval(open);
  server.close();
  return 0;
}

function parseFault(text: string): [MockFault, number] {
  const [name, count] = text.split("=");
  const fault = mockFaults.find((known) => known === name);
  if (!fault) throw new UsageError(`--fault: '${name}' is not one of ${mockFaults.join(", ")}`);
  if (!/^\d{1,4}$/.test(count ?? "") || Number(count) > 1000) {
    throw new UsageError(
      `--fault: ${name}: expected 0 to 1000 requests of a thousand, got '${count ?? ""}'`,
    );
  }
  return [fault, Number(count)];
}

async function runSelfTest(values: Values, io: CommandIo): Promise<number> {
  const { scenarios, selfTest } = await import("../bench/mock/self-test.ts");
  const { selfTestTable } = await import("../bench/mock/table.ts");
  const chosen = scenarios.filter(({ name }) => name.includes(values.only ?? ""));
  if (chosen.length === 0) {
    const names = scenarios.map(({ name }) => `'${name}'`).join(", ");
    throw new UsageError(`--only: no part's name holds '${values.only}'; they are ${names}`);
  }
  const note = (line: string) => io.stderr(`${line}\n`);
  const rows = await selfTest(chosen, values.rounds, { note, signal: io.signal });
  io.stdout(values.json ? `${JSON.stringify(rows)}\n` : selfTestTable(rows));
  return 0;
}
