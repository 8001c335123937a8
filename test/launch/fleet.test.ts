/** Proves that a fleet starts, names, watches and ends servers of every kind, on ports and GPUs that are there. */
import { afterAll, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { backends } from "../../src/bench/options.ts";
import { Fleet, recognise, templates, type ServerEnd } from "../../src/launch/index.ts";
import { UsageError } from "../../src/user-error.ts";
import { allGone, isAlive } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "servebench-fleet-"));
const fleet = new Fleet(join(folder, "logs"));
afterAll(async () => {
  await fleet.stopAll();
  rmSync(folder, { recursive: true });
});

const fake = join(import.meta.dir, "fake-engine.ts");
const command = [process.execPath, fake, "--host", "{host}", "--port", "{port}"];
const io = { signal: new AbortController().signal, onWait: () => {} };

async function failure(launched: Promise<unknown>): Promise<Error> {
  try {
    await launched;
  } catch (error) {
    return error as Error;
  }
  throw new Error("it was launched");
}

/** A program of another engine's name that runs the fake one. */
function fakeProgram(path: string): void {
  writeFileSync(path, `#!/bin/sh\nexec '${process.execPath}' '${fake}' "$@"\n`);
  chmodSync(path, 0o755);
}

/** Runs `body` with other variables in the environment. */
async function withEnvironment(
  variables: Readonly<Record<string, string>>,
  body: () => Promise<void>,
): Promise<void> {
  const before = { ...process.env };
  Object.assign(process.env, variables);
  try {
    await body();
  } finally {
    for (const name of Object.keys(variables)) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  }
}

/** Processes that a log of the fake engine names: itself, its supervisor, the stray. */
function pidsOf(log: readonly string[]): number[] {
  const text = log.join("\n");
  return [/^pids (\d+) (\d+)/m, /^stray (\d+)/m].flatMap((line) =>
    line.exec(text)!.slice(1).map(Number),
  );
}

test("our own engine: launched, ready, named, asked, stopped; its log stays", async () => {
  const waits: string[] = [];
  const launched = fleet.launch(
    { template: "servebench", args: ["--max-total-tokens", "1024"] },
    { ...io, onWait: (_, line) => void waits.push(line) },
  );
  while (fleet.list().length === 0) await Bun.sleep(1);
  expect(fleet.list()[0]).toMatchObject({ name: "servebench", state: "starting", model: null });
  const server = await launched;
  expect(server).toMatchObject({
    template: "servebench",
    backend: "sglang",
    model: "preset:tiny",
    tokenizer: "preset:tiny",
    state: "ready",
    exitCode: null,
  });
  expect(waits.length).toBeGreaterThan(0);
  expect(readFileSync(`/proc/${server.pid}/cmdline`, "utf8")).toContain("serve\0--model-path");
  const reply = await fetch(`${server.baseUrl}/v1/completions`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ model: server.model, prompt: "a", max_tokens: 2 }),
  });
  expect(reply.status).toBe(200);
  const pid = server.pid!;
  await fleet.stop("servebench");
  expect(isAlive(pid)).toBe(false);
  expect(server).toMatchObject({ state: "ended", pid: null });
  expect(fleet.get("servebench").log(100).join("\n")).toContain("servebench: ready at");
});

test.each(["sglang", "vllm", "trtllm", "llama-server"])("%s, found in PATH", async (name) => {
  const template = templates.find((t) => t.name === name)!;
  const programs = join(folder, name);
  await Bun.$`mkdir -p ${programs}`;
  for (const program of template.program!.names) {
    const path = join(programs, program);
    fakeProgram(path);
    // As a Python that has the module: -c is the question.
    if (name === "sglang") {
      const script = readFileSync(path, "utf8").replace("exec", `[ "$1" = -c ] && exit 0\nexec`);
      writeFileSync(path, script);
    }
  }
  await withEnvironment({ PATH: `${programs}${delimiter}${process.env["PATH"]}` }, async () => {
    const server = await fleet.launch(
      { template: name, model: "org/model", args: ["--seed", "1"] },
      io,
    );
    expect(server.log(100)[0]).toMatch(
      new RegExp(`^words .*org/model.* --host 127\\.0\\.0\\.1 --port \\d+ --seed 1$`),
    );
    expect(server).toMatchObject({ name, backend: template.backend, model: "fake-model" });
    await fleet.stop(name);
  });
});

test("an engine that is missing: what was looked for where, near names, what to do", async () => {
  const programs = join(folder, "near");
  await Bun.$`mkdir -p ${programs}`;
  fakeProgram(join(programs, "vllm-rs"));
  await withEnvironment({ PATH: programs, VIRTUAL_ENV: "" }, async () => {
    const { message } = await failure(fleet.launch({ template: "vllm", model: "m", args: [] }, io));
    expect(message).toMatch(/^cannot find vllm in .*\.venv\/bin, .*near \(there is vllm-rs\): pip/);
    const sglang = await failure(fleet.launch({ template: "sglang", model: "m", args: [] }, io));
    expect(sglang.message).toMatch(/^cannot find a Python that has the module sglang in /);
  });
  // Named, it needs no PATH: the program, its folder or the environment that holds it.
  const environment = join(folder, "environment");
  await Bun.$`mkdir -p ${join(environment, "bin")}`;
  fakeProgram(join(environment, "bin", "vllm"));
  for (const program of [environment, join(environment, "bin"), join(environment, "bin", "vllm")]) {
    const server = await fleet.launch({ template: "vllm", model: "m", args: [], program }, io);
    await fleet.stop(server.name);
  }
});

test("a command line: its port and kind are read from it", async () => {
  const program = join(folder, "vllm-of-mine");
  await Bun.$`mkdir -p ${program}`;
  fakeProgram(join(program, "vllm"));
  const args = [join(program, "vllm"), "serve", "m", "--host", "127.0.0.1", "--port", "28611"];
  const server = await fleet.launch({ name: "pasted", template: "command", args }, io);
  expect(server).toMatchObject({ backend: "vllm", baseUrl: "http://127.0.0.1:28611" });
  await fleet.stop("pasted");
});

test.each([
  ["python -m sglang.launch_server --model-path m", "sglang"],
  ["python -m vllm.entrypoints.openai.api_server", "vllm"],
  ["/opt/llama/llama-server -m x.gguf", "llama-server"],
  ["trtllm-serve m", "trtllm"],
  ["text-generation-launcher --model-id vllm-model", "command"],
])("%s is of the kind %s", (line, name) => {
  expect(recognise(line.split(" ")).name).toBe(name);
});

test("names and ports of several at once differ; a name is free again after the end", async () => {
  const spec = { template: "command", args: command };
  const servers = await Promise.all([1, 2, 3].map(() => fleet.launch(spec, io)));
  expect(servers.map(({ name }) => name)).toEqual(["command", "command-2", "command-3"]);
  expect(new Set(servers.map(({ baseUrl }) => baseUrl)).size).toBe(3);
  const again = await failure(fleet.launch({ ...spec, name: "command-2" }, io));
  expect(again).toBeInstanceOf(UsageError);
  await fleet.stop("command-2");
  expect((await fleet.launch(spec, io)).name).toBe("command-2");
  await fleet.stopAll();
  expect(fleet.list().map(({ state }) => state)).not.toContain("ready");
});

test("what a server forked dies with it, out of our group and session too", async () => {
  const server = await fleet.launch({ template: "command", args: command }, io);
  while (!server.log(100).some((line) => line.startsWith("pids"))) await Bun.sleep(10);
  const pids = pidsOf(server.log(100));
  expect(pids.map(isAlive)).toEqual([true, true, true]);
  await fleet.stop(server.name);
  expect(pids.map(isAlive)).toEqual([false, false, false]);
});

test("after kill -9 of the session nothing is left of a server and what it forked", async () => {
  const logs = join(folder, "killed");
  const parent = Bun.spawn(
    [process.execPath, join(import.meta.dir, "fleet-parent.ts"), logs, ...command],
    { stdout: "pipe", stderr: "inherit" },
  );
  const { value } = await parent.stdout.getReader().read();
  expect(new TextDecoder().decode(value)).toMatch(/^up http/);
  const log = (): string[] => readFileSync(join(logs, "command.log"), "utf8").split("\n");
  while (!log().some((line) => line.startsWith("pids"))) await Bun.sleep(10);
  const pids = pidsOf(log());
  expect(pids.map(isAlive)).toEqual([true, true, true]);
  parent.kill("SIGKILL");
  await allGone(pids);
});

test("a crash is told once, with exit code and last lines", async () => {
  const server = await fleet.launch({ name: "doomed", template: "command", args: command }, io);
  const ends: ServerEnd[] = [];
  const ended = new Promise<void>((resolve) =>
    server.onEnd((end) => {
      ends.push(end);
      resolve();
    }),
  );
  await fetch(`${server.baseUrl}/crash`).catch(() => {});
  await ended;
  expect(server).toMatchObject({ state: "ended", exitCode: 9 });
  expect(ends[0]!.crash).toMatch(
    /^doomed: the server ended with exit code 9\. .*doomed\.log:\n {2}\| step 16\n[^]*\| CUDA out of memory$/,
  );
  expect(server.log(2)).toEqual(["step 29", "CUDA out of memory"]);
  await fleet.stop("doomed");
  expect(ends).toHaveLength(1);
});

test("a server that was asked to end has not crashed", async () => {
  const server = await fleet.launch({ template: "command", args: command }, io);
  const end = new Promise<ServerEnd>((resolve) => server.onEnd(resolve));
  await fleet.stop(server.name);
  expect(await end).toEqual({ exitCode: 143, crash: null });
});

test("one that ends before it is ready: the launch fails, and its log can still be read", async () => {
  const args = ["sh", "-c", "echo no such model; exit 4", "--port={port}"];
  const { message } = await failure(fleet.launch({ name: "early", template: "command", args }, io));
  expect(message).toMatch(/^early: the server ended with exit code 4\.[^]*\| no such model$/);
  expect(fleet.get("early")).toMatchObject({ state: "ended", exitCode: 4 });
  expect(fleet.get("early").log(10)).toEqual(["no such model"]);
});

test("stop ends one that is still starting", async () => {
  const args = ["sleep", "1000"];
  const launched = failure(
    fleet.launch({ name: "slow", template: "command", args, port: 28612 }, io),
  );
  while (!fleet.list().some(({ name }) => name === "slow")) await Bun.sleep(1);
  await fleet.stop("slow");
  expect((await launched).message).toBe("slow: it was stopped before it was ready");
});

test("a port that is taken: by whom", async () => {
  const holder = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => holder.once("listening", resolve));
  const { port } = holder.address() as AddressInfo;
  const { message } = await failure(fleet.launch({ template: "command", args: command, port }, io));
  holder.close();
  expect(message).toMatch(
    new RegExp(`^port ${port} is taken by process ${process.pid} \\(.*bun.*\\); end it, or leave`),
  );
});

test("a free port that another program takes first is looked for anew, but not for ever", async () => {
  const count = join(folder, "starts");
  const refused = `echo x >> '${count}'; echo 'OSError: [Errno 98] Address already in use'; exit 1`;
  const starts = (): number => readFileSync(count, "utf8").split("\n").length - 1;
  const engine = [process.execPath, fake, "--host", "127.0.0.1", "--port"];
  const once = `[ -e '${count}' ] || { ${refused}; }; exec ${engine.join(" ")} "$1"`;
  const server = await fleet.launch(
    { name: "second", template: "command", args: ["sh", "-c", once, "sh", "{port}"] },
    io,
  );
  expect([server.state, starts()]).toEqual(["ready", 1]);
  await fleet.stop("second");
  const never = { name: "never", template: "command", args: ["sh", "-c", refused, "sh", "{port}"] };
  expect((await failure(fleet.launch(never, io))).message).toMatch(/Address already in use/);
  expect(starts()).toBe(1 + 4);
});

test("GPUs: chosen for the server alone; those that are not there are refused", async () => {
  const programs = join(folder, "gpus");
  await Bun.$`mkdir -p ${programs}`;
  const smi = '#!/bin/sh\nfor i in 0 1; do echo "$i, NVIDIA H200, 143771, 9.0, 580.95.05"; done\n';
  writeFileSync(join(programs, "nvidia-smi"), smi, { mode: 0o755 });
  await withEnvironment({ PATH: `${programs}${delimiter}${process.env["PATH"]}` }, async () => {
    const spec = { name: "gpu", template: "command", args: command };
    const server = await fleet.launch({ ...spec, gpus: [1] }, io);
    expect(server.log(10)).toContain("gpus 1");
    await fleet.stop("gpu");
    const { message } = await failure(fleet.launch({ ...spec, gpus: [0, 2] }, io));
    expect(message).toBe("there is no GPU 2: nvidia-smi shows the GPUs 0, 1");
  });
});

test("a server that runs already: its kind is read from its models; stop leaves it alone", async () => {
  const spec = { name: "real", template: "command", args: command };
  await withEnvironment({ FAKE_OWNER: "vllm" }, async () => {
    const real = await fleet.launch(spec, io);
    const address = real.baseUrl.replace("http://", "");
    const attached = await fleet.attach("other", `${address}/`, null);
    expect(attached).toMatchObject({
      name: "other",
      template: "attached",
      backend: "vllm",
      model: "fake-model",
      baseUrl: real.baseUrl,
      state: "ready",
    });
    await fleet.stop("other");
    expect((await fetch(`${real.baseUrl}/health`)).status).toBe(200);
    await fleet.stop("real");
    const { message } = await failure(fleet.attach("gone", address, null));
    expect(message).toMatch(/^nothing answers at http:/);
  });
});

test("a log is followed as it grows", async () => {
  const server = await fleet.launch({ name: "talker", template: "command", args: command }, io);
  const enough = new AbortController();
  let text = "";
  const followed = server.follow((more) => {
    text += more;
    if (text.includes("out of memory")) enough.abort();
  }, enough.signal);
  await fetch(`${server.baseUrl}/crash`).catch(() => {});
  await followed;
  expect(text).toContain("step 0\nstep 1\n");
  expect(text).not.toContain("words");
});

test.each([
  [{ template: "vlm", args: [] }, "'vlm' is not a kind of server (did you mean vllm?); the kinds"],
  [{ template: "vllm", args: [] }, "a model is needed, as in: vllm serve MODEL"],
  [
    { template: "vllm", model: "m", args: ["--port=1"] },
    "--port is given to vllm by launch itself",
  ],
  [{ template: "command", args: [] }, "the command line is missing"],
  [{ template: "command", args: ["serve"] }, "it is not known where the server will listen"],
  [{ template: "command", args: command, name: "a b" }, "'a b' cannot be a server's name"],
])("a mistake: %o", async (spec, message) => {
  const error = await failure(fleet.launch(spec, io));
  expect(error).toBeInstanceOf(UsageError);
  expect(error.message).toStartWith(message);
});

test("a name that is nobody's", () => {
  expect(() => fleet.get("comand")).toThrow(
    /^there is no server 'comand' \(did you mean command\?\)/,
  );
});

test("templates speak wire formats that bench has", () => {
  const names: readonly string[] = backends;
  expect(templates.map(({ backend }) => backend).filter((name) => !names.includes(name))).toEqual(
    [],
  );
});
