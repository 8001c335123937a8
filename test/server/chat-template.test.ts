/** --chat-template names a file, Jinja or SGLang 0.2's JSON, which stands over the model's own template. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readChatTemplate } from "../../src/server/chat-template.ts";
import { loadTokenizer } from "../../src/tokenizer/huggingface.ts";
import { UsageError } from "../../src/user-error.ts";
import { post, testServer } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "servebench-template-"));
afterAll(() => rmSync(folder, { recursive: true }));

function file(text: string): string {
  const path = join(folder, "template");
  writeFileSync(path, text);
  return path;
}
const load = (chatTemplate: string) => loadTokenizer({ asset: "llama3_1.tokenizer", chatTemplate });
const read = (path: string) => () => readChatTemplate({ chatTemplate: path });

const conversation = [
  { role: "system", content: "Be kind." },
  { role: "user", content: "Hi" },
  { role: "assistant", content: "Hello" },
  { role: "user", content: 'A "word"\n' },
];

test("the template given renders conversations", () => {
  const path = file(
    "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}\n\n",
  );
  const template = readChatTemplate({ chatTemplate: path })!;
  expect(template.stopStrings).toEqual([]);
  const messages = [{ role: "user", content: "hi" }];
  expect(load(template.jinja).applyChatTemplate(messages, true)).toBe("[user] hi\n[assistant]");
  expect(readChatTemplate({ chatTemplate: null })).toBeNull();
});

const names = { name: "mine", system: "S", user: "U", assistant: "A", stop_str: "###" };
/** What SGLang 0.2 makes of the conversation above, after the BOS token. */
const rendered: readonly (readonly [sep_style: string, prompt: string, withoutSystem: string])[] = [
  ["ADD_COLON_SINGLE", `S\nBe kind.|U: Hi|A: Hello|U: A "word"\n|A:`, "S\n|U: Hi|A:"],
  ["ADD_COLON_SPACE_SINGLE", `S\nBe kind.|U: Hi|A: Hello|U: A "word"\n|A: `, "S\n|U: Hi|A: "],
  ["ADD_NEW_LINE_SINGLE", `S\nBe kind.|U\nHi|A\nHello|U\nA "word"\n|A\n`, "S\n|U\nHi|A\n"],
  ["NO_COLON_SINGLE", `S\nBe kind.UHi|AHello|UA "word"\n|A`, "S\nUHi|A"],
  ["CHATML", `S\nBe kind.|\nU\nHi|\nA\nHello|\nU\nA "word"\n|\nA\n`, "S\n|\nU\nHi|\nA\n"],
  ["ROBIN", `S\nBe kind.|U:\nHi|A:\nHello|U:\nA "word"\n|A:\n`, "S\n|U:\nHi|A:\n"],
  ["FALCON_CHAT", `S\nBe kind.|U: Hi|A: Hello|U: A "word"\n|A:`, "U: Hi|A:"],
  [
    "PHOENIX",
    `S\nBe kind.U: <s>Hi</s>A: <s>Hello</s>U: <s>A "word"\n</s>A: <s>`,
    "S\nU: <s>Hi</s>A: <s>",
  ],
];

test.each(rendered)("JSON in the style %s", (sep_style, prompt, withoutSystem) => {
  const path = file(JSON.stringify({ ...names, sep_style, sep: "|" }));
  const template = readChatTemplate({ chatTemplate: path })!;
  expect(template.stopStrings).toEqual(["###"]);
  const tokenizer = load(template.jinja);
  const bos = "<|begin_of_text|>";
  expect(tokenizer.applyChatTemplate(conversation, true)).toBe(bos + prompt);
  const short = [{ role: "user", content: "Hi" }];
  expect(tokenizer.applyChatTemplate(short, true)).toBe(bos + withoutSystem);
});

test("JSON: the system message of the file, until a conversation has its own", () => {
  const json = { ...names, sep_style: "CHATML", sep: "", system_message: "Default {x} '\u00e9'" };
  const { jinja } = readChatTemplate({ chatTemplate: file(JSON.stringify(json)) })!;
  const short = [{ role: "user", content: "Hi" }];
  expect(load(jinja).applyChatTemplate(short, true)).toContain("S\nDefault {x} 'é'\nU\nHi");
  expect(load(jinja).applyChatTemplate(conversation, true)).toContain("S\nBe kind.\nU\nHi");
});

test("its stop strings end the answers of chat, and of chat alone", async () => {
  await using server = await testServer({}, { chatStopStrings: ["cd"] });
  const messages = [{ role: "user", content: "x" }];
  for (const [stop, text] of [
    [undefined, "ab"],
    ["b", "a"],
    [["x", "ef"], "ab"],
  ] as const) {
    const answer = await post(`${server.url}/v1/chat/completions`, {
      messages,
      stop,
      max_tokens: 9,
    });
    expect(await answer.json()).toMatchObject({ choices: [{ message: { content: text } }] });
  }
  const plain = await post(`${server.url}/v1/completions`, { prompt: "x", max_tokens: 4 });
  expect(await plain.json()).toMatchObject({ choices: [{ text: "abcd" }] });
});

test("what cannot be a template is refused", () => {
  expect(read("chatml")).toThrow(UsageError);
  expect(read(folder)).toThrow("is not a file");
  expect(read(file('{"name": "x"}'))).toThrow("template: system: expected a string");
  const unknown = { ...names, sep_style: "ADD_COLON_TWO" };
  expect(read(file(JSON.stringify(unknown)))).toThrow(
    "sep_style: expected one of ADD_COLON_SINGLE,",
  );
  expect(read(file(" \n"))).toThrow("is empty");
  expect(read(file("{{ bos_token }}"))).not.toThrow();
});

test("a template that fails, fails at the start", () => {
  expect(() => load("{{ messages[ }}")).toThrow("the given chat template fails on a message");
  expect(() => load("{{ raise_exception('no users') }}")).toThrow("no users");
});
