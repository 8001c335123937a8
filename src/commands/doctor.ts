/** `servebench doctor`: what this machine has, what would be used and why, and what to mend. */
import { exitCode } from "../exit-code.ts";
import { version } from "../version.ts";
import { defineCommand } from "./command.ts";
import { switchFlag } from "./flags.ts";

export const doctor = defineCommand({
  name: "doctor",
  summary: "look over this machine: hardware, limits, clock, disks",
  description:
    "Says of each thing that matters to a server or a measurement whether it is ok, worth a look (WARN) or stands in " +
    "the way (BAD), and what to do. Measures for about a second how exact times are here, so run it when the machine " +
    "is as quiet as it will be. Exit code 1 if anything is bad. Tokens are never shown.",
  examples: [
    { line: "servebench doctor", says: "before the first measurement on a machine" },
    {
      line: "servebench doctor --json",
      says: "the same as one JSON object, to be kept with results",
    },
  ],
  flags: { json: switchFlag("One JSON object instead of text.") },
  run: async ({ json }, io) => {
    const { doctorText, examine } = await import("../doctor/index.ts");
    const { dataFolder } = await import("../store/index.ts");
    const sections = await examine(dataFolder(), io.signal);
    io.stdout(json ? `${JSON.stringify({ version, sections })}\n` : doctorText(sections));
    const isBad = sections.some(({ findings }) => findings.some(({ level }) => level === "bad"));
    return isBad ? exitCode.failure : exitCode.success;
  },
});
