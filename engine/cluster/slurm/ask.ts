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
) {
  const env = Object.fromEntries(Object.entries(Deno.env.toObject()).filter(([name]) => KEPT.includes(name)));
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program, {
      args: [...args],
      // The folder of this process may be gone.
      cwd: "/",
      clearEnv: true,
      env,
      stdin: stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied)) throw error;
    const said = `${NO_COMMAND}${program} on the PATH of ${hostname()}`;
    return { ok: false, stdout: "", said };
  }
  let given = "";
  const giveUp = (why: string) => {
    given ||= why;
    try {
      child.kill("SIGKILL");
    } catch {
      // It has just ended.
    }
  };
  const timer = setTimeout(giveUp, LIMIT_MS, `no answer within ${LIMIT_MS / 1000} s`);
  const read = async (stream: ReadableStream<Uint8Array>, hopeless?: RegExp) => {
    const decoder = new TextDecoder();
    let text = "";
    for await (const chunk of stream) {
      text += decoder.decode(chunk, { stream: true });
      if (text.length > MAX_ANSWER) giveUp("its answer has no end");
      if (hopeless?.test(text)) giveUp(complaintOf(text));
    }
    return text;
  };
  // A command that ends early leaves its input unread.
  const write = stdin === undefined ? undefined : new Blob([stdin]).stream().pipeTo(child.stdin).catch(() => {});
  const [stdout, stderr] = await Promise.all([read(child.stdout), read(child.stderr, hopeless), write]);
  const { success, code, signal } = await child.status;
  clearTimeout(timer);
  const said = given || complaintOf(stderr) || (success ? "" : `${program} ended with code ${code}`);
  return { ok: success && given === "", stdout, said, ...signal !== null && given === "" ? { killed: true } : {} };
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
