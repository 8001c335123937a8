/** Any number of servers, ours and others, started or found running, by name. */
import { join } from "node:path";
import { nearest } from "../nearest.ts";
import { UsageError, UserError } from "../user-error.ts";
import { gpuEnvironment, listGpus } from "./gpus.ts";
import { checkPort, freePort } from "./ports.ts";
import { listedModel } from "./models.ts";
import { AttachedMember, StartedMember, type FleetServer, type StartPlan } from "./members.ts";
import { healthStatus, type LaunchIo } from "./server.ts";
import { programOf, recognise, templateOf, type Template } from "./templates.ts";

export type { FleetServer, ServerEnd } from "./members.ts";
export type { LaunchIo } from "./server.ts";

export interface FleetSpec {
  /** null: the template's name, with a number if that is taken. */
  readonly name?: string | null;
  /** A name of `templates`. */
  readonly template: string;
  readonly model?: string | null;
  /** Further words of the server's command line; all of it for `command`. */
  readonly args: readonly string[];
  /** null: a free one. */
  readonly port?: number | null;
  readonly host?: string | null;
  /** Indices of the GPUs that the server may see; null: all. */
  readonly gpus?: readonly number[] | null;
  /** The engine's program or virtual environment, where it is not in PATH. */
  readonly program?: string | null;
}

export class Fleet {
  readonly #servers = new Map<string, StartedMember | AttachedMember>();
  readonly #folder: string;
  /** One at a time takes a name and a port. */
  #lastStart: Promise<unknown> = Promise.resolve();

  /** @param folder Where logs go, NAME.log each. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** In the order of their start, those that have ended too: their logs can still be read. */
  list(): readonly FleetServer[] {
    return [...this.#servers.values()];
  }

  /** @throws UserError that names the servers there are. */
  get(name: string): FleetServer {
    return this.#member(name);
  }

  /**
   * Starts a server and waits until it is ready; meanwhile it is in the list, as "starting".
   * @throws UserError if it cannot be started, or ends before it is ready, then with its log's last lines.
   */
  async launch(spec: FleetSpec, io: LaunchIo): Promise<FleetServer> {
    const template = templateOf(spec.template);
    checkArgs(template, spec);
    const lost = new Set<number>();
    for (;;) {
      const starting = this.#lastStart.then(() => this.#start(template, spec, lost));
      this.#lastStart = starting.catch(() => {});
      const server = await starting;
      try {
        await server.whenReady(io);
        return server;
      } catch (error) {
        if (!foundItsPortTaken(server) || (spec.port ?? null) !== null || lost.size === portTries)
          throw error;
        lost.add(portOf(server));
      }
    }
  }

  /**
   * Takes in a server that runs already.
   * @param backend null: as its list of models tells.
   * @throws UserError if nothing answers there.
   */
  async attach(name: string, baseUrl: string, backend: string | null): Promise<FleetServer> {
    const url = addressOf(baseUrl);
    const listed = await listedModel(url);
    if (listed === null && (await healthStatus(url, AbortSignal.timeout(5000))) === null) {
      throw new UserError(`nothing answers at ${url}; start the server there first, or launch one`);
    }
    const server = new AttachedMember(
      this.#freeName(name, name),
      url,
      backend ?? listed?.backend ?? "openai",
      listed?.id ?? null,
    );
    this.#servers.set(server.name, server);
    return server;
  }

  /** Ends a server, or forgets one that was attached. Resolves when all that it forked is gone. */
  async stop(name: string): Promise<void> {
    const server = this.#member(name);
    await server.stop();
    if (server instanceof AttachedMember) this.#servers.delete(name);
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#servers.values()].map((server) => server.stop()));
  }

  #member(name: string): StartedMember | AttachedMember {
    const server = this.#servers.get(name);
    if (server) return server;
    const names = [...this.#servers.keys()];
    const are = names.length === 0 ? "there is none yet" : `there are ${names.join(", ")}`;
    throw new UserError(`there is no server '${name}'${nearest(name, names)}; ${are}`);
  }

  /** A name may be given again once its server has ended. */
  #freeName(wanted: string | null, usual: string): string {
    const taken = (name: string): boolean =>
      (this.#servers.get(name)?.state ?? "ended") !== "ended";
    if (wanted !== null) {
      if (!/^[\w.:-]+$/.test(wanted)) {
        throw new UsageError(`'${wanted}' cannot be a server's name: use letters, digits, . : _ -`);
      }
      if (taken(wanted))
        throw new UsageError(`there is a server '${wanted}' already; stop it first`);
      return wanted;
    }
    const numbered = (n: number): string => (n === 1 ? usual : `${usual}-${n}`);
    let n = 1;
    while (taken(numbered(n))) n++;
    return numbered(n);
  }

  /** @param lost Ports that were free until the server wanted them. */
  async #start(
    template: Template,
    spec: FleetSpec,
    lost: ReadonlySet<number>,
  ): Promise<StartedMember> {
    const name = this.#freeName(spec.name ?? null, template.name);
    const plan = await this.#plan(template, spec, lost);
    const server = new StartedMember(name, plan, join(this.#folder, `${name}.log`));
    this.#servers.delete(name);
    this.#servers.set(name, server);
    return server;
  }

  async #plan(template: Template, spec: FleetSpec, lost: ReadonlySet<number>): Promise<StartPlan> {
    const host = spec.host ?? "127.0.0.1";
    const spoken = template.name === "command" ? recognise(spec.args) : template;
    const asked = spec.port ?? (template.name === "command" ? portIn(spec.args) : null);
    if (asked !== null) await checkPort(host, asked);
    const starting = [...this.#servers.values()].filter(({ state }) => state !== "ended");
    const taken = new Set([...starting.map(portOf), ...lost]);
    const port = asked ?? (await freePort(host, spoken.port, taken));
    const model = spec.model ?? template.defaultModel;
    const program = programOf(template, spec.program ?? null);
    return {
      template: template.name,
      command: template.command(program, { model, host, port, args: spec.args }),
      baseUrl: `http://${host === "0.0.0.0" ? "127.0.0.1" : host}:${port}`,
      readyLine: template.readyLine,
      environment: spec.gpus ? gpuEnvironment(spec.gpus, listGpus()) : {},
      backend: spoken.backend,
      tokenizer: spoken.name === "llama-server" ? null : model,
    };
  }
}

const portOf = ({ baseUrl }: FleetServer): number => Number(new URL(baseUrl).port);

/** A free port that another program takes first is looked for anew so often. */
const portTries = 3;

/** As libc, Python, Node and Rust put it. */
const foundItsPortTaken = (server: FleetServer): boolean =>
  /address already in use|EADDRINUSE/i.test(server.log(50).join("\n"));

/** @throws UsageError for words that the template gives itself, or that are missing. */
function checkArgs(template: Template, { args, model, port }: FleetSpec): void {
  const flags = args.map((word) => word.split("=")[0]!);
  const own = template.ownFlags.find((flag) => flags.includes(flag));
  if (own !== undefined) {
    throw new UsageError(
      `${own} is given to ${template.name} by launch itself; use launch's own --model, --host and --port`,
    );
  }
  if (template.name === "command") {
    if (args.length === 0) {
      throw new UsageError(`the command line is missing; expected one like: ${template.example}`);
    }
    const told = args.some((word) => word.includes("{port}")) || portIn(args) !== null;
    if (!told && (port ?? null) === null) {
      throw new UsageError(
        "it is not known where the server will listen: put {port} where its port goes, or say --port N",
      );
    }
  } else if ((model ?? template.defaultModel) === null) {
    throw new UsageError(`a model is needed, as in: ${template.example}`);
  }
}

/** The port that a command line names by --port; null if none. */
function portIn(words: readonly string[]): number | null {
  const text = words.join(" ");
  const [, port] = /(?:^|\s)--port[ =](\d{1,5})(?:\s|$)/.exec(text) ?? [];
  return port === undefined ? null : Number(port);
}

/** @throws UsageError */
function addressOf(written: string): string {
  const text = /^https?:\/\//.test(written) ? written : `http://${written}`;
  if (URL.canParse(text)) return text.replace(/\/+$/, "");
  throw new UsageError(`'${written}' is not an address; expected one like http://127.0.0.1:30000`);
}
