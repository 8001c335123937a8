/** A process of its own that downloads a tokenizer or a model, for tests of several processes at one cache. */
import { openHub } from "../../src/hub/hub.ts";
import { openSnapshot } from "../../src/hub/snapshot.ts";
import { modelFiles } from "../../src/hub/wanted.ts";

const controller = new AbortController();
process.on("SIGINT", () => controller.abort("SIGINT"));
const hub = openHub({
  note: (line) => console.error(line),
  stderr: () => {},
  isTerminal: false,
  columns: 80,
  signal: controller.signal,
});
const [id = ""] = process.argv.slice(2);
const choose = modelFiles(id, { tokenizer: true, weights: true });
try {
  console.log(await openSnapshot(hub, { type: "model", id, revision: "main" }, choose));
} catch (error) {
  console.error(String(error));
  process.exitCode = controller.signal.aborted ? 130 : 1;
}
