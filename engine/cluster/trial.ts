import { delay } from "@std/async";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Diagnostic } from "../diagnostic/diagnostic.ts";
import { diagnosticAt } from "../diagnostic/document.ts";
import type { Stage } from "../keys/stage.ts";
import { TOOLKIT_ROOT } from "../process/module_lock.ts";
import { makeFolder, removeQuietly, writeNew } from "../store/files.ts";
import { readTextIfThere } from "../store/reading.ts";
import { openRoot } from "../store/roots.ts";
import { reasonOf } from "../store/trouble.ts";
import type { Cluster } from "./cluster_file.ts";
import { JOB_PREFIX, type JobNeeds, type Queue } from "./queue.ts";
import { isLive, NO_ORDER } from "./queue_parts.ts";
import { DENO_FLAGS, type NodePaths, nodePaths, PROGRAM, quote, scriptHead } from "./script.ts";

/** What Deno is told to bring packages into its cache folder. Code of custom stages travels with the submission. */
function cacheArguments(stages: Iterable<Stage>): string[] {
  const entries = [...stages].filter(({ kind }) => !kind.custom).map(({ kind }) => fileURLToPath(kind.entry));
  // As `cache`, which knows no --cached-only.
  return [
    "test",
    "--no-run",
    "--no-check",
    ...DENO_FLAGS,
    PROGRAM,
    join(TOOLKIT_ROOT, "engine.ts"),
    ...new Set(entries),
  ];
}

/** What is asked on a node by a command, whose first line should be `ok`, and what it means where it is not. */
function questionsFor(paths: NodePaths, folder: string, stages: readonly Stage[]) {
  const deno = quote(paths.deno);
  const [here, there] = ["here", "there"].map((name) => quote(join(folder, name)));
  const version = quote(`const { deno } = Deno.version; console.log(deno === "${Deno.version.deno}" ? "ok" : deno)`);
  return [
    ["deno", `${deno} eval --no-config ${version}`, "does not run Deno, or another version"],
    ["packages", `${deno} ${cacheArguments(stages).map(quote).join(" ")}`, "lacks files of noiseline or its packages"],
    ["cache", `cp ${here} ${there}`, "does not see this folder as this machine does, or cannot write there"],
    ["scratch", 'made=$(mktemp -d) && rmdir "$made"', "cannot write to its scratch folder"],
    ["setup", "type sbatch squeue scontrol scancel >/dev/null", "lacks commands, by which jobs queue others"],
  ] as const;
}

export interface TrialOptions {
  /** Stages whose packages are needed. */
  readonly stages: readonly Stage[];
  readonly say: (message: string) => void;
  readonly stop: AbortSignal;
  /** How long the job may wait, and how much later than the job's end its output may be seen here; for tests. */
  readonly waitingMs?: number;
  readonly settleMs?: number;
}

/** Find out by a job of one minute whether a node has what jobs need. */
export async function tryNode(
  { settings, origins }: Cluster,
  queue: Queue,
  needs: JobNeeds,
  options: TrialOptions,
): Promise<{ readonly node?: string | undefined; readonly problems: readonly Diagnostic[] }> {
  const wrong = (at: string, message: string, fix: string, got?: string) =>
    diagnosticAt(origins, [at], message, fix, { code: "check", got });
  const folder = join(settings.cache, "cluster", "trials", crypto.randomUUID());
  const log = join(settings.logs ?? folder, `${JOB_PREFIX}trial-${crypto.randomUUID()}.log`);
  openRoot(settings.cache);
  if (settings.logs !== undefined) openRoot(settings.logs);
  try {
    makeFolder(folder);
    writeNew(join(folder, "here"), log);
  } catch (error) {
    return { problems: [wrong("cache", `this machine cannot write to it: ${reasonOf(error)}`, "name another folder")] };
  }
  try {
    const paths = await nodePaths(settings);
    const questions = questionsFor(paths, folder, options.stages);
    const script = [
      ...scriptHead(settings, paths),
      "export NO_COLOR=1",
      'echo "noiseline node: ${SLURMD_NODENAME:-$(hostname)}"',
      ...questions.map(([what, command]) => `echo "noiseline ${what}: $({ ${command} && echo ok; } 2>&1 | head -n 1)"`),
      "",
    ].join("\n");
    const made = await queue.submit({
      name: `${JOB_PREFIX}trial`,
      comment: folder,
      script,
      needs: { ...needs, minutes: 1 },
      order: NO_ORDER,
      log,
      folder,
    });
    if (!("id" in made)) {
      return { problems: [wrong("partition", `no job can be queued: ${made.message}`, "mend that")] };
    }
    const answersOf = () =>
      new Map((readTextIfThere(log) ?? "").matchAll(/^noiseline (\w+): (.*)$/gm).map((one) => [one[1]!, one[2]!]));
    const missed = await waitFor(queue, made.id, () => answersOf().has("setup"), options);
    if (missed !== undefined) await queue.cancel([made.id]);
    const answers = answersOf();
    const node = answers.get("node");
    // The node may have a folder of its own of that name.
    if (readTextIfThere(join(folder, "there")) !== log && answers.get("cache") === "ok") {
      answers.set("cache", "another");
    }
    const problems = questions.filter(([what]) => (answers.get(what) ?? "ok") !== "ok").map(([what, , problem]) =>
      wrong(what, `node ${node} ${problem}`, `see ${what} in the cluster's file`, answers.get(what))
    );
    const fix = "see that the nodes see this folder, and that the queue has room";
    if (missed !== undefined) problems.push(wrong(settings.logs === undefined ? "cache" : "logs", missed, fix));
    return { node, problems };
  } finally {
    removeQuietly(log);
    removeQuietly(folder);
  }
}

/** Wait for what a job says. @returns why nothing more is waited for, where it said too little */
async function waitFor(
  queue: Queue,
  id: string,
  isTold: () => boolean,
  { say, stop, waitingMs = 10 * 60_000, settleMs = 60_000 }: TrialOptions,
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
