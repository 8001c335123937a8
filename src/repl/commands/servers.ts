/** `servers`, `use`, `logs` and `stop`. */
import { defineCommand, type Command } from "../../commands/command.ts";
import { choiceFlag, intFlag, switchFlag, textFlag } from "../../commands/flags.ts";
import { backends } from "../../bench/options.ts";
import type { FleetServer } from "../../launch/index.ts";
import { tableText } from "../../terminal/table.ts";
import { UserError } from "../../user-error.ts";
import type { Session } from "../session.ts";

const server = textFlag("Name of a server, as servers lists it; the one in use if not given.", {
  placeholder: "SERVER",
});

export const serversCommand = (session: Session): Command =>
  defineCommand({
    name: "servers",
    summary: "list the servers of the session",
    description:
      "Lists the servers that were launched or taken in by use. The star marks the one in use.",
    examples: [{ line: "servers", says: "name, state, address and model of each" }],
    flags: {},
    run: async (_values, io) => {
      const all = session.fleet.list();
      if (all.length === 0)
        io.stdout("No servers. launch preset:tiny starts one; use URL takes in one that runs.\n");
      else {
        const rows = all.map((one) => [
          `${one === session.inUse ? "*" : " "} ${one.name}`,
          one.state === "ended" ? `ended (exit code ${one.exitCode ?? "unknown"})` : one.state,
          one.template,
          one.baseUrl,
          one.model ?? "",
          one.pid === null ? "" : String(one.pid),
        ]);
        const head = ["  name", "state", "kind", "address", "model", "pid"];
        io.stdout(tableText({ head, rows, frame: "none" }));
      }
      return 0;
    },
  });

export function use(session: Session, one: FleetServer): void {
  session.inUse = one;
}

export const useCommand = (session: Session): Command =>
  defineCommand({
    name: "use",
    summary: "choose the server that bench and the others load",
    description:
      "Jobs load the server in use unless they name another by --base-url, --host or --port. An address takes in a server that runs already.",
    examples: [
      { line: "use vllm", says: "one of servers" },
      { line: "use http://gpu-box:30000", says: "one that runs elsewhere" },
    ],
    words: {
      server: textFlag("Name of a server, or its address; without it, says which is in use.", {
        placeholder: "SERVER",
      }),
    },
    flags: {
      name: textFlag("What the session calls it; its host and port if not given.", {
        placeholder: "NAME",
      }),
      backend: choiceFlag("Its wire format; as its list of models tells if not given.", backends),
    },
    run: async ({ server: named, name, backend }, io) => {
      if (named !== null) use(session, await found(session, named, name, backend));
      const { inUse } = session;
      io.stdout(inUse ? `${inUse.name} at ${inUse.baseUrl} is in use\n` : "No server is in use.\n");
      return 0;
    },
  });

async function found(
  session: Session,
  named: string,
  name: string | null,
  backend: string | null,
): Promise<FleetServer> {
  const { fleet } = session;
  if (!/^https?:\/\/|^[\w.-]+:\d+$/.test(named)) {
    const one = fleet.get(named);
    if (one.state === "ready") return one;
    throw new UserError(`${named} is not ready: ${one.state}`);
  }
  const address = named.includes("://") ? named : `http://${named}`;
  const known = fleet
    .list()
    .find((one) => one.state === "ready" && one.baseUrl === address.replace(/\/$/, ""));
  return (
    known ??
    fleet.attach(
      name ?? address.replace(/^https?:\/\//, "").replaceAll(/[^\w.:-]+/g, ""),
      address,
      backend,
    )
  );
}

function chosen(session: Session, name: string | null): FleetServer {
  if (name !== null) return session.fleet.get(name);
  const one = session.inUse ?? session.fleet.list().at(-1);
  if (one) return one;
  throw new UserError("there are no servers; launch preset:tiny starts one");
}

export const logsCommand = (session: Session): Command =>
  defineCommand({
    name: "logs",
    summary: "what a server has written",
    description:
      "Shows the last lines that a server has written. With --follow also those to come, until Ctrl-C.",
    examples: [{ line: "logs vllm --lines 50", says: "the last 50 lines" }],
    words: { server },
    flags: {
      lines: intFlag("How many.", { default: 20, min: 1, max: 100_000 }),
      follow: switchFlag("Go on with what is written from now on, until Ctrl-C."),
    },
    run: async ({ server: name, lines, follow }, io) => {
      const one = chosen(session, name);
      const text = one.log(lines).join("\n");
      io.stdout(text === "" ? `${one.name} has written nothing.\n` : `${text}\n`);
      if (follow) await one.follow((more) => io.stdout(more), io.signal);
      return 0;
    },
  });

export const stopCommand = (session: Session): Command =>
  defineCommand({
    name: "stop",
    summary: "end a server",
    description:
      "Asks a server to end, insists after a while, and waits until all that it has forked is gone. One that was taken in by use is only forgotten.",
    examples: [
      { line: "stop vllm", says: "ends it" },
      { line: "stop --all", says: "ends all" },
    ],
    words: { server },
    flags: { all: switchFlag("All servers.") },
    run: async ({ server: name, all }, io) => {
      const stopped = all
        ? session.fleet.list().filter(({ state }) => state !== "ended")
        : [chosen(session, name)];
      for (const one of stopped) {
        await session.fleet.stop(one.name);
        if (session.inUse === one) session.inUse = null;
        io.stdout(`${one.name} ${one.template === "attached" ? "is forgotten" : "has ended"}\n`);
      }
      return 0;
    },
  });
