/** Commands that only a session has. */
import type { Command } from "../../commands/command.ts";
import type { Session } from "../session.ts";
import { helpCommand } from "./help.ts";
import { historyCommand, sourceCommand } from "./history.ts";
import { cancelCommand, fgCommand, jobsCommand } from "./jobs.ts";
import { launchCommand } from "./launch.ts";
import { logsCommand, serversCommand, stopCommand, useCommand } from "./servers.ts";
import { exitCommand, sessionsCommand, setCommand } from "./settings.ts";

export function sessionCommands(session: Session): readonly Command[] {
  const all = [
    helpCommand,
    launchCommand,
    serversCommand,
    useCommand,
    logsCommand,
    stopCommand,
    jobsCommand,
    fgCommand,
    cancelCommand,
    setCommand,
    sessionsCommand,
    historyCommand,
    sourceCommand,
    exitCommand,
  ];
  return all.map((make) => make(session));
}
