/** Launches a server of the `command` kind, says so, and waits for its own death. Words: log folder, command line. */
import { Fleet } from "../../src/launch/index.ts";

const [folder, ...args] = process.argv.slice(2);
const io = { signal: new AbortController().signal, onWait: () => {} };
const server = await new Fleet(folder!).launch({ template: "command", args }, io);
console.log(`up ${server.baseUrl}`);
await new Promise((resolve) => server.onEnd(resolve));
