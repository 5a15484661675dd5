import { hostname } from "node:os";
import { cutText, printable } from "../../diagnostic/format.ts";
import { NO_COMMAND } from "../queue.ts";

/** The time limit of a command. Slurm's own commands give up earlier, mostly after `MessageTimeout`. */
const LIMIT_MS = 60_000;
/** The longest answer, in bytes. A queue of 100,000 jobs takes some 12 MiB. */
const MAX_ANSWER = 64 << 20;

/**
 * The variables of this process's environment that Slurm's commands get. `sbatch` hands its environment to the job and
 * Slurm keeps it on disk, so no secret may be in it; and variables such as `SQUEUE_PARTITION` would change the answers.
 */
const KEPT = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "SLURM_CONF"];

/** Returns the messages of standard error, without the names of commands and the prefixes that all messages share. */
export function complaintOf(stderr: string): string {
  const lines = printable(stderr).split("\n").map((line) =>
    line.replace(/^(\w+: )?(error: |fatal: |\w+ error: )?(Batch job submission failed: |allocation failure: )?/, "")
      .trim()
  );
  return cutText(lines.filter((line) => line !== "").join("; "));
}

interface Heard {
  readonly ok: boolean;
  readonly stdout: string;
  readonly said: string;
  readonly spoke: boolean;
  readonly killed?: true;
}

/**
 * Matches how messages of `sbatch` itself begin. A shell that fails in a wrapper of that name adds a line number, a
 * loader ends with another exit code, and other programs begin their messages differently.
 */
const SENTENCE = /^(?:\S*sbatch[\w.-]*|allocation failure): (?!(?:line )?\d)/m;

/**
 * Runs one of Slurm's commands: with a limit on its time and on its answer, and never through a shell.
 *
 * @param hopeless matches standard error that makes it pointless to wait any longer
 * @returns `said`: the message of a command that failed, or why there is none; `spoke`: true if that is whole sentences
 * of Slurm's own; `killed`: true if somebody else has killed the command
 */
export async function ask(
  program: string,
  args: readonly string[],
  { stdin, hopeless }: { readonly stdin?: string; readonly hopeless?: RegExp } = {},
): Promise<Heard> {
  const env = Object.fromEntries(Object.entries(Deno.env.toObject()).filter(([name]) => KEPT.includes(name)));
  // The folder of this process may be gone.
  const options = { cwd: "/", env, timeout: LIMIT_MS, maxBuffer: MAX_ANSWER, killSignal: "SIGKILL" } as const;
  // Loading this takes ten milliseconds, which commands that ask nothing need not spend.
  const { execFile } = await import("node:child_process");
  return await new Promise((resolve) => {
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) return resolve({ ok: true, stdout, said: complaintOf(stderr), spoke: false });
      const { code, killed, signal } = error;
      // The controller's refusals exit with 1, refused options with 255.
      const spoke = (code === 1 || code === 255 || killed === true) && stderr.endsWith("\n") && SENTENCE.test(stderr);
      const said = code === "ENOENT" || code === "EACCES"
        ? `${NO_COMMAND}${program} on the PATH of ${hostname()}`
        : code === "ERR_CHILD_PROCESS_STDIO_MAXBUFFER"
        ? "its answer has no end"
        : killed && !hopeless?.test(stderr)
        ? `no answer within ${LIMIT_MS / 1000} s`
        : complaintOf(stderr) || `${program} ended with code ${code ?? signal}`;
      resolve({ ok: false, stdout, said, spoke, ...signal && !killed ? { killed: true } : {} });
    });
    let heard = "";
    child.stderr!.on("data", (text: string) => {
      heard += text;
      if (hopeless?.test(heard)) child.kill("SIGKILL");
    });
    // A command that ends early leaves its input unread.
    child.stdin!.on("error", () => {}).end(stdin);
  });
}

/** The separators between fields and after each line: names may have line breaks, but no name has these. */
const BETWEEN = "\u001f";
const AFTER = "\u001e\n";

/** The fields of a row: as many as there are columns, and no question has more than these. */
type Fields = [string, string, string, string, string, string, string, string];

/**
 * Asks `squeue` or `sinfo` for a table. The headings are asked for too: they tell an empty table from no answer, and
 * the end of the last line tells a whole table from one that is cut off. Lines with another number of fields are
 * ignored.
 */
export async function askTable(
  program: "squeue" | "sinfo",
  args: readonly string[],
  columns: readonly string[],
): Promise<{ readonly rows: readonly Fields[] } | { readonly silent: string }> {
  const format = `--format=${columns.join(BETWEEN)}${AFTER.trimEnd()}`;
  const { ok, stdout, said } = await ask(program, [...args, format]);
  if (!ok) return { silent: said };
  const lines = stdout.split(AFTER).map((line) => line.split(BETWEEN).map((field) => printable(field.trim())));
  const isWhole = lines[0]!.length === columns.length && lines.at(-1)!.join() === "";
  if (!isWhole) return { silent: `what ${program} answers is not whole: ${cutText(printable(stdout || said))}` };
  return { rows: lines.slice(1).filter(({ length }) => length === columns.length) as Fields[] };
}
