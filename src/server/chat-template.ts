/** The file behind --chat-template. */
import { readFileSync, statSync } from "node:fs";
import { UsageError } from "../user-error.ts";
import { readJsonTemplate, type ChatTemplate } from "./json-template.ts";

/** null where no file was named. @throws UsageError if it cannot be a template. */
export function readChatTemplate({
  chatTemplate: path,
}: {
  readonly chatTemplate: string | null;
}): ChatTemplate | null {
  if (path === null) return null;
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) {
    throw new UsageError(
      `--chat-template: '${path}' is not a file; name one that holds a Jinja template, or JSON as of SGLang 0.2. ` +
        "SGLang's built-in templates are not built; without the flag the model's own is used",
    );
  }
  const text = readFileSync(path, "utf8");
  const json = parseObject(text);
  if (json !== null) return fromJson(path, json);
  if (text.trim() === "") throw new UsageError(`--chat-template: ${path} is empty`);
  // As SGLang: an editor's last line break is no part of a prompt.
  return { jinja: text.replaceAll(/^\n+|\n+$/g, ""), stopStrings: [] };
}

function fromJson(path: string, json: object): ChatTemplate {
  try {
    return readJsonTemplate(json);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(`--chat-template: ${path}: ${error.message}`, { cause: error });
  }
}

function parseObject(text: string): object | null {
  try {
    return text.trimStart().startsWith("{") ? (JSON.parse(text) as object) : null;
  } catch {
    return null; // Jinja begins with braces, too
  }
}
