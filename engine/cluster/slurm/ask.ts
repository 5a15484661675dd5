import { hostname } from "node:os";
import { cutText, printable } from "../../diagnostic/format.ts";

/** What a command of Slurm answered. */
export interface Answer {
  readonly ok: boolean;
  readonly stdout: string;
  /** Where it is not ok: what it said, or why it said nothing. */
  readonly said: string;
}

export interface AskOptions {
  readonly stdin?: string;
  /** What on standard error makes it pointless to wait any longer. */
  readonly hopeless?: RegExp;
}

/** Slurm's own commands give up earlier, mostly after `MessageTimeout`. */
const LIMIT_MS = 60_000;
/** A queue of 100,000 jobs takes some 12 MiB. */
const MAX_STDOUT = 64 << 20;
const MAX_STDERR = 64 << 10;

/**
 * All that Slurm's commands have of this process's environment. `sbatch` hands its environment to the job and Slurm
 * keeps it on disk, so no secret may be in it; and variables such as `SQUEUE_PARTITION` would change what is answered.
 */
const KEPT = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "SLURM_CONF"];

/** What is said on standard error, without the commands' names and what all say. */
export function complaintOf(stderr: string): string {
  const lines = printable(stderr).split("\n").map((line) =>
    line.replace(/^(\w+: )?(\w+ )?((error|fatal): )?((Batch job submission failed|allocation failure): )?/, "").trim()
  );
  return cutText(lines.filter((line) => line !== "").join("; "));
}

/** Run one of Slurm's commands: bounded in time and in what it may answer, and never through a shell. */
export async function ask(program: string, args: readonly string[], options: AskOptions = {}): Promise<Answer> {
  const { stdin, hopeless } = options;
  const kept = KEPT.map((name) => [name, Deno.env.get(name)]).filter(([, value]) => value !== undefined);
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program, {
      args: [...args],
      // The folder of this process may be gone.
      cwd: "/",
      clearEnv: true,
      env: Object.fromEntries(kept),
      stdin: stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied)) throw error;
    return { ok: false, stdout: "", said: `there is no ${program} on the PATH of ${hostname()}` };
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
  const timer = setTimeout(() => giveUp(`no answer within ${LIMIT_MS / 1000} s`), LIMIT_MS);
  const texts = { stdout: "", stderr: "" };
  const collect = async (name: "stdout" | "stderr", most: number, look: () => void) => {
    const decoder = new TextDecoder();
    for await (const chunk of child[name]) {
      if (texts[name].length > most) giveUp(`it says more than ${most >> 10} KiB`);
      else texts[name] += decoder.decode(chunk, { stream: true });
      look();
    }
  };
  // A command that ends early leaves its input unread.
  const write = stdin === undefined ? undefined : new Blob([stdin]).stream().pipeTo(child.stdin).catch(() => {});
  await Promise.all([
    write,
    collect("stdout", MAX_STDOUT, () => {}),
    collect("stderr", MAX_STDERR, () => hopeless?.test(texts.stderr) && giveUp(complaintOf(texts.stderr))),
  ]);
  const { success, code } = await child.status;
  clearTimeout(timer);
  const said = given || complaintOf(texts.stderr) || (success ? "" : `${program} ended with code ${code}`);
  return { ok: success && given === "", stdout: texts.stdout, said };
}

/** Lines of an answer whose fields are set apart by {@linkcode BETWEEN}; those with another number are no lines of it. */
export function fieldsOf(stdout: string, count: number): string[][] {
  return stdout.split("\n").map((line) => line.split(BETWEEN).map((field) => printable(field.trim())))
    .filter((fields) => fields.length === count);
}

/** Stands between fields: no name has it. */
export const BETWEEN = "\u001f";
