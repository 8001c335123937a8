/** --chat-template names a Jinja file, which stands over the model's own template. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readChatTemplate } from "../../src/server/chat-template.ts";
import { loadTokenizer } from "../../src/tokenizer/huggingface.ts";
import { UsageError } from "../../src/user-error.ts";

const folder = mkdtempSync(join(tmpdir(), "servebench-template-"));
afterAll(() => rmSync(folder, { recursive: true }));

function file(text: string): string {
  const path = join(folder, "template.jinja");
  writeFileSync(path, text);
  return path;
}
const load = (chatTemplate: string) => loadTokenizer({ asset: "llama3_1.tokenizer", chatTemplate });

const read = (path: string) => () => readChatTemplate({ chatTemplate: path });

test("the template given renders conversations", () => {
  const path = file(
    "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}\n\n",
  );
  const tokenizer = load(readChatTemplate({ chatTemplate: path })!);
  const messages = [{ role: "user", content: "hi" }];
  expect(tokenizer.applyChatTemplate(messages, true)).toBe("[user] hi\n[assistant]");
  expect(readChatTemplate({ chatTemplate: null })).toBeNull();
});

test("what cannot be a template is refused", () => {
  expect(read("chatml")).toThrow(UsageError);
  expect(read(folder)).toThrow("is not a file");
  expect(read(file('{"name": "x", "sep_style": "CHATML"}'))).toThrow("is JSON");
  expect(read(file(" \n"))).toThrow("is empty");
  expect(read(file("{{ bos_token }}"))).not.toThrow();
});

test("a template that fails, fails at the start", () => {
  expect(() => load("{{ messages[ }}")).toThrow("the given chat template fails on a message");
  expect(() => load("{{ raise_exception('no users') }}")).toThrow("no users");
});
