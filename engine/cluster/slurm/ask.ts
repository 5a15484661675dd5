import { hostname } from "node:os";
import { cutText, printable } from "../../diagnostic/format.ts";
import { NO_COMMAND } from "../queue.ts";

/** Slurm's own commands give up earlier, mostly after `MessageTimeout`. */
const LIMIT_MS = 60_000;
/** A queue of 100,000 jobs takes some 12 MiB. */
const MAX_ANSWER = 64 << 20;

/**
 * All that Slurm's commands have of this process's environment. `sbatch` hands its environment to the job and Slurm
 * keeps it on disk, so no secret may be in it; and variables such as `SQUEUE_PARTITION` would change what is answered.
 */
const KEPT = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "SLURM_CONF"];

/** What is said on standard error, without the commands' names and what all say. */
export function complaintOf(stderr: string): string {
  const lines = printable(stderr).split("\n").map((line) =>
    line.replace(/^(\w+: )?(error: |fatal: |\w+ error: )?(Batch job submission failed: |allocation failure: )?/, "")
      .trim()
  );
  return cutText(lines.filter((line) => line !== "").join("; "));
}

/**
 * Run one of Slurm's commands: bounded in time and in what it may answer, and never through a shell.
 *
 * @param hopeless what on standard error makes it pointless to wait any longer
 * @returns also as `said` what it said where it is not ok, or why it said nothing; and whether somebody else has killed it
 */
export async function ask(
  program: string,
  args: readonly string[],
  { stdin, hopeless }: { readonly stdin?: string; readonly hopeless?: RegExp } = {},
): Promise<{ readonly ok: boolean; readonly stdout: string; readonly said: string; readonly killed?: true }> {
  const env = Object.fromEntries(Object.entries(Deno.env.toObject()).filter(([name]) => KEPT.includes(name)));
  // The folder of this process may be gone.
  const options = { cwd: "/", env, timeout: LIMIT_MS, maxBuffer: MAX_ANSWER, killSignal: "SIGKILL" } as const;
  // Ten milliseconds, which commands need not spend that ask nothing.
  const { execFile } = await import("node:child_process");
  return await new Promise((resolve) => {
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) return resolve({ ok: true, stdout, said: complaintOf(stderr) });
      const { code, killed, signal } = error;
      const said = code === "ENOENT" || code === "EACCES"
        ? `${NO_COMMAND}${program} on the PATH of ${hostname()}`
        : code === "ERR_CHILD_PROCESS_STDIO_MAXBUFFER"
        ? "its answer has no end"
        : killed && !hopeless?.test(stderr)
        ? `no answer within ${LIMIT_MS / 1000} s`
        : complaintOf(stderr) || `${program} ended with code ${code ?? signal}`;
      resolve({ ok: false, stdout, said, ...signal && !killed ? { killed: true } : {} });
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

/** As many as were asked for, and no question has more. */
type Fields = [string, string, string, string, string, string, string, string];

/** Lines of an answer whose fields are set apart by {@linkcode BETWEEN}; those with another number are no lines of it. */
export function fieldsOf(stdout: string, count: number): Fields[] {
  return stdout.split("\n").map((line) => line.split(BETWEEN).map((field) => printable(field.trim())))
    .filter((fields) => fields.length === count) as Fields[];
}

/** Stands between fields: no name has it. */
export const BETWEEN = "\u001f";
