/** Proves that a launched server is told from one that is not ready or dead, and that nothing of it outlives us. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { launchServer, type LaunchedServer } from "../../src/launch/index.ts";
import { descendants } from "../../src/launch/processes.ts";
import { UserError } from "../../src/user-error.ts";
import { allGone, fakePids, fakeSpec, isAlive } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "servebench-launch-"));
afterAll(() => rmSync(folder, { recursive: true }));

let logs = 0;
const newLog = () => join(folder, `${logs++}.log`);
const never = new AbortController().signal;
const io = { signal: never, onWait: () => {} };
const launch = (logFile: string, ...words: string[]): Promise<LaunchedServer> =>
  launchServer(fakeSpec(logFile, words), io);

async function failure(launched: Promise<unknown>): Promise<Error> {
  try {
    await launched;
  } catch (error) {
    return error as Error;
  }
  throw new Error("it was launched");
}

test("a ready server answers; stop ends it, its child and its stray", async () => {
  const log = newLog();
  writeFileSync(log, "listening at http://127.0.0.1:1\n"); // of an earlier server: must not be believed
  const server = await launch(log);
  expect((await fetch(`${server.baseUrl}/health`)).status).toBe(200);
  expect(await server.crash(never)).toBeNull();
  const pids = fakePids(log);
  expect(pids.map(isAlive)).toEqual([true, true, true, true]);
  expect(descendants(process.pid)).toEqual(expect.arrayContaining([...pids]));
  await server.stop();
  expect(pids.map(isAlive)).toEqual([false, false, false, false]);
  expect(await server.ended).toBe(143); // by SIGTERM
  await server.stop(); // nothing to do
});

test("a server that ends before it is ready: exit code and last lines", async () => {
  const log = newLog();
  const error = await failure(launch(log, "crash"));
  expect(error).toBeInstanceOf(UserError);
  expect(error.message).toMatch(
    /ended with exit code 3\. .*\n {2}\| pids .*\n {2}\| out of memory$/,
  );
  await allGone(fakePids(log));
});

test("a server that cannot be started", async () => {
  const spec = { ...fakeSpec(newLog()), command: [join(folder, "nowhere")] };
  const error = await failure(launchServer(spec, io));
  expect(error.message).toMatch(/ended with exit code 127.*\n.*cannot start .*nowhere/);
});

test("a server that is not ready in time is ended", async () => {
  const log = newLog();
  const spec = { ...fakeSpec(log, ["silent"]), readyTimeoutMs: 1500 };
  const waits: string[] = [];
  const onWait = (_: number, line: string) => void waits.push(line);
  const error = await failure(launchServer(spec, { signal: never, onWait }));
  expect(error.message).toMatch(/not ready within 2 s/);
  expect(waits.at(-1)).toMatch(/^listening at/);
  expect(fakePids(log).map(isAlive)).toEqual([false, false, false, false]);
});

test("Ctrl-C while waiting ends the server", async () => {
  const log = newLog();
  const interrupt = new AbortController();
  const onWait = (_: number, line: string) => void (line !== "" && interrupt.abort());
  const spec = fakeSpec(log, ["silent"]);
  await failure(launchServer(spec, { signal: interrupt.signal, onWait }));
  await allGone(fakePids(log));
});

test("a server that dies later: `ended` and `crash` say so", async () => {
  const log = newLog();
  const server = await launch(log);
  const pids = fakePids(log);
  process.kill(pids[0]!, "SIGKILL");
  expect(await server.ended).toBe(137);
  expect(pids.map(isAlive)).toEqual([false, false, false, false]);
  expect((await server.crash(never))?.message).toMatch(/ended with exit code 137.*\n.*\| pids/);
});

test("a supervisor that is killed takes the server's process group with it", async () => {
  const log = newLog();
  const server = await launch(log);
  const [main, supervisor, child, stray] = fakePids(log);
  process.kill(supervisor!, "SIGKILL");
  await server.ended;
  await allGone([main!, supervisor!, child!]);
  process.kill(-stray!, "SIGKILL"); // it led a group of its own, out of reach
});

test.each([[[]], [["stubborn"]]])("kill -9 of the parent ends all, %p", async (words) => {
  const log = newLog();
  const parent = Bun.spawn(
    [process.execPath, join(import.meta.dir, "parent.ts"), log, ...(words as string[])],
    { stdout: "pipe", stderr: "inherit" },
  );
  const reader = parent.stdout.getReader();
  const { value } = await reader.read();
  expect(new TextDecoder().decode(value)).toMatch(/^up http/);
  const pids = fakePids(log);
  expect(pids.map(isAlive)).toEqual([true, true, true, true]);
  parent.kill("SIGKILL");
  await allGone(pids);
  expect(readFileSync(log, "utf8")).toContain("listening at");
});
