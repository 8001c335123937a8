/** Adds runs to a store as one of several processes; runs under Bun and Deno. PATH NAME COUNT [killed] */
import { Store } from "../../src/store/index.ts";

const [path, name, count, end] = process.argv.slice(2);
const store = Store.open(path!, (line) => console.log(`SAID ${line}`));
const session = store.openSession("shared");
for (let i = 0; i < Number(count); i++) {
  const run = store.addRun({
    session,
    at: new Date().toISOString(),
    command: "bench",
    system: name!,
    fields: { backend: name, request_rate: Infinity, run: i },
    environment: { pid: process.pid },
    server: null,
    recordsJsonl: `{"index":${i}}\n`.repeat(200),
  });
  console.log(run.label);
}
if (end === "killed") process.kill(process.pid, "SIGKILL");
store.close();
