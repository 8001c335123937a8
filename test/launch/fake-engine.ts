/**
 * Stands in for another engine: understands --host and --port, says what words and GPUs it was given, is healthy after
 * a moment, lists its model. Leaves a process behind that has left our group and session, as engines do.
 * Environment: FAKE_OWNER is who owns the model; with FAKE_CRASH=1, it ends by itself once it is asked for /crash.
 */
import { spawn } from "node:child_process";

const words = process.argv.slice(2);
const after = (flag: string): string => words[words.indexOf(flag) + 1]!;
console.log(`words ${words.join(" ")}`);
console.log(`gpus ${process.env["CUDA_VISIBLE_DEVICES"] ?? "all"}`);
// The shell in between ends at once, so that the sleep is nobody's child.
const stray = spawn("sh", ["-c", "setsid sleep 1000 & echo stray $!"], {
  stdio: ["ignore", "inherit", "inherit"],
  detached: true,
});
stray.on("exit", () => console.log(`pids ${process.pid} ${process.ppid}`));

const startMs = performance.now();
Bun.serve({
  hostname: after("--host"),
  port: Number(after("--port")),
  fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/crash") {
      for (let i = 0; i < 30; i++) console.log(`step ${i}`);
      console.error("CUDA out of memory");
      process.exit(9);
    }
    const status = performance.now() - startMs < 300 ? 503 : 200;
    if (pathname === "/health") return new Response(null, { status });
    if (pathname !== "/v1/models") return new Response(null, { status: 404 });
    return Response.json({ data: [{ id: "fake-model", owned_by: process.env["FAKE_OWNER"] }] });
  },
});
