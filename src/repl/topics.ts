/** What `help TOPIC` says beside the commands. */

export interface Topic {
  readonly summary: string;
  readonly text: string;
}

export const topics: Readonly<Record<string, Topic>> = {
  lines: {
    summary: "quotes, comments, lines that go on, ! and &",
    text: `
A line is a command and its words, as in a shell:
  bench --header "X-Team=load test"   quotes keep blanks: '...' takes all as it
                                      is, "..." knows \\" and \\\\; \\ quotes one
                                      character
  bench --num-prompts 50 \\            a backslash at the end, or an open quote,
    --request-rate 4                  goes on in the next line
  bench --num-prompts 50 &            in the background (help jobs)
  # a comment
  !nvidia-smi                         the rest of the line goes to the shell
There are no pipes, redirections and variables; ! has them.`,
  },
  keys: {
    summary: "keys of the line editor",
    text: `
Ctrl-A, Ctrl-E    begin, end of the line
Alt-B, Alt-F      a word back, forward
Ctrl-K, Ctrl-U    delete to the end, to the begin
Ctrl-W, Alt-D     delete a word before, after
Ctrl-Y, Alt-Y     insert what was deleted; then what was deleted before
Ctrl-_, Ctrl-T    undo; exchange two characters
Up, Down          history of commands that begin as the line does
Ctrl-R            search the history; again: older; Ctrl-G leaves the search
Alt-.             the last word of the last command
Tab               complete; again: list      Alt-Enter        a further line
Ctrl-L            clear the screen
Ctrl-C            drop the line; stop the command that runs (again: by force)
Ctrl-Z            put the command that runs into the background
Ctrl-D            delete a character; on an empty line: leave`,
  },
  jobs: {
    summary: "commands in the background",
    text: `
Commands that measure run as processes of their own: typing never disturbs a
measurement. With & at the end, or after Ctrl-Z, one goes on in the background.
  bench --num-prompts 500 &   starts in the background
  jobs                        what runs, and how far it is
  fg 2                        shows job 2 and what it has written
  cancel 2                    asks it to finish and keep what it has; again: by force
Ctrl-C does as cancel for the job that is shown. Results are kept as r1, r2, ...:
results, table, plot and export find them by these names.`,
  },
  servers: {
    summary: "starting servers, and which one is loaded",
    text: `
  launch preset:tiny                    this program's engine with its smallest model
  launch vllm org/model --name a        another engine, where it is installed
  launch command ./server --port {port} any other server by its command line
  use http://gpu-box:30000              one that runs already
The one launched last is in use: bench, sweep and the others load it unless they
name another. servers lists them, logs NAME shows what one has written, stop NAME
ends it. All end with the session, however that ends.`,
  },
  sessions: {
    summary: "what is kept, and coming back to it",
    text: `
A session has a name, by default of the day. Its results, its settings (set) and
its jobs' files are kept in the data folder: $SERVEBENCH_HOME, else
~/.local/share/servebench.
  servebench --session NAME     opens it again, with results and settings
  sessions                      lists them; sessions NAME changes to one
  results r1 tuning/r1          r1 is of this session; the other one of tuning
Servers and jobs end with the session. What a job had measured when its session
was killed is kept at the next opening.`,
  },
  scripts: {
    summary: "commands from a file",
    text: `
  source night.sb                    runs a file's commands here
  servebench repl < night.sb         the same from the shell
Both stop at the first command that fails and name its line; the exit code is
that command's. Jobs in the background are waited for at the end.`,
  },
};
