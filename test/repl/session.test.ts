/** Proves the session as a person meets it: the built program on a pseudo-terminal, from the first launch to the report. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { descendants, isAlive, masked, PlayedSession, until } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "servebench-session-"));
const home = join(folder, "home");
let at: PlayedSession;
/** Each test goes on where the one before has stopped. */
const open = (...args: string[]): void => {
  at = new PlayedSession(home, args, { cwd: folder });
};
afterAll(async () => {
  at.kill();
  await at.exited();
  rmSync(folder, { recursive: true });
});

const small = "--dataset-name random-exact --random-input-len 8 --random-output-len 8";
/** Of many minutes. */
const long = "bench --num-prompts 5000 --request-rate 20";
const ctrlC = "\x03";
const ctrlD = "\x04";
const ctrlZ = "\x1a";

const serverOf = (): number =>
  descendants(at.pid).find(({ command }) => /^\S+ serve /.test(command))!.pid;

/** The same session, opened a second time: leaves the first one's job alone, and ends one of its own by force. */
async function worksBeside(server: string): Promise<void> {
  const beside = new PlayedSession(home, ["--session", "night"], { cwd: folder });
  try {
    expect(await beside.answer("jobs")).toMatch(/^No jobs\./);
    expect(await beside.answer("sessions beside")).toBe("This is session beside now.");
    expect(await beside.answer(`use ${server}`)).toMatch(/ is in use$/);
    expect(await beside.answer("set")).toMatch(/^Nothing is set\./);
    await beside.enter(`${long} ${small}`);
    await beside.shows(/of 5,000 done/);
    beside.type(ctrlC + ctrlC);
    await beside.shows(/asked to finish[^]*ended by force[^]*bench cancelled after/);
    await beside.prompt();
    expect(beside.screen.all.join("\n")).not.toContain("was still at work");
    await beside.enter("quit");
    expect(await beside.exited()).toBe(0);
  } finally {
    beside.kill();
  }
}

describe("a session", () => {
  beforeAll(() => open("--session", "night"));

  test("greets and explains itself", async () => {
    await at.prompt();
    expect(at.screen.lines).toMatchSnapshot();
    const [own, others] = (await at.answer("help")).split("\n\n");
    expect(own).toMatchSnapshot();
    expect(others).toMatch(/^Here and from the shell:\n {2}serve {8}serve a model/);
    expect(await at.answer("help servers")).toMatchSnapshot();
    expect(await at.answer("help use")).toMatchSnapshot();
    expect(await at.answer("benhc")).toBe(
      "unknown command 'benhc' (did you mean bench?); help lists the commands",
    );
    expect(await at.answer("help benhc")).toBe(
      "help: nothing is called 'benhc' (did you mean bench?); help lists commands and topics",
    );
  });

  test("starts servers and chooses among them", async () => {
    expect(masked(await at.answer("launch preset:tiny"))).toMatchSnapshot();
    expect(masked(await at.answer("launch preset:tiny --name other"))).toMatchSnapshot();
    expect(masked(await at.answer("use servebench"))).toBe(
      "servebench at http://ADDRESS is in use",
    );
    expect(masked(await at.answer("servers"))).toMatchSnapshot();
    expect(await at.answer("stop othr")).toBe(
      "stop: there is no server 'othr' (did you mean other?); there are servebench, other",
    );
    expect(await at.answer("stop other")).toBe("other has ended");
    expect(await at.answer("logs")).toMatch(/servebench: ready at /);
  });

  test("remembers defaults", async () => {
    for (const flag of small.split(/ ?--/).slice(1)) {
      expect(await at.answer(`set ${flag}`)).toBe("");
    }
    expect(await at.answer("set")).toMatchSnapshot();
    expect(await at.answer("set random-input-len many")).toMatch(/whole number/);
    expect(await at.answer("set num-promts 5")).toMatch(/did you mean num-prompts\?/);
  });

  test("shows a benchmark while it runs, and keeps it", async () => {
    await at.enter("bench --num-prompts 30 --request-rate 20");
    await at.shows(/\d+ of 30 done[^]*TTFT p50/);
    await at.prompt();
    const shown = at.screen.all.join("\n");
    expect(shown).toContain("Successful requests:                     30");
    expect(shown).toMatch(/=\n\[1\] kept as r1\nservebench servebench>$/);
    // Nothing of the live block is left.
    expect(shown).not.toMatch(/running {2}/);
  });

  test("goes on while jobs run in the background", async () => {
    expect(await at.answer(`${long} &`)).toBe("[2] started; fg shows it");
    await until(() => descendants(at.pid).some(({ command }) => / bench /.test(command)), "a job");
    await at.enter("fg");
    await at.shows(/of 5,000 done/);
    at.type(ctrlZ);
    await at.shows(/\[2\] goes on in the background; fg brings it back/);
    const [head, first, second] = (await at.answer("jobs")).split("\n");
    expect(head).toMatch(/^job +state +command$/);
    expect(first).toMatch(/^1 +done after .* s +bench --num-prompts 30 /);
    expect(second).toMatch(/^2 +runs: .* done .*bench --num/);
    expect(await at.answer("fg 7")).toBe("fg: there is no job 7; there are 1, 2");
    expect(await at.answer("jobs &")).toMatch(/^jobs: is done in a moment/);
    await worksBeside(/http:\S+/.exec(await at.answer("use"))![0]);
    await at.enter("cancel 2");
    await at.shows(
      /\[2\] asked to finish and keep what it has; once more ends it by force[^]*\[2\] kept as r2[^]*\[2\] cancelled after .* s \(exit code 130\): bench/,
    );
    expect(await at.answer("cancel 2")).toMatch(/^cancel: job 2 has ended already: cancelled/);
  });

  test("Ctrl-C stops the job, not the session", async () => {
    await at.enter(long);
    await at.shows(/of 5,000 done/);
    at.type(ctrlC);
    await at.shows(/\[3\] asked to finish[^]*\[3\] kept as r3[^]*bench cancelled after/);
    await at.prompt();
    at.type(`results${ctrlC}`);
    await at.shows(/results\^C/);
    expect(await at.answer("!echo alive")).toBe("alive");
    expect(await at.answer("!exit 3")).toBe("(exit code 3)");
  });

  test("lists, compares, plots and reports what it has measured", async () => {
    const columns = "system,request_rate,random_input_len";
    const [listed] = (await at.answer(`results --columns ${columns}`)).split("\n\n");
    expect(masked(listed!)).toMatchSnapshot();
    // Another session, used later, has an r1 of its own.
    expect(await at.answer("sessions")).toMatch(/beside/);
    expect(await at.answer("results r1 --columns system")).toContain("servebench");
    expect(await at.answer("delete --yes")).toMatch(/^delete: say which/);
    expect(masked(await at.answer("results r1 r2 r3 --diff r1"))).toMatch(/Changes are from r1/);
    expect(await at.answer("results r9")).toMatch(/r9/);
    expect(await at.answer(`table r1 r3 --columns ${columns} --format markdown`)).toMatchSnapshot();
    expect(await at.answer("plot cdf r1 --width 60 --height 8")).toMatch(
      /^ +TTFT of r1: percent of requests within\n100 ┤[^]*TTFT \(ms\)$/,
    );
    expect(await at.answer("export r1 -o r1.jsonl")).toMatch(/r1\.jsonl/);
    expect(masked(await at.answer("report r1.jsonl -o night.html"))).toMatch(/^night\.html: /);
    expect(existsSync(join(folder, "night.html"))).toBe(true);
    expect((await at.answer("history --last 3")).split("\n").at(-1)).toBe("history --last 3");
  });

  test("follows the terminal's size", async () => {
    at.resize(30, 20);
    await at.until((lines) => lines.at(-1) === ">", "the short prompt");
    const help = await at.answer("help");
    expect(help.split("\n").filter((line) => line.length > 30)).toEqual([]);
    at.resize(100, 50);
    await at.until((lines) => lines.at(-1) === "servebench servebench>", "the long prompt");
  });

  test("tells once of a server that was killed, and keeps the run as what it is", async () => {
    await at.enter("bench --num-prompts 100 --request-rate 50");
    await at.shows(/[1-9]\d* of 100 done/);
    process.kill(serverOf(), "SIGKILL");
    await at.shows(/the server ended with exit code 137 \(SIGKILL[^]*kept as r4/);
    await at.prompt();
    const shown = at.screen.all.slice(at.screen.all.findLastIndex((row) => /> bench/.test(row)));
    expect(shown.filter((row) => /\bSIGKILL\b|exit code 137/.test(row))).toHaveLength(1);
    expect(shown.join("\n")).toMatch(/The last lines of [^]*servebench\.log:\n {2}\| \[/);
    expect(at.screen.lines.at(-1)).toBe("servebench>");
    expect(masked(await at.answer("servers"))).toMatchSnapshot();
    const [head, done] = (await at.answer("table r4 --columns completed --format csv")).split("\n");
    expect(head).toBe("run,completed");
    expect(Number(done!.split(",")[1])).toBeWithin(1, 100);
  });

  test("asks before it leaves what runs", async () => {
    await at.answer("launch preset:tiny --name third");
    at.type(ctrlD);
    await at.shows(/1 server would end with the session\. Leave\? \[y\/N\]/);
    at.type("n");
    await at.answer(`${long} &`);
    await at.enter("exit");
    await at.shows(/1 server and 1 job would end with the session\. Leave\? \[y\/N\]/);
    at.type(" ");
    await at.prompt();
  });

  test("killed, it leaves nothing behind but results, which the next one takes in", async () => {
    await at.enter("fg");
    await at.shows(/[1-9]\d* of 5,000 done/);
    const left = descendants(at.pid);
    expect(left.length).toBeGreaterThanOrEqual(4);
    at.kill();
    await at.exited();
    await until(() => !left.some(({ pid }) => isAlive(pid)), "the end of its children");
    open("--session", "night");
    await at.shows(/session night \(4 runs, 3 settings\)/);
    await at.shows(/r5 kept: a job of this session was still at work when it was killed/);
    expect(await at.answer("results --columns request_rate")).toMatch(/r1[^]*r2[^]*r3[^]*r4[^]*r5/);
    expect((await at.answer("history night.html")).split("\n")).toHaveLength(2);
    await at.enter("exit");
    expect(await at.exited()).toBe(0);
  });
});
