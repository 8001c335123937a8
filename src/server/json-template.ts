/**
 * SGLang 0.2's chat templates in JSON, written as Jinja: names of the speakers, and a style that says what stands
 * between a name and its text, and between two turns.
 */
import { z } from "zod";
import { UsageError } from "../user-error.ts";

/** A chat template that the user has given. */
export interface ChatTemplate {
  readonly jinja: string;
  /** End every answer, beside those of the request. */
  readonly stopStrings: readonly string[];
}

interface Style {
  /** After the text about the system. */
  readonly afterSystem: string;
  /** Left out with an empty system message, not only with an empty text. */
  readonly needsSystemMessage?: boolean;
  readonly afterName: string;
  readonly afterText: string;
  /** After the name of who is to speak. */
  readonly opening: string;
}

/** Styles with one separator: a JSON file has no place for the second one that others need. */
const styles: Readonly<Record<string, (separator: string) => Style>> = {
  ADD_COLON_SINGLE: (sep) => ({
    afterSystem: sep,
    afterName: ": ",
    afterText: sep,
    opening: ":",
  }),
  ADD_COLON_SPACE_SINGLE: (sep) => ({
    afterSystem: sep,
    afterName: ": ",
    afterText: sep,
    opening: ": ",
  }),
  ADD_NEW_LINE_SINGLE: (sep) => ({
    afterSystem: sep,
    afterName: "\n",
    afterText: sep,
    opening: "\n",
  }),
  NO_COLON_SINGLE: (sep) => ({ afterSystem: "", afterName: "", afterText: sep, opening: "" }),
  CHATML: (sep) => ({
    afterSystem: `${sep}\n`,
    afterName: "\n",
    afterText: `${sep}\n`,
    opening: "\n",
  }),
  ROBIN: (sep) => ({ afterSystem: sep, afterName: ":\n", afterText: sep, opening: ":\n" }),
  FALCON_CHAT: (sep) => ({
    afterSystem: sep,
    needsSystemMessage: true,
    afterName: ": ",
    afterText: sep,
    opening: ":",
  }),
  PHOENIX: () => ({
    afterSystem: "",
    afterName: ": <s>",
    afterText: "</s>",
    opening: ": <s>",
  }),
};

const text = z.string("a string");
const schema = z.object({
  name: text,
  system: text,
  user: text,
  assistant: text,
  sep_style: z.enum(Object.keys(styles), `one of ${Object.keys(styles).join(", ")}`),
  sep: text.default("\n"),
  stop_str: z.union([text, z.array(text)], "a string or a list of strings").nullish(),
  system_message: text.default(""),
});

/** @throws UsageError that names the first wrong field. */
export function readJsonTemplate(json: object): ChatTemplate {
  const read = schema.safeParse(json);
  if (!read.success) {
    const issue = read.error.issues[0]!;
    throw new UsageError(`${issue.path.join(".")}: expected ${issue.message}`);
  }
  const fields = read.data;
  const stops = [fields.stop_str ?? []].flat();
  return { jinja: jinjaOf(fields), stopStrings: stops.filter((stop) => stop !== "") };
}

function jinjaOf(fields: z.output<typeof schema>): string {
  const style = styles[fields.sep_style]!(fields.sep);
  const says = (name: string) =>
    `{{ ${quoted(name)} }}{% if m.content %}{{ ${quoted(style.afterName)} + m.content + ${quoted(style.afterText)} }}` +
    `{% else %}{{ ${quoted(style.opening)} }}{% endif %}`;
  const system = `{{ ${quoted(`${fields.system}\n`)} + ns.system + ${quoted(style.afterSystem)} }}`;
  return [
    "{% if bos_token is defined and bos_token %}{{ bos_token }}{% endif %}",
    `{% set ns = namespace(system=${quoted(fields.system_message)}) %}`,
    `{% for m in messages %}{% if m.role in ["system", "developer"] %}{% set ns.system = m.content %}{% endif %}{% endfor %}`,
    style.needsSystemMessage ? `{% if ns.system %}${system}{% endif %}` : system,
    `{% for m in messages %}{% if m.role == "user" %}${says(fields.user)}`,
    `{% elif m.role == "assistant" %}${says(fields.assistant)}{% endif %}{% endfor %}`,
    `{% if add_generation_prompt %}{{ ${quoted(fields.assistant + style.opening)} }}{% endif %}`,
  ].join("");
}

/** A string of Jinja. */
const quoted = (value: string) => JSON.stringify(value);
