/** Launches the fake server, says so, and waits for its own death. Words: log file, the server's words. */
import { launchServer } from "../../src/launch/index.ts";
import { fakeSpec } from "./support.ts";

const [logFile, ...words] = process.argv.slice(2);
const io = { signal: new AbortController().signal, onWait: () => {} };
const server = await launchServer(fakeSpec(logFile!, words), io);
console.log(`up ${server.baseUrl}`);
await server.ended;
