/** Proves that Ctrl-C in the middle of a benchmark keeps and reports what has finished. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { burst, startMock, type MockServer } from "../bench/mock/server.ts";
import { binary } from "../support/binary.ts";

const requests = 6;
const answered = 3;
let folder: string;
let server: MockServer;
let halfDone: Promise<void>;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "servebench-interrupt-"));
  const { promise, resolve } = Promise.withResolvers<void>();
  halfDone = promise;
  let arrived = 0;
  let closed = 0;
  // The warm-up and the first requests are answered, which the client ends by closing; the others hang.
  server = await startMock((request, socket) => {
    const check = (): void => {
      if (arrived === 1 + requests && closed === 1 + answered) resolve();
    };
    if (arrived++ <= answered) {
      socket.on("close", () => {
        closed++;
        check();
      });
      void burst(request, socket);
    }
    check();
  });
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

test("SIGINT: exit code 130, table and result line of the requests that have ended", async () => {
  const outputFile = join(folder, "run.jsonl");
  const flags =
    `--host 127.0.0.1 --port ${server.port} --tokenizer preset:tiny --dataset-name random-ids ` +
    `--num-prompts ${requests} --random-input-len 8 --random-output-len 4 --output-file ${outputFile}`;
  const child = Bun.spawn([binary, "bench", ...flags.split(" ")], {
    env: { ...process.env, CI: undefined }, // which asks for lines of a log
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  await halfDone;
  child.kill("SIGINT");
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  expect(await child.exited).toBe(130);
  expect(stdout).toMatch(/Successful requests: +3 /);
  expect(stdout).toContain("Interrupted: the figures are those of a part of the run.");
  expect(stderr).toBe(""); // no progress bar where there is no terminal
  const line = JSON.parse(readFileSync(outputFile, "utf8").replace("Infinity", "1e999")) as object;
  expect(line).toMatchObject({
    interrupted: true,
    completed: answered,
    planned: requests,
    failed: { interrupted: requests - answered },
  });
});
