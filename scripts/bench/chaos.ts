/**
 * Clients that behave badly, for as long as you like, against the built server: they vanish, stall, send half a body or
 * rubbish, come in bursts and in thousands, beside others that ask properly and check what they get. In the end the
 * server is told to stop in the middle of it all.
 *
 *   scripts/bench/chaos [--minutes N] [--seed N] [--clients N] [--idle N] [--device cpu|null]
 *
 * After each round all clients leave; then nothing may be left running, no memory and no file lost, and a sample of the
 * answers must be what the same requests get alone. Every request ends exactly once. Progress goes to standard error, a
 * summary in Markdown to standard output; exit code 1 with the reasons if anything was wrong. Open files are limited by
 * `ulimit -n`: --idle connections need that many in both processes.
 */
import { parseArgs } from "node:util";
import { startServer, type RunningServer } from "../../test/support/binary.ts";
import {
  ask,
  behaviours,
  sleep,
  Violation,
  weights,
  type Behaviour,
  type Client,
  type Sample,
} from "./chaos-clients/clients.ts";
import { Connection, Timeout } from "./chaos-clients/connection.ts";
import { Dice } from "./chaos-clients/dice.ts";
import { RequestMaker } from "./chaos-clients/requests.ts";
import { header } from "./report.ts";
import {
  metrics,
  mib,
  openFilesMax,
  processFigures,
  type ProcessFigures,
} from "./server-process.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "30" },
    seed: { type: "string", default: "1" },
    clients: { type: "string", default: "48" },
    idle: { type: "string", default: "5000" },
    device: { type: "string", default: "cpu" },
  },
});
const minutes = Number(values.minutes);
const roundS = Math.min(150, minutes * 30);
const violationsMax = 20;
const samplesPerRound = 12;
/** What the server gives running requests after SIGTERM, 10 s, and some more. */
const stopS = 20;
/** Growth of memory from the first rounds to the last ones that is not called a leak. */
const growthMax = 1.25;

const serverFlags =
  `--model-path preset:tiny --device ${values.device} --max-total-tokens 8192 ` +
  `--max-running-requests 128 --schedule-conservativeness 0.1`;

/** How often a behaviour ended in which way, and what must not have happened. */
class Ledger {
  readonly outcomes = new Map<string, number>();
  readonly violations: string[] = [];
  started = 0;
  ended = 0;

  record(behaviour: Behaviour, outcome: string): void {
    const key = `${behaviour} | ${outcome}`;
    this.outcomes.set(key, (this.outcomes.get(key) ?? 0) + 1);
    this.ended++;
  }

  violation(what: string): void {
    this.violations.push(what);
    console.error(`VIOLATION ${what}`);
  }

  check(ok: boolean, what: string): void {
    if (!ok) this.violation(what);
  }
}

class Chaos {
  readonly server: RunningServer;
  readonly ledger = new Ledger();
  readonly #dice: Dice;
  #samples: Sample[] = [];
  #repeatable = 0;
  #requests = 0;
  #ending = false;
  /** Since the start, as the server counts them. */
  retractions = 0;

  constructor(server: RunningServer, seed: number) {
    this.server = server;
    this.#dice = new Dice(seed);
  }

  get figures(): ProcessFigures {
    return processFigures(this.server.pid);
  }

  /** One client after the other until `until` says so. */
  async #loop(until: () => boolean): Promise<void> {
    while (!until()) await this.#one(this.#dice.weighted(weights));
  }

  async #one(behaviour: Behaviour): Promise<void> {
    const dice = new Dice(this.#requests++ * 7919 + Number(values.seed));
    const client: Client = {
      port: this.server.port,
      dice,
      make: new RequestMaker(dice, (seed) => new Dice(seed)),
      keep: (sample) => this.#keep(sample),
      ending: () => this.#ending,
    };
    this.ledger.started++;
    const outcome = await this.#behave(behaviour, client);
    this.ledger.record(behaviour, outcome);
  }

  async #behave(behaviour: Behaviour, client: Client): Promise<string> {
    let connection: Connection | null = null;
    try {
      connection = await Connection.open(client.port);
      return await behaviours[behaviour](client, connection);
    } catch (error) {
      if (this.#ending && !(error instanceof Timeout)) {
        await sleep(500); // it listens no more
        return connection === null ? "not connected while stopping" : "cut while stopping";
      }
      const what = error instanceof Violation ? error.message : String(error);
      this.ledger.violation(`${behaviour}: ${what}`);
      return "VIOLATION";
    } finally {
      connection?.end();
    }
  }

  /** Keeps a random few of all answers that can be repeated. */
  #keep(sample: Sample): void {
    this.#repeatable++;
    if (this.#samples.length < samplesPerRound) this.#samples.push(sample);
    else {
      const place = this.#dice.integer(0, this.#repeatable - 1);
      if (place < samplesPerRound) this.#samples[place] = sample;
    }
  }

  /** Misbehaviour of all kinds; resolves when the last client has ended. */
  async turmoil(seconds: number): Promise<void> {
    const endMs = performance.now() + seconds * 1000;
    const over = () => performance.now() > endMs || this.ledger.violations.length >= violationsMax;
    const loops = Array.from({ length: Number(values.clients) }, () => this.#loop(over));
    loops.push(this.#bursts(over));
    await sleep(seconds * 200);
    loops.push(this.#idleConnections(Number(values.idle), seconds * 200));
    await Promise.all(loops);
  }

  async #bursts(over: () => boolean): Promise<void> {
    while (!over()) {
      await sleep(this.#dice.integer(1000, 15_000));
      const size = this.#dice.skewed(10, 150);
      await Promise.all(Array.from({ length: size }, () => this.#one("valid")));
    }
  }

  /**
   * Opens connections that ask nothing, nothing more or nothing whole, and sees that others are served all the same.
   * Those that have asked once stay open; the server may close the others.
   */
  async #idleConnections(count: number, holdMs: number): Promise<void> {
    const begun = performance.now();
    const open: Connection[] = [];
    try {
      while (open.length < count) {
        const size = Math.min(250, count - open.length);
        const some = Array.from({ length: size }, () => Connection.open(this.server.port));
        open.push(...(await Promise.all(some)));
      }
      const openedMs = performance.now() - begun;
      const asking = open.slice(0, count / 2);
      const health = "GET /health HTTP/1.1\r\nHost: x\r\n";
      for (const connection of asking) connection.write(`${health}\r\n`);
      for (const connection of open.slice(count * 0.75)) connection.write(health);
      await this.#one("read");
      await sleep(holdMs);
      const closed = open.filter((connection) => !connection.open).length;
      console.error(
        `${count} idle connections in ${openedMs.toFixed(0)} ms; ${closed} were closed`,
      );
      const wrong = asking.filter((connection) => !connection.open).length;
      this.ledger.check(wrong === 0, `${wrong} idle connections with a request were closed`);
    } catch (error) {
      this.ledger.violation(`idle connection ${open.length}: ${String(error)}`);
    }
    for (const connection of open) connection.end();
  }

  /** Nothing may be left of clients that have gone. */
  async quiet(baseline: ProcessFigures): Promise<ProcessFigures> {
    const deadlineMs = performance.now() + 60_000;
    for (;;) {
      const before = this.figures;
      await sleep(1000);
      const after = this.figures;
      const left = await this.#leftovers();
      const busy = after.cpuS - before.cpuS;
      if (busy >= 0.2) left.push(`${busy.toFixed(2)} cores are busy`);
      const moreFiles = after.openFiles - baseline.openFiles;
      if (moreFiles > 0) left.push(`${moreFiles} more files are open`);
      if (left.length === 0) return after;
      if (performance.now() > deadlineMs) {
        this.ledger.violation(`a minute after the last client: ${left.join(", ")}`);
        return after;
      }
    }
  }

  /** What the server itself says that it still does or holds. */
  async #leftovers(): Promise<string[]> {
    const samples = await metrics(this.server.url);
    this.retractions = samples.get("sglang:num_retracted_requests_total")!;
    return ["num_running_reqs", "num_queue_reqs", "num_used_tokens"]
      .map((name) => `${samples.get(`sglang:${name}`)} ${name}`)
      .filter((figure) => !figure.startsWith("0 "));
  }

  /** Asks the kept requests again, one by one. */
  async compareSamples(): Promise<number> {
    const samples = this.#samples;
    this.#samples = [];
    this.#repeatable = 0;
    for (const { request, essence } of samples) {
      const alone = await ask(this.server.port, request).catch((error: Error) => error.message);
      if (alone === essence) continue;
      const what = `${request.endpoint} ${JSON.stringify(request.body)}`;
      this.ledger.violation(`another answer alone: ${what}\n  then  ${essence}\n  alone ${alone}`);
    }
    return samples.length;
  }

  /** SIGTERM in the middle of everything. */
  async stopUnderLoad(): Promise<number> {
    let over = false;
    const loops = Array.from({ length: Number(values.clients) }, () => this.#loop(() => over));
    await sleep(5000);
    this.#ending = true;
    const begun = performance.now();
    const code = await Promise.race([this.server.stop("SIGTERM"), sleep(stopS * 1000)]);
    const seconds = (performance.now() - begun) / 1000;
    over = true;
    this.ledger.check(code === 0, `after SIGTERM: exit code ${String(code)} in ${seconds} s`);
    if (code === undefined) await this.server.stop("SIGKILL");
    await Promise.all(loops);
    this.ledger.check(
      /stopping: \d+ running/.test(this.server.log()),
      "the log is silent about it",
    );
    return seconds;
  }
}

function report(chaos: Chaos): void {
  const { outcomes, ended, started, violations } = chaos.ledger;
  const { rssBytes, openFiles, threads, cpuS } = chaos.figures;
  console.error(
    `${new Date().toISOString().slice(11, 19)} ${ended} ended, ${started - ended} open; RSS ${mib(rssBytes)} MiB, ` +
      `${openFiles} files, ${threads} threads, ${cpuS.toFixed(0)} s of processor time; ` +
      `${outcomes.size} kinds of outcome, ${violations.length} violations`,
  );
}

const server = await startServer(serverFlags.split(" "));
const chaos = new Chaos(server, Number(values.seed));
const { ledger } = chaos;
process.on("SIGINT", () => void server.stop("SIGKILL").then(() => process.exit(130)));
const timer = setInterval(() => report(chaos), 30_000);
const begunMs = performance.now();
const rounds: { rssBytes: number; openFiles: number; compared: number }[] = [];
let baseline = await chaos.quiet(chaos.figures);
while (ledger.violations.length < violationsMax) {
  await chaos.turmoil(roundS);
  const { rssBytes, openFiles, ...rest } = await chaos.quiet(baseline);
  const compared = await chaos.compareSamples();
  rounds.push({ rssBytes, openFiles, compared });
  baseline = { ...rest, rssBytes, openFiles: Math.min(openFiles, baseline.openFiles) };
  ledger.check(ledger.started === ledger.ended, "a request has no outcome");
  console.error(`round ${rounds.length}: quiet, RSS ${mib(rssBytes)} MiB, ${openFiles} files`);
  if (performance.now() - begunMs > minutes * 60_000) break;
}
const third = Math.ceil(rounds.length / 3);
const most = (part: typeof rounds) => Math.max(...part.map((round) => round.rssBytes));
const growth = most(rounds.slice(-third)) / most(rounds.slice(0, third));
ledger.check(
  growth <= growthMax,
  `memory has grown ${growth.toFixed(2)}-fold since the first rounds`,
);
const turmoilMinutes = (performance.now() - begunMs) / 60_000;
clearInterval(timer);
const stopSeconds = await chaos.stopUnderLoad();
ledger.check(ledger.started === ledger.ended, "a request has no outcome");

const lines = [...ledger.outcomes].toSorted().map(([key, count]) => `| ${key} | ${count} |`);
console.log(`# Chaos, ${values.device} device

${header("scripts/bench/chaos")} \`serve ${serverFlags}\`, seed ${values.seed}, ${values.clients} clients and bursts for \
${turmoilMinutes.toFixed(0)} minutes in ${rounds.length} rounds; in each ${values.idle} idle connections (the limit of open files \
was ${openFilesMax("self")}).

| client | end | requests |
|---|---|---|
${lines.join("\n")}

${ledger.started} requests, ${ledger.ended} outcomes; ${chaos.retractions} retractions; \
${rounds.reduce((sum, { compared }) => sum + compared, 0)} answers compared with those of the same requests alone. \
After the rounds, all quiet: RSS ${rounds.map(({ rssBytes }) => mib(rssBytes)).join(", ")} MiB, open files \
${rounds.map(({ openFiles }) => openFiles).join(", ")}. SIGTERM under load: ended in ${stopSeconds.toFixed(1)} s. \
Violations: ${ledger.violations.length}.`);
if (ledger.violations.length > 0) {
  console.error(`\n${ledger.violations.join("\n")}\n\nThe end of the server's log:`);
  console.error(server.log().split("\n").slice(-30).join("\n"));
  process.exit(1);
}
