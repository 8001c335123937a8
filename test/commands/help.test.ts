/** Proves that help fits a terminal, shows each flag once, and that its examples are command lines. */
import { describe, expect, test } from "bun:test";
import { parseFlags } from "../../src/commands/flags.ts";
import { commandHelp, programHelp } from "../../src/commands/help.ts";
import { commands, findCommand } from "../../src/commands/index.ts";

test("the list of commands fits 80 columns", () => {
  const wide = programHelp("0.1.0", commands)
    .split("\n")
    .filter((line) => line.length > 80);
  expect(wide).toEqual([]);
});

describe.each(commands.map((command) => [command.name, command] as const))("%s", (_, command) => {
  const help = commandHelp(command);

  test("fits 80 columns", () => {
    expect(help.split("\n").filter((line) => line.length > 80)).toEqual([]);
  });

  test("names every flag once", () => {
    const names = Object.keys(command.flags);
    const { groups } = command;
    if (groups) {
      const grouped = groups.flatMap((group) => group.names);
      expect(grouped.toSorted(), "put the flag into a group").toEqual(names.toSorted());
    }
    expect(
      names.filter((name) => !help.includes(`  --${name}`) && !help.includes(`, --${name}`)),
    ).toEqual([]);
  });

  test("examples are command lines that it takes", () => {
    for (const { line } of command.examples) {
      const [program, name, ...words] = line.match(/(?:"[^"]*"|[^\s"])+/g)!;
      const { flags, words: needed } = findCommand(name!)!;
      expect(program).toBe("servebench");
      const argv = words.map((word) => word.replaceAll('"', ""));
      expect(() => parseFlags(flags, argv, needed)).not.toThrow();
    }
  });

  test("an example that goes on in the next line is the same command", () => {
    const said = help.replaceAll(/ \\\n +/g, " ");
    for (const { line } of command.examples) expect(said).toContain(`  ${line}\n`);
  });
});
