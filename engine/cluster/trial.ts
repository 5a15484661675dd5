import { delay } from "@std/async";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { diagnosticAt } from "../diagnostic/document.ts";
import { cutText } from "../diagnostic/format.ts";
import type { Stage } from "../keys/stage.ts";
import { makeFolder, removeQuietly, writeNew } from "../store/files.ts";
import { readTextIfThere } from "../store/reading.ts";
import { allowWritesBelow } from "../store/write_roots.ts";
import { reasonOf } from "../store/io_errors.ts";
import type { Cluster } from "./cluster_file.ts";
import { isLive, JOB_PREFIX, type JobNeeds } from "./queue.ts";
import type { QueueContext } from "./queue_parts.ts";
import { DENO_FLAGS, nodePaths, PROGRAM, quote, scriptHead } from "./script.ts";
import { clusterFolder } from "./submission.ts";

/**
 * Returns the questions that a node is asked: commands whose first line of output should be `ok`, and what is wrong if
 * it is not.
 */
function questionsFor(deno: string, folder: string, logs: string | undefined, stages: readonly Stage[]) {
  const version = quote(`const { deno } = Deno.version; console.log(deno === "${Deno.version.deno}" ? "ok" : deno)`);
  // Code of custom stages travels with the submission.
  const entries = stages.filter(({ kind }) => !kind.custom).map(({ kind }) => fileURLToPath(kind.entry));
  // `deno test` without tests loads the modules, since `deno cache` would use the network.
  const load = ["test", "--no-run", "--no-check", ...DENO_FLAGS, PROGRAM, ...new Set(entries)].map(quote).join(" ");
  const [here, there] = ["here", "there"].map((name) => quote(join(folder, name)));
  const lost = "does not see this folder as this machine does, or cannot write there";
  const sent = logs &&
    `{ [ -d ${quote(logs)} ] || mkdir ${quote(logs)}; } && cp ${here} ${quote(sentTo(logs, folder))}`;
  return [
    ["deno", `${quote(deno)} eval --no-config ${version}`, "does not run Deno, or another version"],
    ["packages", `${quote(deno)} ${load}`, "lacks files of noiseline or its packages"],
    ["cache", `cp ${here} ${there}`, lost],
    ["logs", sent ?? ":", lost],
    ["scratch", 'made=$(mktemp -d) && rmdir "$made"', "cannot write to its scratch folder"],
    ["setup", "type sbatch squeue scontrol scancel >/dev/null", "lacks commands, by which jobs queue others"],
  ] as const;
}

const sentTo = (logs: string, folder: string) => join(logs, basename(folder));

interface TrialOptions extends QueueContext {
  readonly stop: AbortSignal;
  /** How long the job may wait, and how long after its end its output may stay unseen here; for tests. */
  readonly waitingMs?: number;
  readonly settleMs?: number;
}

/**
 * Finds out by a job of one minute whether a node has what the jobs of some stages need.
 * @returns the problems, the node, and `refused`: why the queue did not take the job
 */
export async function tryNode(
  { settings, origins }: Cluster,
  needs: JobNeeds,
  stages: readonly Stage[],
  options: TrialOptions,
) {
  const wrong = (at: string, message: string, fix = `see ${at} in the cluster's file`, got?: string) =>
    diagnosticAt(origins, [at], message, fix, { code: "check", got });
  const folder = clusterFolder(settings.cache, "trials", crypto.randomUUID());
  const log = join(folder, "log");
  const back = { cache: join(folder, "there"), ...settings.logs && { logs: sentTo(settings.logs, folder) } };
  [settings.cache, ...Object.values(back).map(dirname)].forEach(allowWritesBelow);
  try {
    makeFolder(folder);
    writeNew(join(folder, "here"), folder);
  } catch (error) {
    return { problems: [wrong("cache", `this machine cannot write to it: ${reasonOf(error)}`)] };
  }
  try {
    const paths = await nodePaths(settings);
    if (!paths.ok) return { problems: paths.diagnostics };
    const questions = questionsFor(paths.value.deno, folder, settings.logs, stages);
    const [shell, ...head] = scriptHead({ ...settings, ...paths.value });
    const script = [
      shell,
      'echo "noiseline node: ${SLURMD_NODENAME:-$(hostname)}"',
      ...head,
      ...questions.map(([what, ask]) => `echo "noiseline ${what}: $({ ${ask} && echo ok; } 2>&1 | head -n 1)"\n`),
    ].join("\n");
    const request = { name: `${JOB_PREFIX}trial`, comment: "", script, order: {}, log, folder };
    const made = await options.queue.submit({ ...request, needs: { ...needs, cpus: 1, memoryMiB: 1024, minutes: 1 } });
    if (!("id" in made)) return { problems: [], refused: wrong("partition", `no job can be queued: ${made.message}`) };
    // The path of the queue's copy of the script is left out.
    const read = () => (readTextIfThere(log) ?? "").replaceAll(/^(noiseline \w+: )?\S+: line \d+: /gm, "$1");
    const answersOf = () =>
      new Map(read().matchAll(/^noiseline (\w+(?: fails)?): (.*)$/gm).map((one) => [one[1]!, one[2]!]));
    const isTold = () => answersOf().has("setup") || answersOf().has("setup fails");
    const missed = await waitFor(made.id, isTold, options);
    if (missed !== undefined) await options.queue.cancel([made.id]);
    const answers = answersOf();
    // The node may have a folder of its own at the same path.
    for (const [what, path] of Object.entries(back)) {
      if (answers.get(what) === "ok" && readTextIfThere(path) !== folder) answers.set(what, "another folder");
    }
    // Without Deno, its packages cannot be found either.
    if (answers.get("deno") !== "ok") answers.delete("packages");
    const node = answers.get("node");
    const problems = questions.filter(([what]) => (answers.get(what) ?? "ok") !== "ok").map(([what, , problem]) =>
      wrong(what, `node ${node} ${problem}`, undefined, answers.get(what))
    );
    const line = answers.get("setup fails");
    if (line !== undefined) {
      const said = cutText(read().split(/^noiseline .*$/m)[1]!.trim());
      const fix = "correct it, or end it with `|| true` if it may fail";
      problems.push(wrong("setup", `this line fails on node ${node}: ${line}`, fix, said || undefined));
    }
    const fix = "see that the nodes see this folder, and that the queue has room";
    if (missed !== undefined) problems.push(wrong("cache", missed, fix));
    return { node, problems };
  } finally {
    [folder, ...Object.values(back)].forEach(removeQuietly);
  }
}

/** Waits for the answers of a job. @returns why the wait ended without them; undefined if they came */
async function waitFor(
  id: string,
  isTold: () => boolean,
  { queue, say, stop, waitingMs = 10 * 60_000, settleMs = 60_000 }: TrialOptions,
): Promise<string | undefined> {
  let [reason, waited, goneMs] = ["", 0, 0];
  for (let ms = 1_000; !stop.aborted; ms = Math.min(30_000, 2 * ms)) {
    await delay(ms, { signal: stop }).catch(() => {});
    waited += ms;
    if (isTold()) return undefined;
    const view = await queue.poll();
    const job = "jobs" in view ? view.jobs.find((one) => one.id === id) : undefined;
    const now = "jobs" in view ? job?.reason ?? "" : `the queue does not answer: ${view.silent}`;
    if (now !== reason && now !== "") say(`job ${id}: ${now}`);
    reason = now;
    goneMs = "jobs" in view && (job === undefined || !isLive(job)) ? goneMs + ms : 0;
    if (goneMs >= settleMs) return `job ${id} ended (${job?.word ?? "gone"}), and what it says is not seen here`;
    if (waited >= waitingMs) return `job ${id} was not done after ${Math.round(waited / 60_000)} minutes (${reason})`;
  }
  return "stopped";
}
