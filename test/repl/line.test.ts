/** Proves the line editor from bytes to text: keys, editing, completion, history and its search. */
import { afterAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commands } from "../../src/commands/index.ts";
import { bench } from "../../src/commands/bench.ts";
import { complete, insertion, type World } from "../../src/repl/line/completion.ts";
import { Editor } from "../../src/repl/line/editor.ts";
import { History, HistorySearch, HistoryWalk } from "../../src/repl/line/history.ts";
import { KeyDecoder, type Key } from "../../src/repl/line/keys.ts";

const folder = mkdtempSync(join(tmpdir(), "servebench-line-"));
afterAll(() => rmSync(folder, { recursive: true }));

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
/** "Up", "a" for text, "<a>" for what was pasted. */
const named = (keys: readonly Key[]): string[] =>
  keys.map((key) =>
    key.kind === "key" ? key.name : key.kind === "paste" ? `<${key.text}>` : key.text,
  );

/** Text that came in pieces is one text. */
const joined = (keys: readonly Key[]): Key[] => {
  const all: Key[] = [];
  for (const key of keys) {
    const last = all.at(-1);
    if (last?.kind === "text" && key.kind === "text") {
      all[all.length - 1] = { kind: "text", text: last.text + key.text };
    } else all.push(key);
  }
  return all;
};

describe("keys", () => {
  test.each([
    ["abc é🚀", ["abc é🚀"]],
    ["a\rb", ["a", "Enter", "b"]],
    ["\t\x7f\b", ["Tab", "Backspace", "Backspace"]],
    ["\x01\x12\x1f", ["C-a", "C-r", "C-_"]],
    ["\x1b[A\x1bOB\x1b[1;5D\x1b[3~\x1b[Z", ["Up", "Down", "C-Left", "Delete", "S-Tab"]],
    ["\x1bb\x1b.\x1b\x7f\x1b\r", ["M-b", "M-.", "M-Backspace", "M-Enter"]],
    ["\x1b[200~a\r\nb\x1b[A\x1b[201~c", ["<a\nb\x1b[A>", "c"]],
    ["\x1b[99;99;99X!", ["!"]],
  ])("%j are %j", (text, expected) => {
    expect(named(new KeyDecoder().feed(bytes(text)))).toEqual(expected);
  });

  test("a lone Escape is a key once nothing follows", () => {
    const decoder = new KeyDecoder();
    expect(decoder.feed(bytes("\x1b"))).toEqual([]);
    expect(decoder.waiting).toBe(true);
    expect(named(decoder.flush())).toEqual(["Escape"]);
    expect(decoder.waiting).toBe(false);
  });

  test("any bytes, however split, are the same keys", () => {
    const piece = fc.oneof(
      fc.constantFrom(
        "\x1b[200~",
        "\x1b[201~",
        "\x1b[A",
        "\x1b",
        "\x1bO",
        "\x1b[1;5D",
        "é",
        "🚀",
        "\r\n",
      ),
      fc.string({ unit: "binary", maxLength: 4 }),
    );
    const chunk = fc.oneof(piece.map(bytes), fc.uint8Array({ maxLength: 4 }));
    const input = fc.array(chunk, { maxLength: 12 }).map((list) => Buffer.concat(list));
    fc.assert(
      fc.property(input, fc.array(fc.nat()), (whole, cuts) => {
        const once = new KeyDecoder();
        const expected = [...once.feed(whole), ...once.flush()];
        const places = [...new Set(cuts.map((cut) => cut % (whole.length + 1)))].toSorted(
          (a, b) => a - b,
        );
        const split = new KeyDecoder();
        const keys = [...places, whole.length].flatMap((end, i) =>
          split.feed(whole.subarray(i === 0 ? 0 : places[i - 1], end)),
        );
        expect(joined([...keys, ...split.flush()])).toEqual(joined(expected));
      }),
      { numRuns: 3000 },
    );
  });
});

/** Types text and presses keys; gives the text with | at the cursor. */
function edited(...strokes: string[]): string {
  const editor = new Editor();
  const decoder = new KeyDecoder();
  for (const key of strokes.flatMap((stroke) => decoder.feed(bytes(stroke)))) editor.press(key);
  return `${editor.text.slice(0, editor.cursor)}|${editor.text.slice(editor.cursor)}`;
}

describe("the editor", () => {
  const [home, end, left, undo] = ["\x01", "\x05", "\x1b[D", "\x1f"];

  test.each([
    [["abc", home, "x"], "x|abc"],
    [["abc", left, "\x7f"], "a|c"],
    [["e\u0301🚀", "\x7f", "\x7f"], "|"],
    [["one two", "\x1bb"], "one |two"],
    [["one two", home, "\x1bf"], "one| two"],
    [["one two", "\x17"], "one |"],
    [["one two", home, "\x0b", end, "\x19\x19"], "one twoone two|"],
    [["a b c", "\x17\x17", "\x19"], "a b c|"],
    [["one ", "\x17", "two ", "\x17", "\x19", "\x1by"], "one |"],
    [["ab", "\x14"], "ba|"],
    [["one", home, "\x1bu"], "ONE|"],
    [["one", " ", "two", undo], "one|"],
    [["abc", "\x15", undo], "abc|"],
    [["a", "\x1b\r", "b", home, "x"], "a\nx|b"],
    [["\x1b[200~a\nb\x1b[201~"], "a\nb|"],
  ] as [string[], string][])("%j gives %j", (strokes, expected) => {
    expect(edited(...strokes)).toBe(expected);
  });

  test("whatever is pressed, the cursor stays between characters, and undo leads back to nothing", () => {
    const stroke = fc.oneof(
      fc.constantFrom(..."\x01\x02\x04\x05\x06\x0b\x14\x15\x17\x19\x1f\x7f"),
      fc.constantFrom(
        "\x1bb",
        "\x1bd",
        "\x1bf",
        "\x1bt",
        "\x1bu",
        "\x1by",
        "\x1b\r",
        "🚀",
        "👨‍👩‍👧",
        "é ",
      ),
      fc.string({ maxLength: 3 }),
    );
    fc.assert(
      fc.property(fc.array(stroke, { maxLength: 40 }), (strokes) => {
        const editor = new Editor();
        const decoder = new KeyDecoder();
        for (const key of strokes.flatMap((one) => decoder.feed(bytes(one)))) {
          editor.press(key);
          expect(editor.cursor).toBeWithin(0, editor.text.length + 1);
          expect(editor.text.isWellFormed()).toBe(true);
          expect(editor.text.slice(0, editor.cursor).isWellFormed()).toBe(true);
        }
        for (let i = 0; i < 500 && editor.text !== ""; i++) editor.undo();
        expect(editor.text).toBe("");
      }),
      { numRuns: 1000 },
    );
  });
});

describe("completion", () => {
  const folders: Record<string, string[]> = {
    "": ["a b.sb", "night.sb", "runs/", ".hidden"],
    "runs/": ["r.jsonl"],
    "~/": ["my runs"],
  };
  const world: World = {
    commands: [
      ...commands,
      {
        ...bench,
        name: "set",
        words: { setting: { ...bench.flags["seed"]!, placeholder: "SETTING" } },
        flags: {},
      },
      {
        ...bench,
        name: "launch",
        words: {
          kind: { ...bench.flags["seed"]!, placeholder: "KIND" },
          model: { ...bench.flags["seed"]!, placeholder: "MODEL" },
        },
        flags: { gpus: bench.flags["seed"]! },
      },
    ],
    presets: ["tiny", "small"],
    kinds: [{ text: "servebench" }, { text: "vllm" }],
    servers: () => ["one", "two"],
    results: () => ["r1", "r2"],
    jobs: () => ["1"],
    sessions: () => ["night"],
    topics: () => ["keys"],
    settings: () => ["seed", "dataset-name"],
    setting: (name) => (name === "dataset-name" ? bench.flags["dataset-name"]! : null),
    listFolder: (path) => folders[path] ?? [],
  };
  const texts = (text: string, cursor = text.length): string[] =>
    complete(text, cursor, world).candidates.map((candidate) => candidate.text);

  test.each([
    ["sw", ["sweep"]],
    ["re", ["report", "reproduce", "results", "relabel"]],
    ["bench --num-p", ["--num-prompts"]],
    ["bench --backend sglang-o", ["sglang-oai-chat"]],
    ["bench --backend=sglang-o", ["--backend=sglang-oai-chat"]],
    ["bench --tokenizer pre", ["preset:tiny", "preset:small"]],
    ["bench --output-file ni", ["night.sb"]],
    ["bench --output-file runs/", ["runs/r.jsonl"]],
    ["bench --output-file .h", [".hidden"]],
    ["results r", ["r1", "r2"]],
    ["plot ", ["cdf", "throughput", "rate"]],
    ["set se", ["seed"]],
    ["launch v", ["vllm"]],
    ["launch p", ["preset:tiny", "preset:small"]],
    ["launch vllm p", ["preset:tiny", "preset:small"]],
    ["launch preset:tiny --page", ["--page-size"]],
    ["launch vllm --page", []],
    ["launch vllm --g", ["--gpus"]],
    ["set dataset-name random-e", ["random-exact"]],
    ["bench \\\n --num-p", ["--num-prompts"]],
    ["bench\nsw", ["sweep"]],
    ["nonsense --x", []],
    ["!ls ", []],
    ["bench & ", []],
    ["bench --nonsense=", []],
    ["set constructor x", []],
    ["constructor ", []],
  ])("%j is offered %j", (text, expected) => {
    expect(texts(text)).toEqual(expected);
  });

  test("what is typed is the only candidate with a blank, quoted where it must be, or what all share", () => {
    const typed = (text: string): string | null => insertion(complete(text, text.length, world));
    expect(typed("sw")).toBe("sweep ");
    expect(typed("bench --output-file a")).toBe("'a b.sb' ");
    expect(typed("bench --output-file ru")).toBe("runs/");
    expect(typed("bench --output-file ~/m")).toBe("~/'my runs' ");
    expect(typed("bench --tokenizer p")).toBe("preset:");
    expect(typed("zzz")).toBeNull();
    expect(complete("bench --num-p 4", 13, world)).toMatchObject({ from: 6, to: 13 });
  });

  test("any text at any place is completed with what fits it, without harm", () => {
    const text = fc.string({
      unit: fc.constantFrom(..."bench set-- ='\"\\\n&!~/."),
      maxLength: 30,
    });
    fc.assert(
      fc.property(text, fc.nat(30), (source, at) => {
        const cursor = Math.min(at, source.length);
        const { from, to } = complete(source, cursor, world);
        expect(to).toBe(cursor);
        expect(from).toBeWithin(0, cursor + 1);
      }),
      { numRuns: 2000 },
    );
  });
});

const quiet = (line: string): void => {
  throw new Error(line);
};

describe("history", () => {
  test("is found again by the next session, each line once, those with a blank before them never", () => {
    const path = join(folder, "kept", "history");
    const first = new History(path, quiet);
    for (const line of ["one", "two\nlines", "a\\nb", "one", " secret", ""]) first.add(line);
    expect(first.entries).toEqual(["two\nlines", "a\\nb", "one"]);
    expect(new History(path, quiet).entries).toEqual(first.entries);
    expect(readFileSync(path, "utf8")).not.toContain("secret");
  });

  test("of sessions at the same time is that of both", () => {
    const path = join(folder, "both");
    const [a, b] = [new History(path, quiet), new History(path, quiet)];
    a.add("of a");
    b.add("of b");
    a.add("again of a");
    expect(a.entries).toEqual(["of a", "again of a"]);
    expect(new History(path, quiet).entries).toEqual(["of a", "of b", "again of a"]);
  });

  test("is cut when it has grown, and loses nothing new", () => {
    const path = join(folder, "long");
    writeFileSync(path, Array.from({ length: 10_001 }, (_, i) => `line ${i}\n`).join(""));
    const { entries } = new History(path, quiet);
    expect(entries).toHaveLength(5000);
    expect(entries.at(-1)).toBe("line 10000");
    expect(readFileSync(path, "utf8").split("\n")).toHaveLength(5001);
  });

  test("that cannot be written is told, and remembered all the same", () => {
    const said: string[] = [];
    const history = new History(folder, (line) => said.push(line));
    history.add("one");
    expect(history.entries).toEqual(["one"]);
    expect(said.length).toBeGreaterThan(0);
    expect(said[0]).toContain(`the history file ${folder} cannot be used: `);
  });

  test("Up and Down walk through lines that begin as typed, and back to it", () => {
    const walk = new HistoryWalk(["bench 1", "sweep", "bench 2", "be"], "be");
    expect([-1, -1, -1, 1, 1, 1].map((by) => walk.step(by as -1 | 1))).toEqual([
      "bench 2",
      "bench 1",
      null,
      "bench 2",
      "be",
      null,
    ]);
  });

  test("a search finds the newest, then older ones, and says when there is no more", () => {
    const search = new HistorySearch(["bench 1", "sweep", "bench 2"]);
    expect(search.found).toBeNull();
    search.type("be");
    expect(search.found).toBe("bench 2");
    search.older();
    expect([search.found, search.failed]).toEqual(["bench 1", false]);
    search.older();
    expect([search.found, search.failed]).toEqual(["bench 1", true]);
    search.erase();
    search.erase();
    search.type("sw");
    expect([search.found, search.failed]).toEqual(["sweep", false]);
    search.type("x");
    expect(search.failed).toBe(true);
  });
});
