/** The file behind --chat-template. */
import { readFileSync, statSync } from "node:fs";
import { UsageError, UserError } from "../user-error.ts";

/** Text of the Jinja template, null where none was named. @throws UserError if it cannot be one. */
export function readChatTemplate({
  chatTemplate: path,
}: {
  readonly chatTemplate: string | null;
}): string | null {
  if (path === null) return null;
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) {
    throw new UsageError(
      `--chat-template: '${path}' is not a file; name one that holds a Jinja template. ` +
        "SGLang's built-in templates are not built; without the flag the model's own is used",
    );
  }
  const text = readFileSync(path, "utf8");
  if (isJsonObject(text)) {
    throw new UsageError(
      `--chat-template: ${path} is JSON, and SGLang 0.2's JSON templates are not built yet; write it as Jinja`,
    );
  }
  if (text.trim() === "") throw new UserError(`--chat-template: ${path} is empty`);
  return text.replaceAll(/^\n+|\n+$/g, ""); // as SGLang: an editor's last line break is no part of a prompt
}

function isJsonObject(text: string): boolean {
  try {
    return text.trimStart().startsWith("{") && typeof JSON.parse(text) === "object";
  } catch {
    return false; // Jinja begins with braces, too
  }
}
