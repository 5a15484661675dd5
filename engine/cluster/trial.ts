import { delay } from "@std/async";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Diagnostic } from "../diagnostic/diagnostic.ts";
import { diagnosticAt } from "../diagnostic/document.ts";
import type { Stage } from "../keys/stage.ts";
import { makeFolder, removeQuietly, writeNew } from "../store/files.ts";
import { readTextIfThere } from "../store/reading.ts";
import { openRoot } from "../store/roots.ts";
import { reasonOf } from "../store/trouble.ts";
import type { Cluster } from "./cluster_file.ts";
import { isLive, JOB_PREFIX, type JobNeeds } from "./queue.ts";
import type { QueueContext } from "./queue_parts.ts";
import { DENO_FLAGS, nodePaths, PROGRAM, quote, scriptHead } from "./script.ts";
import { clusterFolder } from "./submission.ts";

/** What a node is asked by commands, whose first line should be `ok`, and what it means where it is not. */
function questionsFor(deno: string, folder: string, stages: readonly Stage[]) {
  const version = quote(`const { deno } = Deno.version; console.log(deno === "${Deno.version.deno}" ? "ok" : deno)`);
  // Code of custom stages travels with the submission.
  const entries = stages.filter(({ kind }) => !kind.custom).map(({ kind }) => fileURLToPath(kind.entry));
  // `test` without tests, since `cache` would ask the network.
  const load = ["test", "--no-run", "--no-check", ...DENO_FLAGS, PROGRAM, ...new Set(entries)].map(quote).join(" ");
  const [here, there] = ["here", "there"].map((name) => quote(join(folder, name)));
  return [
    ["deno", `${quote(deno)} eval --no-config ${version}`, "does not run Deno, or another version"],
    ["packages", `${quote(deno)} ${load}`, "lacks files of noiseline or its packages"],
    ["cache", `cp ${here} ${there}`, "does not see this folder as this machine does, or cannot write there"],
    ["scratch", 'made=$(mktemp -d) && rmdir "$made"', "cannot write to its scratch folder"],
    ["setup", "type sbatch squeue scontrol scancel >/dev/null", "lacks commands, by which jobs queue others"],
  ] as const;
}

export interface TrialOptions extends QueueContext {
  readonly stop: AbortSignal;
  /** How long the job may wait, and how much later than its end its output may be seen here; for tests. */
  readonly waitingMs?: number;
  readonly settleMs?: number;
}

/** Find out by a job of one minute whether a node has what the jobs of some stages need. */
export async function tryNode(
  { settings, origins }: Cluster,
  needs: JobNeeds,
  stages: readonly Stage[],
  options: TrialOptions,
): Promise<{ readonly node?: string | undefined; readonly problems: readonly Diagnostic[] }> {
  const wrong = (at: string, message: string, fix = `see ${at} in the cluster's file`, got?: string) =>
    diagnosticAt(origins, [at], message, fix, { code: "check", got });
  const folder = clusterFolder(settings.cache, "trials", crypto.randomUUID());
  const log = join(settings.logs ?? folder, `${basename(folder)}.log`);
  [settings.cache, dirname(log)].forEach(openRoot);
  try {
    makeFolder(folder);
    writeNew(join(folder, "here"), folder);
  } catch (error) {
    return { problems: [wrong("cache", `this machine cannot write to it: ${reasonOf(error)}`)] };
  }
  try {
    const paths = await nodePaths(settings);
    const questions = questionsFor(paths.deno, folder, stages);
    const script = [
      ...scriptHead(settings, paths),
      'echo "noiseline node: ${SLURMD_NODENAME:-$(hostname)}"',
      ...questions.map(([what, ask]) => `echo "noiseline ${what}: $({ ${ask} && echo ok; } 2>&1 | head -n 1)"\n`),
    ].join("\n");
    const request = { name: `${JOB_PREFIX}trial`, comment: "", script, order: {}, log, folder };
    const made = await options.queue.submit({ ...request, needs: { ...needs, cpus: 1, memoryMiB: 1024, minutes: 1 } });
    if (!("id" in made)) return { problems: [wrong("partition", `no job can be queued: ${made.message}`)] };
    const answersOf = () =>
      new Map((readTextIfThere(log) ?? "").matchAll(/^noiseline (\w+): (.*)$/gm).map((one) => [one[1]!, one[2]!]));
    const missed = await waitFor(made.id, () => answersOf().has("setup"), options);
    if (missed !== undefined) await options.queue.cancel([made.id]);
    const answers = answersOf();
    // The node may have a folder of its own of that name.
    const isBack = answers.get("cache") !== "ok" || readTextIfThere(join(folder, "there")) === folder;
    if (!isBack) answers.set("cache", "another folder");
    const problems = questions.filter(([what]) => (answers.get(what) ?? "ok") !== "ok").map(([what, , problem]) =>
      wrong(what, `node ${answers.get("node")} ${problem}`, undefined, answers.get(what))
    );
    const fix = "see that the nodes see this folder, and that the queue has room";
    if (missed !== undefined) problems.push(wrong(settings.logs === undefined ? "cache" : "logs", missed, fix));
    return { node: answers.get("node"), problems };
  } finally {
    [log, folder].forEach(removeQuietly);
  }
}

/** Wait for what a job says. @returns why nothing more is waited for, where it said too little */
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
