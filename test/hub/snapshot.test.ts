/** Downloads from a Hub on the loopback, in every way that they can go wrong. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import type { Hub, HubUser, Repository } from "../../src/hub/hub.ts";
import { openHub } from "../../src/hub/hub.ts";
import { openSnapshot } from "../../src/hub/snapshot.ts";
import { UserError } from "../../src/user-error.ts";
import { modelFiles, oneFile, tokenizerFiles, type Choice } from "../../src/hub/wanted.ts";
import {
  bodyOf,
  cutAfter,
  FakeHub,
  goodToken,
  hangUp,
  sha256,
  silence,
  status,
  withoutRange,
  type Fault,
} from "./fake-hub.ts";
import { safetensors, tinyWeights } from "./support.ts";

const root = mkdtempSync(join(tmpdir(), "servebench-snapshot-"));
const fake = new FakeHub();
beforeAll(() => fake.start());
afterAll(() => {
  fake.stop();
  rmSync(root, { recursive: true });
});

const commit = "a".repeat(40);
const nextCommit = "b".repeat(40);
const shard = (name: string) =>
  safetensors({ [name]: { dtype: "U8", shape: [5000], data_offsets: [0, 5000] } }, 5000);
const files: Record<string, string | Buffer> = {
  ".gitattributes": "*",
  "README.md": "# A model",
  "config.json": '{"model_type": "llama"}',
  "generation_config.json": '{"top_k": 5}',
  "model-1.safetensors": shard("a"),
  "model-2.safetensors": shard("b"),
  "model.safetensors.index.json": JSON.stringify({
    weight_map: { a: "model-1.safetensors", b: "model-2.safetensors" },
  }),
  "original/consolidated.pth": "x".repeat(1000),
  "tokenizer.json": `{"model": {"vocab": {}, "merges": []}, "x": "${"y".repeat(200)}"}`,
  "tokenizer_config.json": "{}",
  "unused.safetensors": shard("c"),
};
const chosen = Object.keys(files).filter((name) => !/^\.|README|original|unused/.test(name));
const model: Repository = { type: "model", id: "org/name", revision: "main" };

let cache = "";
let notes: string[] = [];
let pauses: number[] = [];
let controller = new AbortController();
beforeEach(() => {
  fake.reset();
  fake.repositories.set("models/org/name", {
    commits: { [commit]: files },
    refs: { main: commit },
  });
  cache = mkdtempSync(join(root, "cache-"));
  notes = [];
  pauses = [];
  controller = new AbortController();
});

const sleep = (ms: number) => Promise.resolve(void pauses.push(ms));

function hubWith(environment: Record<string, string> = {}, more: Partial<Hub> = {}): Hub {
  const user: HubUser = {
    note: (line) => void notes.push(line),
    stderr: () => {},
    isTerminal: false,
    columns: 80,
    signal: controller.signal,
  };
  const settings = { HF_ENDPOINT: fake.endpoint, HF_HUB_CACHE: cache, HF_HOME: cache };
  return { ...openHub(user, { ...settings, ...environment }), sleep, ...more };
}
const everything = modelFiles("org/name", { tokenizer: true, weights: true });

function open(
  environment: Record<string, string> = {},
  { choose = everything, revision = "main", hub = {} as Partial<Hub> } = {},
): Promise<string> {
  return openSnapshot(hubWith(environment, hub), { ...model, revision }, choose);
}

async function sentence(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Error);
  return (error as Error).message;
}

const contentOf = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => !lstatSync(join(folder, name)).isDirectory())
    .sort();
const folderOf = () => join(cache, "models--org--name");
const incomplete = () =>
  readdirSync(join(folderOf(), "blobs")).filter((n) => n.includes("incomplete"));

function expectWhole(folder: string, names = chosen): void {
  expect(contentOf(folder)).toEqual(names);
  for (const name of names)
    expect(readFileSync(join(folder, name)).equals(Buffer.from(files[name] as string)), name).toBe(
      true,
    );
  expect(incomplete()).toEqual([]);
}

describe("a download", () => {
  test("takes the files that a server needs, into the layout of huggingface_hub", async () => {
    const folder = await open();
    expect(folder).toBe(join(folderOf(), "snapshots", commit));
    expectWhole(folder);
    expect(readFileSync(join(folderOf(), "refs/main"), "utf8")).toBe(commit);
    const large = sha256(files["model-1.safetensors"]!);
    expect(readlinkSync(join(folder, "model-1.safetensors"))).toBe(`../../blobs/${large}`);
    expect(readlinkSync(join(folder, "config.json"))).toMatch(/^\.\.\/\.\.\/blobs\/[0-9a-f]{40}$/);
    expect(notes[0]).toContain(
      `downloading org/name (main aaaaaaa) from ${fake.endpoint}: 6 files`,
    );
    expect(fake.asked("cdn").length).toBe(3);
  });

  test("of a tokenizer takes no weights", async () => {
    const folder = await open({}, { choose: tokenizerFiles("org/name") });
    expectWhole(folder, ["tokenizer.json", "tokenizer_config.json"]);
  });

  test("of a data set takes the one file", async () => {
    const set = { commits: { [commit]: { "x/y z.json": "[]" } }, refs: { main: commit } };
    fake.repositories.set("datasets/org/set", set);
    const repository: Repository = { type: "dataset", id: "org/set", revision: "main" };
    const folder = await openSnapshot(hubWith(), repository, oneFile("org/set", "x/y z.json"));
    expect(folder).toBe(join(cache, "datasets--org--set/snapshots", commit));
    expect(readlinkSync(join(folder, "x/y z.json"))).toMatch(/^\.\.\/\.\.\/\.\.\/blobs\//);
    expect(readFileSync(join(folder, "x/y z.json"), "utf8")).toBe("[]");
  });

  test("again asks only which commit the branch is", async () => {
    await open();
    fake.requests.length = 0;
    expectWhole(await open());
    expect(fake.asked("hub")).toEqual(["GET /api/models/org/name/revision/main"]);
  });

  test("of a commit that is there asks nothing", async () => {
    await open({}, { revision: commit });
    expect(existsSync(join(folderOf(), "refs"))).toBe(false);
    fake.requests.length = 0;
    expectWhole(await open({}, { revision: commit }));
    expect(fake.requests).toEqual([]);
  });

  test("of a newer commit loads only what changed", async () => {
    await open();
    const newer = { ...files, "config.json": '{"model_type": "llama", "x": 1}' };
    const { commits } = fake.repositories.get("models/org/name")!;
    fake.repositories.set("models/org/name", {
      commits: { ...commits, [nextCommit]: newer },
      refs: { main: nextCommit, "feature/x": commit },
    });
    fake.requests.length = 0;
    const folder = await open();
    expect(folder).toBe(join(folderOf(), "snapshots", nextCommit));
    expect(contentOf(folder)).toEqual(chosen);
    const loaded = fake.asked("hub").filter((line) => line.includes("/resolve/"));
    expect(loaded).toEqual([`GET /org/name/resolve/${nextCommit}/config.json`]);
    expect(await open({}, { revision: "feature/x" })).toBe(join(folderOf(), "snapshots", commit));
    expect(readFileSync(join(folderOf(), "refs/feature/x"), "utf8")).toBe(commit);
    expect(fake.asked("hub")).toContain("GET /api/models/org/name/revision/feature%2Fx");
  });

  test("follows a renamed repository, and lists over many pages", async () => {
    fake.fail(/revision\/main/, (_request, response) => {
      response.writeHead(307, { location: "/api/models/org/name/revision/main?renamed=1" }).end();
    });
    expectWhole(await open());
    expect(fake.asked("hub").filter((line) => line.includes("/tree/")).length).toBe(4);
  });

  test("sends the token to the Hub and never to another origin", async () => {
    fake.repositories.set("models/org/name", {
      commits: { [commit]: files },
      refs: { main: commit },
      private: true,
    });
    expectWhole(await open({ HF_TOKEN: `${goodToken}\n` }));
    for (const { server, headers } of fake.requests)
      expect(headers.authorization).toBe(server === "hub" ? `Bearer ${goodToken}` : undefined);
  });

  test("replaces a blob of the wrong length", async () => {
    const folder = await open();
    const blob = join(folderOf(), "blobs", sha256(files["model-1.safetensors"]!));
    writeFileSync(blob, "cut");
    expectWhole(await open());
    expect(existsSync(join(folder, "model-1.safetensors"))).toBe(true);
  });
});

describe("a transfer that breaks", () => {
  const content = files["model-1.safetensors"] as Buffer;
  const size = content.length;
  const large = new RegExp(`cdn GET /${sha256(content)}`);
  const partial = () => join(folderOf(), "blobs", `${sha256(content)}.incomplete`);
  const cut = (bytes: number) =>
    cutAfter(bytes, () => statSync(partial(), { throwIfNoEntry: false })?.size ?? 0);
  const ranges = () =>
    fake.requests.filter(({ path }) => path.includes(sha256(content))).map((r) => r.headers.range);

  for (const at of [0, 1, 8, 100, size - 1]) {
    test(`after ${at} of ${size} bytes goes on from there`, async () => {
      fake.fail(large, cut(at));
      expectWhole(await open());
      expect(ranges()).toEqual([undefined, at > 0 ? `bytes=${at}-` : undefined]);
      expect(pauses).toEqual([1000]);
    });
  }

  test("many times goes on as long as each brings something", async () => {
    for (let i = 0; i < 12; i++) fake.fail(large, cut(100));
    expectWhole(await open());
    expect(ranges().length).toBe(13);
  });

  test("without progress is given up after five more tries, and taken up by the next start", async () => {
    fake.fail(large, cut(700));
    fake.fail(large, cut(0), 6);
    expect(await sentence(open())).toContain("model-1.safetensors: the transfer broke off");
    expect(incomplete()).toContain(`${sha256(content)}.incomplete`);
    expect(existsSync(join(folderOf(), "refs/main"))).toBe(false);
    fake.reset();
    fake.repositories.set("models/org/name", {
      commits: { [commit]: files },
      refs: { main: commit },
    });
    expectWhole(await open());
    expect(ranges()).toEqual(["bytes=700-"]);
    expect(notes.join("\n")).toContain("of it here already");
  });

  const mended: [string, Fault[]][] = [
    ["whose connections drop at once", [cut(700), hangUp, hangUp, hangUp]],
    ["answered 200 to a range", [cut(700), withoutRange]],
    [
      "answered with another range",
      [cut(700), bodyOf("x", 206, { "content-range": "bytes 5-5/9" })],
    ],
    ["answered 206 without a range", [cut(700), bodyOf("x", 206)]],
    ["answered 416", [cut(700), status(416)]],
    ["of too many bytes", [bodyOf(Buffer.alloc(size + 1))]],
    ["of too few bytes", [bodyOf(Buffer.alloc(size - 1)), withoutRange]],
    ["of wrong bytes", [bodyOf(Buffer.alloc(size))]],
    ["answered 500, 503, 408 and 429", [500, 503, 408, 429].map((code) => status(code))],
    ["whose signed address expired", [cut(700), status(403)]],
  ];
  for (const [name, faults] of mended) {
    test(`${name}: is mended`, async () => {
      for (const fault of faults) fake.fail(large, fault);
      expectWhole(await open());
    });
  }

  test("stands still: is broken off and tried again", async () => {
    fake.fail(large, silence);
    expectWhole(await open({ HF_HUB_DOWNLOAD_TIMEOUT: "0.3" }));
    expect(notes.join("\n")).toContain("no answer for 0.3 s");
  });

  test("wrong bytes twice are refused and do not stay", async () => {
    fake.fail(large, bodyOf(Buffer.alloc(size)), 2);
    expect(await sentence(open())).toMatch(/model-1.safetensors .*twice with another SHA-256/);
    expect(existsSync(join(folderOf(), "blobs", sha256(content)))).toBe(false);
    rmSync(folderOf(), { recursive: true });
    const small = /hub GET .*\/resolve\/.*\/config\.json/;
    fake.fail(small, bodyOf(files["config.json"]!.toString().replace("llama", "LLAMA")), 2);
    expect(await sentence(open())).toMatch(/config.json .*twice with another git SHA-1/);
  });

  test("leftovers that are too long or wrong are thrown away", async () => {
    mkdirSync(join(folderOf(), "blobs"), { recursive: true });
    writeFileSync(partial(), Buffer.alloc(size + 7));
    expectWhole(await open());
    rmSync(join(folderOf(), "blobs"), { recursive: true });
    mkdirSync(join(folderOf(), "blobs"));
    writeFileSync(partial(), Buffer.alloc(700));
    expectWhole(await open());
  });

  test("Ctrl-C ends it; what has come is taken up", async () => {
    fake.fail(large, (request, response, next) => {
      cutAfter(700, () => {
        if (statSync(partial(), { throwIfNoEntry: false })?.size === 700)
          controller.abort("SIGINT");
        return 0;
      })(request, response, next);
    });
    await open().then(
      () => expect.unreachable(),
      () => {},
    );
    expect(controller.signal.aborted).toBe(true);
    controller = new AbortController();
    fake.reset();
    fake.repositories.set("models/org/name", {
      commits: { [commit]: files },
      refs: { main: commit },
    });
    expectWhole(await open());
    expect(ranges()).toEqual(["bytes=700-"]);
  });
});

/** Replaces the repository by a changed one. */
const change = (more: object) =>
  fake.repositories.set("models/org/name", {
    commits: { [commit]: files },
    refs: { main: commit },
    ...more,
  });

describe("the Hub's answers", () => {
  const token = { HF_TOKEN: goodToken };

  test("gated, without and with a token", async () => {
    change({ gated: true });
    expect(await sentence(open())).toBe(
      `org/name is gated. Accept its conditions at ${fake.endpoint}/org/name, then put a token of yours in HF_TOKEN.`,
    );
    expect(await sentence(open(token))).toMatch(
      /gated, and the owner of the token in HF_TOKEN has no access/,
    );
  });
  test("missing or private, without and with a token", async () => {
    change({ private: true });
    const anonymous = /does not exist, or is private or gated.*put a token in HF_TOKEN/;
    expect(await sentence(open())).toMatch(anonymous);
    fake.repositories.clear();
    expect(await sentence(open())).toMatch(anonymous);
    expect(await sentence(open(token))).toMatch(
      /to the owner of the token in HF_TOKEN: it does not exist, or is private/,
    );
  });
  test("a token that is not valid, from the file of huggingface-cli", async () => {
    writeFileSync(join(cache, "token"), "hf_bad\n");
    expect(await sentence(open())).toMatch(new RegExp(`token in ${cache}/token is not valid`));
    expect(fake.requests[0]!.headers.authorization).toBe("Bearer hf_bad");
    expectWhole(await open({ HF_HUB_DISABLE_IMPLICIT_TOKEN: "1" }));
  });
  test("a token that lacks a permission", async () => {
    const message = { "x-error-message": "no read access to this repository" };
    fake.fail(/revision/, status(403, message), 2);
    expect(await sentence(open(token))).toMatch(
      /token in HF_TOKEN lacks the permission .*no read access/,
    );
    expect(await sentence(open())).toMatch(/forbids access to org\/name .*put a token in HF_TOKEN/);
  });
  test("no such revision; no config; disabled", async () => {
    expect(await sentence(open({}, { revision: "v9" }))).toMatch(/org\/name has no revision 'v9'/);
    fake.fail(
      /revision/,
      status(403, { "x-error-message": "Access to this resource is disabled." }),
    );
    expect(await sentence(open())).toMatch(/disabled by the Hub/);
    change({ commits: { [commit]: { "model.gguf": "x" } } });
    expect(await sentence(open())).toMatch(/org\/name has no config.json/);
    change({
      commits: {
        [commit]: {
          ...files,
          "model.safetensors.index.json": '{"weight_map": {"a": "z.safetensors"}}',
        },
      },
    });
    rmSync(folderOf(), { recursive: true });
    expect(await sentence(open())).toMatch(/org\/name has no z.safetensors. .* names it/);
    const { "config.json": config = "", "tokenizer.json": tokenizer = "" } = files;
    change({
      commits: { [commit]: { "config.json": config, "tokenizer.json": tokenizer, "m.bin": "x" } },
    });
    rmSync(folderOf(), { recursive: true });
    expect(await sentence(open())).toMatch(/org\/name has weights in m.bin only/);
    expect(fake.asked("cdn")).toEqual([]);
  });
  test("rate limits: waits as long as asked, up to a minute", async () => {
    fake.fail(/revision/, status(429, { "retry-after": "7" }));
    fake.fail(/revision/, status(429, { ratelimit: '"api";r=0;t=20' }));
    await open();
    expect(pauses).toEqual([7000, 20000]);
    fake.fail(/revision/, status(429, { ratelimit: '"api";r=0;t=200' }));
    rmSync(cache, { recursive: true });
    expect(await sentence(open())).toMatch(
      /too many requests .*again in 200 s, or put a token in HF_TOKEN/,
    );
  });
  test("trouble: four more tries with growing pauses", async () => {
    fake.fail(/revision/, status(503), 5);
    expect(await sentence(open())).toMatch(/is in trouble \(status 503\)/);
    expect(pauses).toEqual([1000, 2000, 4000, 8000]);
  });
  test("silence, no server, and what is no Hub", async () => {
    fake.fail(/revision/, silence, 3);
    expect(await sentence(open({ HF_HUB_ETAG_TIMEOUT: "0.1" }))).toMatch(
      /cannot be reached \(no answer for 0.1 s\)/,
    );
    expect(await sentence(open({ HF_ENDPOINT: "http://127.0.0.1:1/" }))).toMatch(
      /^http:\/\/127.0.0.1:1 cannot be reached \(.*\); check the network, or HF_ENDPOINT/,
    );
    fake.fail(/revision/, bodyOf("<html>"), 3);
    expect(await sentence(open())).toMatch(
      /does not answer as the Hugging Face Hub does: it sends no JSON/,
    );
    fake.fail(/revision/, bodyOf('{"sha": "../../x"}'));
    expect(await sentence(open())).toMatch(/it does not name the commit/);
    for (const entry of [
      { path: "../x", size: 1, oid: commit },
      { path: "x", size: -1, oid: commit },
      { path: "x", size: 1, oid: "../x" },
      { path: "x", size: 1, oid: commit, lfs: { size: 1, oid: "../x" } },
    ]) {
      fake.fail(/tree/, bodyOf(JSON.stringify([{ type: "file", ...entry }])));
      expect(await sentence(open())).toMatch(/it describes a file as/);
    }
    fake.fail(/tree/, bodyOf("[]", 200, { link: '<http://127.0.0.2:1/x>; rel="next"' }));
    expect(await sentence(open())).toMatch(/continues its list at/);
    fake.fail(/tree/, bodyOf("[]"));
    expect(await sentence(open())).toMatch(/it gives no list of files/);
    fake.fail(/revision/, status(302, { location: "file:///etc/passwd" }), 6);
    expect(await sentence(open())).toMatch(
      /redirects to 'file:\/\/\/etc\/passwd', which is no address/,
    );
    fake.fail(/revision/, status(302, { location: "/api/models/org/name/revision/main" }), 99);
    expect(await sentence(open())).toMatch(/in a circle/);
  });
  test("an environment of no use", async () => {
    expect(() => hubWith({ HF_ENDPOINT: "hub" })).toThrow("HF_ENDPOINT: 'hub' is not an address");
    expect(() => hubWith({ HF_TOKEN: "a b" })).toThrow("HF_TOKEN: the token holds characters");
    expect(() => hubWith({ HF_HUB_ETAG_TIMEOUT: "x" })).toThrow(
      "HF_HUB_ETAG_TIMEOUT: 'x' is not a number",
    );
  });
});

describe("the cache", () => {
  test("is used when the Hub is down, refuses or is gone, and the user is told", async () => {
    const folder = await open();
    notes = [];
    fake.fail(/revision/, status(503));
    expect(await open()).toBe(folder);
    expect(notes[0]).toMatch(/org\/name: using commit a{40} from the cache, since .*status 503/);
    expect(pauses).toEqual([]);
    expect(await open({ HF_TOKEN: "hf_bad" })).toBe(folder);
    expect(await open({ HF_ENDPOINT: "http://127.0.0.1:1" })).toBe(folder);
    fake.repositories.clear();
    expect(await open()).toBe(folder);
  });
  test("is not used for a revision that the Hub no longer has", async () => {
    await open();
    fake.fail(/revision/, status(404, { "x-error-code": "RevisionNotFound" }));
    expect(await sentence(open())).toMatch(/no revision 'main'/);
  });
  test("offline: used as it is, asked for nothing", async () => {
    const folder = await open();
    fake.requests.length = 0;
    for (const name of ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
      expect(await open({ [name]: "yes" })).toBe(folder);
    expect(fake.requests).toEqual([]);
  });
  test("offline: absent or partial is told apart", async () => {
    const offline = { HF_HUB_OFFLINE: "1" };
    expect(await sentence(open(offline))).toMatch(
      /is not in the Hugging Face cache .*Unset HF_HUB_OFFLINE/,
    );
    await open({}, { choose: tokenizerFiles("org/name") });
    expect(await sentence(open(offline))).toMatch(/in the Hugging Face cache only in part/);
    expect(await open(offline, { choose: tokenizerFiles("org/name") })).toContain(commit);
    expect(fake.asked("cdn").length).toBe(1);
  });
  test("without room: nothing is loaded", async () => {
    const message = await sentence(open({}, { hub: { freeBytes: () => 9000 } }));
    expect(message).toMatch(
      /org\/name needs 10\.\d kB more in .*, where 9\.0 kB are free.*HF_HOME/,
    );
    expect(fake.asked("cdn")).toEqual([]);
  });
  test("without permission to write", async () => {
    if (process.getuid?.() === 0) return; // root may write everywhere: covered by the next test
    chmodSync(cache, 0o500);
    expect(await sentence(open())).toMatch(/cannot be used .*Set HF_HOME/);
  });
  test("in a place where nothing can be made", async () => {
    writeFileSync(join(cache, "file"), "");
    const message = await sentence(open({ HF_HUB_CACHE: join(cache, "file") }));
    expect(message).toMatch(/cannot be used .*Set HF_HOME/);
  });
  test("a list in the cache that is broken is asked for again", async () => {
    await open();
    const tree = join(folderOf(), "trees", `${commit}.json`);
    for (const text of [
      "",
      "{",
      "[]",
      '{"format_version": 1, "files": {"../x": {}}}',
      '{"format_version": 1, "files": {"x": 1}}',
    ]) {
      writeFileSync(tree, text);
      expectWhole(await open());
      expect(JSON.parse(readFileSync(tree, "utf8")).format_version).toBe(1);
    }
    writeFileSync(join(folderOf(), "refs/main"), "../../..");
    expect(await sentence(open({ HF_HUB_OFFLINE: "1" }))).toMatch(
      /is not in the Hugging Face cache/,
    );
  });
  test("equal files are loaded once", async () => {
    const twins = {
      "config.json": "{}",
      "tokenizer.json": "{}",
      "model.safetensors": tinyWeights("a"),
    };
    fake.repositories.set("models/org/name", {
      commits: { [commit]: twins },
      refs: { main: commit },
    });
    expect(contentOf(await open())).toEqual(Object.keys(twins).sort());
    expect(fake.asked("hub").filter((line) => line.includes("/resolve/")).length).toBe(2);
  });
});

test("of two downloads at once one loads and the other waits", async () => {
  const choose: Choice = tokenizerFiles("org/name");
  const [a, b] = await Promise.all([open({}, { choose }), open({}, { choose })]);
  expect(a).toBe(b);
  expectWhole(a, ["tokenizer.json", "tokenizer_config.json"]);
  expect(fake.asked("cdn").length).toBe(1);
});

test("whatever goes wrong, a folder is whole or there is a sentence; and the next start mends it", async () => {
  const fault = fc.oneof(
    fc.constantFrom<Fault>(hangUp, withoutRange, bodyOf(""), bodyOf("x", 206), bodyOf("[]")),
    fc.constantFrom(400, 401, 403, 404, 408, 416, 429, 500, 503).map((code) => status(code)),
    fc.nat(5100).map((bytes) => cutAfter(bytes, () => Infinity)),
    fc.nat(5100).map((bytes) => bodyOf(Buffer.alloc(bytes))),
  );
  const where = fc.constantFrom(/revision/, /tree/, /resolve/, /cdn/, /hub/, /json/, /./);
  const plan = fc.array(fc.tuple(where, fault, fc.integer({ min: 1, max: 3 })), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(plan, async (faults) => {
      rmSync(folderOf(), { recursive: true, force: true });
      fake.reset();
      change({});
      for (const [pattern, what, times] of faults) fake.fail(pattern, what, times);
      const opened = await open().then(
        (folder) => ({ folder }),
        (error: unknown) => ({ error }),
      );
      if ("error" in opened) expect(opened.error).toBeInstanceOf(UserError);
      else expectWhole(opened.folder);
      fake.reset();
      change({});
      expectWhole(await open());
    }),
    { numRuns: 60 },
  );
}, 120_000);
