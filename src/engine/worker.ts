/** The engine's thread: loads the model, then runs steps and takes commands between them. */
import {
  parentPort,
  receiveMessageOnPort,
  workerData,
  type MessagePort,
} from "node:worker_threads";
import {
  cells,
  maxUnacknowledged,
  type Commands,
  type WorkerData,
  type WorkerMessage,
} from "./channel.ts";
import { loadEngine, type LoadedEngine } from "./load.ts";
import type { EngineLoop } from "./loop.ts";

const { source, options, libraryPath, shared } = workerData as WorkerData;
const control = new Int32Array(shared);

// The port comes in a message: only a port of one's own can be read without giving the thread back.
parentPort!.once("message", (port: MessagePort) => {
  const engine = load(port);
  if (engine) serve(engine, port);
  port.close();
});

function send(port: MessagePort, message: WorkerMessage): void {
  port.postMessage(message);
}

function load(port: MessagePort): LoadedEngine | null {
  try {
    const engine = loadEngine(source, options, libraryPath);
    const { limits, memory, device } = engine;
    send(port, { type: "ready", limits, memory, device });
    return engine;
  } catch (error) {
    send(port, { type: "failed", message: error instanceof Error ? error.message : String(error) });
    return null;
  }
}

function serve({ loop, close }: LoadedEngine, port: MessagePort): void {
  let sent = 0;
  for (let open = true; open;) {
    const bell = Atomics.load(control, cells.bell);
    open = takeCommands(port, loop);
    if (!open) loop.abortAll();
    else if (!loop.idle) loop.turn();
    const events = loop.takeEvents();
    if (events) {
      awaitAcknowledged(sent - maxUnacknowledged + 1);
      port.postMessage({ type: "events", ...events } satisfies WorkerMessage, [
        events.words.buffer,
      ]);
      sent = (sent + 1) | 0;
    } else if (open && loop.idle) {
      Atomics.wait(control, cells.bell, bell);
    }
  }
  close();
}

/** Applies all commands that have come; false once the engine is to close. */
function takeCommands(port: MessagePort, loop: EngineLoop): boolean {
  for (let next; (next = receiveMessageOnPort(port));) {
    const { submits, aborts, flushCache, close } = next.message as Commands;
    for (const { id, request } of submits) loop.submit(id, request);
    for (const id of aborts) loop.abort(id);
    if (flushCache) send(port, { type: "flushed", done: loop.flushCache() });
    if (close) return false;
  }
  return true;
}

/** Waits until the host has acknowledged `count` event messages (modulo 2^32). */
function awaitAcknowledged(count: number): void {
  for (;;) {
    const acknowledged = Atomics.load(control, cells.acknowledged);
    if (((acknowledged - count) | 0) >= 0) return;
    Atomics.wait(control, cells.acknowledged, acknowledged);
  }
}
