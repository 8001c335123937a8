/**
 * A server that forks as engines do: one child in its process group, one that has left it. Prints their ids and
 * its address. Words: "stubborn" ignores SIGTERM, "crash" ends before it is ready, "silent" is never ready.
 */
import { spawn } from "node:child_process";

const words = process.argv.slice(2);
if (words.includes("stubborn")) process.on("SIGTERM", () => {});
const child = spawn("sleep", ["1000"], { stdio: "ignore" });
const stray = spawn("sh", ["-c", "sleep 1000 & sleep 1000"], { stdio: "ignore", detached: true });
console.log(`pids ${process.pid} ${process.ppid} ${child.pid} ${stray.pid}`);
if (words.includes("crash")) {
  console.error("out of memory");
  process.exit(3);
}
const status = words.includes("silent") ? 503 : 200;
const server = Bun.serve({ port: 0, fetch: () => new Response(null, { status }) });
console.log(`listening at http://127.0.0.1:${server.port}`);
