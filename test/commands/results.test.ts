/** What results, table, plot, export, import and the editing of runs say, as they say it. */
import { beforeAll, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { UsageError } from "../../src/user-error.ts";
import { imagine, writeLines } from "../bench/results/support.ts";
import { narrow, path, pipe, say } from "./support.ts";

/** Two servers at four rates, and one that failed. Intervals as our lines have them. */
const runs = [1, 2, 4, 8].flatMap((perSecond) =>
  ["ours", "sglang"].map((server, i) =>
    imagine({
      perSecond,
      seed: `${perSecond}${i}`,
      ttftMs: 40 + perSecond ** 2 * (1 + i),
      requests: 60,
      fields: {
        server,
        client_machine: "2 x CPU",
        command: `servebench bench --request-rate ${perSecond}`,
        latencies: {
          ttft: {
            p50_ms: 40 * perSecond * (1 + i),
            p50_ci_ms: [38 * perSecond * (1 + i), 42 * perSecond * (1 + i)],
            p99_ms: 90 * perSecond * (1 + i),
          },
        },
      },
    }),
  ),
);

beforeAll(async () => {
  writeLines(
    path("runs.jsonl"),
    runs.map(({ line }) => line),
  );
  writeLines(
    path("records.jsonl"),
    runs.flatMap(({ recordLines }) => recordLines),
  );
});

/** Names of runs as a table has them. */
async function order(line: string): Promise<string[]> {
  const { out } = await say(`table --format csv --columns run ${line}`);
  return out.trim().split("\n").slice(1);
}

test("before anything is kept, that is said, with what to do", async () => {
  expect((await say("results")).out).toMatchInlineSnapshot(`
    "No runs are kept yet. The session (servebench without arguments) keeps those that it makes;
    servebench import FILE.jsonl takes in those of bench --output-file.
    "
  `);
  await expect(say("results r1")).rejects.toThrow(
    "'r1' names no run: the store has none yet, and no file has that name.",
  );
});

test("import takes lines with their records, once", async () => {
  const line = `import ${path("runs.jsonl")} --records ${path("records.jsonl")} --session tuning`;
  expect((await say(line)).out).toBe("FOLDER/runs.jsonl: r1 to r8 in session tuning\n8 new runs\n");
  expect((await say(line)).out).toEndWith("0 new runs\n");
  writeFileSync(path("torn.jsonl"), `${runs[0]!.line}\n${runs[1]!.line.slice(0, 50)}`);
  const torn = await say(`import ${path("torn.jsonl")} --session torn --system other`);
  expect(torn.err).toBe("FOLDER/torn.jsonl: 1 of the lines are no result lines.\n");
  expect((await say("results --session torn --columns system,command")).out).toMatchInlineSnapshot(`
    "run  system  command
    r1   other   servebench bench --request-rate 1
    "
  `);
  await say("delete --session torn --yes");
});

test("compare and report take runs of the store, with their records", async () => {
  const compared = await say("compare r1 r2 --session tuning");
  writeLines(path("a.jsonl"), [runs[0]!.line]);
  writeLines(path("b.jsonl"), [runs[1]!.line]);
  const records = `--records ${path("records.jsonl")}`;
  const ofFiles = await say(`compare ${path("a.jsonl")} ${path("b.jsonl")} ${records}`);
  const named = ofFiles.out
    .replace(/FOLDER\/a.jsonl, line 1/, "tuning/r1")
    .replace(/FOLDER\/b.jsonl, line 1/, "tuning/r2");
  expect(compared.out).toBe(named);
  expect((await say(`report r1 r2 --session tuning -o ${path("r.html")}`)).out).toContain("2 runs");
  expect(readFileSync(path("r.html"), "utf8")).toContain("TTFT: share of requests within");
  await expect(say("report r99 --session tuning")).rejects.toThrow("'r99' names no run");
});

test("results lists runs, and keeps to a narrow terminal", async () => {
  expect(`\n${(await say("results")).out}`).toMatchSnapshot();
  expect(`\n${(await say("results", { output: narrow })).out}`).toMatchSnapshot();
  expect(
    `\n${(await say("results r1 r2", { output: { ...narrow, columns: 50 } })).out}`,
  ).toMatchSnapshot();
});

test("conditions, sorting, columns and the newest", async () => {
  const chosen = await say(
    "results --where request_rate>=4 --where system~SGL --columns request_rate,model,sent",
  );
  expect(`\n${chosen.out}`).toMatchInlineSnapshot(`
    "
    run     rate  model  sent
         (req/s)
    r6         4  m        60
    r8         8  m        60
    "
  `);
  expect(await order("--sort=-request_rate,system --where rate!=1")).toEqual([
    "r7",
    "r8",
    "r5",
    "r6",
    "r3",
    "r4",
  ]);
  expect(await order("--last 3")).toEqual(["r6", "r7", "r8"]);
  expect(await order("--dataset random --system OURS --where ttft_p50<0.05s")).toEqual(["r1"]);
  expect(await order("--where note=none --where at>=2026-01-02 --where request_rate=2")).toEqual([
    "r3",
    "r4",
  ]);
  expect((await say("results --where request_rate>99")).out).toBe("No run meets that.\n");
  expect((await say("results --columns +sent --last 1")).out).toMatch(/note|sent/);
});

test("runs are named by labels, sessions, ranges and files", async () => {
  expect(await order("r3 tuning/r1")).toEqual(["r3", "r1"]);
  expect(await order("r2..r4 last")).toEqual(["r2", "r3", "r4", "r8"]);
  expect(await order(`${path("runs.jsonl")} --last 2`)).toEqual(["runs:7", "runs:8"]);
});

test("a baseline shows changes, with what chance explains", async () => {
  const colour = { ...pipe, colour: true };
  const { out } = await say("results r1 r2 r3 --diff r1 --columns output_throughput,ttft_p50");
  expect(`\n${out}`).toMatchSnapshot();
  const coloured = await say("results r2 --diff r1 --columns ttft_p50", { output: colour });
  expect(coloured.out).toContain("\u001b[31m");
  expect((await say("results --group-by system --diff r1 --columns ttft_p50")).out).toContain(
    "Not compared, since several loads are in one group: the group of r2; group by request_rate, too.",
  );
});

test("groups have means with intervals", async () => {
  expect(
    `\n${(await say("results --group-by system --columns output_throughput,request_rate")).out}`,
  ).toMatchInlineSnapshot(`
    "
    system  runs        output     rate
                       (tok/s)  (req/s)
    ours    4     33.92 ±40.69     1..8
    sglang  4     37.36 ±51.58     1..8
    "
  `);
});

test("tables for documents, spreadsheets and programs", async () => {
  const columns = "--columns system,request_rate,ttft_p50 --last 2";
  for (const format of ["text", "markdown", "csv", "json"]) {
    expect(`\n${(await say(`table ${columns} --format ${format}`)).out}`).toMatchSnapshot();
  }
  const dumb = { columns: 60, colour: false, unicode: false };
  expect(`\n${(await say(`table ${columns}`, { output: dumb })).out}`).toMatchSnapshot();
  await say(`table ${columns} --format csv -o ${path("t.csv")}`);
  expect(readFileSync(path("t.csv"), "utf8")).toStartWith(
    "run,system,request_rate,ttft_p50\nr7,ours,8,",
  );
  await expect(say(`table -o ${path("no/t.csv")}`)).rejects.toThrow("--output: cannot write");
});

test("plots of records and of rates", async () => {
  for (const line of [
    "plot cdf",
    "plot cdf r1 r8 --metric e2e --height 12",
    "plot throughput r8 --count requests --height 10 --ascii",
    "plot rate --figure ttft_p99 --height 14",
    `plot cdf ${path("runs.jsonl")} --records ${path("records.jsonl")} --where request_rate=8 --height 10 --width 40`,
  ]) {
    expect(`\n${(await say(line)).out}`).toMatchSnapshot(line.replace(/\/\S+\//g, ""));
  }
  await expect(say(`plot cdf ${path("runs.jsonl")}`)).rejects.toThrow(
    "no run has records of its requests",
  );
  await expect(say("plot cdf r1..r8")).rejects.toThrow(
    "8 runs are too many for one plot, which tells 6 apart",
  );
  await expect(say("plot rate r1")).rejects.toThrow(
    "needs runs at two values of the rate at least",
  );
  await expect(say("plot rate --by concurrency")).rejects.toThrow("and there is none");
});

test("what was exported can be imported, and is the same", async () => {
  const files = `-o ${path("two.jsonl")} --records ${path("two.records.jsonl")}`;
  expect((await say(`export r1 r2 ${files}`)).out).toBe(
    "FOLDER/two.jsonl: 2 runs\nFOLDER/two.records.jsonl: the requests of 2 of 2 runs\n",
  );
  const lines = readFileSync(path("two.jsonl"), "utf8").trim().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toEqual(
    runs.slice(0, 2).map(({ line }) => JSON.parse(line)),
  );
  expect(readFileSync(path("two.records.jsonl"), "utf8")).toBe(
    runs
      .slice(0, 2)
      .flatMap(({ recordLines }) => recordLines.map((line) => `${line}\n`))
      .join(""),
  );
  expect((await say(`import ${path("two.jsonl")} --session tuning`)).out).toContain("0 new runs");
  await expect(say(`export r1 ${files}`)).rejects.toThrow(
    "exists; choose another name, or give --force",
  );
  expect((await say(`save r1 ${files} --force`)).code).toBe(0);
  await say(`export -o ${path("all.csv")}`);
  const [head, first] = readFileSync(path("all.csv"), "utf8").split("\n");
  expect(head).toStartWith("run,session,at,system,note,command,backend,dataset_name,request_rate,");
  expect(head).toContain("latencies.ttft.p50_ms");
  expect(first).toStartWith(
    "r1,tuning,2026-01-02T03:04:05.10Z,ours,,servebench bench --request-rate 1,sglang,random,1,",
  );
});

test("notes, labels and deleting", async () => {
  expect((await say("annotate r1 after the fix")).out).toBe("r1: after the fix\n");
  expect((await say("relabel r1 before")).out).toBe("r1 is now before\n");
  expect((await say("results before --columns note")).out).toContain("after the fix");
  expect((await say("annotate before --clear")).out).toBe("before has no note\n");
  await expect(say("relabel r2 before")).rejects.toThrow(
    "the label 'before' is taken in session tuning",
  );
  await expect(say(`relabel ${path("runs.jsonl")} x`)).rejects.toThrow(
    "is of a file, not of the store",
  );
  const kept = await say("delete r2 r3", { answer: "n" });
  expect([kept.code, kept.out]).toEqual([1, "Nothing is deleted.\n"]);
  expect(kept.err).toBe(
    "  r2 (session tuning, sglang)\n  r3 (session tuning, ours)\n" +
      "Delete these 2 runs and their records for good? [y/N] ",
  );
  expect((await say("delete r2 r3", { answer: "y" })).out).toBe("2 runs deleted\n");
  await expect(say("delete r4")).rejects.toThrow("here nobody can answer; give --yes");
  await expect(say("delete")).rejects.toThrow("say which");
});

test.each([
  [
    "results --where ratee>1",
    "--where: 'ratee' is not a column (did you mean rate?); columns are run, session",
  ],
  [
    "results --where rate>fast",
    "--where: 'rate>fast': request_rate holds numbers, and 'fast' is none",
  ],
  ["results --where rate", "--where: 'rate' is no condition; write a column and a value, such as"],
  ["results --where rate>", "--where: 'rate>' has no value"],
  ["results --sort ttft_p999", "--sort: 'ttft_p999' is not a column (did you mean ttft_p99?)"],
  ["results --columns systm", "--columns: 'systm' is not a column (did you mean system?)"],
  ["results --columns +sent,model", "--columns: begin all names with + to add them"],
  [
    "results --system our",
    "--system: no run is of 'our' (did you mean ours?); there are ours, sglang",
  ],
  ["results --session tunin", "--session: no session is named 'tunin' (did you mean tuning?)"],
  ["plot rat", "kind: 'rat' is not one of cdf, throughput, rate (did you mean rate?)"],
  ["plot rate --figure tft_p50", "--figure: 'tft_p50' is not a figure (did you mean ttft_p50?)"],
  ["export", "say where to: --output FILE for the runs, --records FILE for their requests"],
  ["annotate r4", "write the note after the run, or --clear"],
])("%s is a mistake, and says what would be right", async (line, message) => {
  const error = await say(line).then(
    () => null,
    (reason: Error) => reason,
  );
  expect(error).toBeInstanceOf(UsageError);
  expect(error!.message).toStartWith(message);
});

test("a label that is nearly right", async () => {
  await expect(say("results befor")).rejects.toThrow("'befor' names no run (did you mean before?)");
});
