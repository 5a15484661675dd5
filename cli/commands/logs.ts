import { existsSync } from "node:fs";
import { delay } from "@std/async";
import {
  actionsOf,
  attemptsOf,
  type Cluster,
  etaOf,
  isLive,
  jobsByLine,
  type KnownRun,
  type LiveProgress,
  RunReader,
  selectStages,
  type Store,
} from "noiseline/engine";
import { lookOn } from "../clusters.ts";
import { type AnyCommand, type CliSettings, ON, pipelineCommand } from "../command.ts";
import { formatLive } from "../format/plan.ts";
import { someOf } from "../format/units.ts";
import { fail, printError, printJson, printLine, printText, refuse, refuseWith } from "../io.ts";
import { clusterFor, loadForCommand, runFor } from "../open.ts";
import { PROGRESS_INTERVAL_MS } from "../reporters.ts";

const EXAMPLES = `
  deno task logs pipelines/digits.yaml train
  deno task logs pipelines/digits.yaml train --follow                       # until the stage ends
  deno task logs pipelines/digits.yaml train --on lab                       # of the newest attempt on a cluster
  deno task logs pipelines/digits.yaml train --run 20261125T101502000-1a2b`;

type RunStore = Store["runs"];

/** `logs FILE STAGE` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return pipelineCommand("logs", EXAMPLES)
    .argument("<stage>", "stage id")
    .option(
      "-f, --follow",
      "print the log and how far the stage is until it ends; waits for a stage that has yet to start",
    )
    .addOption(ON)
    .option("--run <id>", "the log of this run (default: the newest that has one; see `runs`)")
    .action(async (file, stage, options) => {
      const { pipeline, store } = await loadForCommand(settings, { file, ...options });
      const action = actionsOf(pipeline.stages.values()).find((one) => one.id === stage);
      const { stages: named, problems } = selectStages(pipeline, action === undefined ? [stage] : []);
      if (problems.length > 0) refuseWith(problems);
      if (named.length > 1) refuse(`"${stage}" is several stages`, `name one of: ${someOf(named)}`);
      const id = action?.id ?? named[0]!;
      const away = options.on === undefined
        ? undefined
        : await findAttempts(await clusterFor(settings, options.on, pipeline.folder), pipeline.name, id);
      const runs = away?.runs ?? store.runs;
      const reader = new RunReader({ runs });
      const find = () => findRun(runs, reader.look(pipeline.name), id, options.follow === true);
      let { run, silent } = options.run === undefined
        ? find()
        : { run: runFor({ ...store, runs }, options.run).runId, silent: undefined };
      if (run === undefined && options.follow && away !== undefined) printError(`waiting for the job of "${id}"`);
      while (run === undefined && options.follow && await away?.isOn(false)) {
        await delay(POLL_MS);
        run = find().run;
      }
      const last = silent ?? run;
      const isAtWork = last !== undefined && !existsSync(runs.logPath(last, id)) && !hasEnded(reader, last, id) &&
        (away !== undefined || reader.lookAt(last)!.since.has(id));
      if (isAtWork) run = last;
      if (run === undefined || (!options.follow && !isAtWork && !existsSync(runs.logPath(run, id)))) {
        if (away !== undefined && options.run === undefined) {
          fail(`"${id}" ${away.quiet()}`, `see \`status --on ${options.on}\``);
        }
        const message = options.run === undefined
          ? `no run of ${pipeline.name} has a log of "${id}"`
          : `run ${options.run} has no log of "${id}"`;
        fail(message, "it never ran, printed nothing, or its record was removed; see `runs`");
      }
      const path = runs.logPath(run, id);
      if (isAtWork) printError(`"${id}" is running and has printed nothing yet`);
      else if (silent !== undefined && !options.follow) {
        printError(`this is the log of run ${run}; in ${silent}, which is newer, "${id}" printed nothing`);
      }
      if (options.json && options.follow) {
        const lines = new LinesOfJson(id);
        await follow(runs, run, id, lines, away?.isOn);
        lines.end();
      } else if (options.json) {
        const lines = isAtWork ? [] : Deno.readTextFileSync(path).replace(/\n$/, "").split("\n");
        printJson({ runId: run, stage: id, path, lines });
      } else if (options.follow) {
        if (!isAtWork && !existsSync(path) && !hasEnded(reader, run, id)) {
          printError(`"${id}" has not begun yet in run ${run}`);
        }
        if (!await follow(runs, run, id, new Lines(id), away?.isOn)) printError(`the log of "${id}" is empty`);
      } else await printFrom(path, 0, new TextDecoder(), printText);
    });
}

/**
 * Finds the newest run that has a log of the stage; to follow the log, prefers a live run that may still reach the
 * stage.
 * @returns also the newest run that computes or computed the stage, if it is newer and has no log
 */
function findRun(runs: RunStore, all: Iterable<KnownRun>, id: string, follow: boolean) {
  let [run, silent]: [string?, string?] = [];
  for (const { record: { runId }, state, since, ends } of all) {
    if (follow && state === "running" && !ends.has(id)) return { run: runId, silent: undefined };
    if (existsSync(runs.logPath(runId, id))) run ??= runId;
    else if (run === undefined && (since.has(id) || WORKED.includes(ends.get(id)?.state ?? ""))) silent ??= runId;
    if (!follow && run !== undefined) break;
  }
  return { run, silent };
}

/** The ends of a stage that was computed. */
const WORKED: readonly string[] = ["ran", "failed", "interrupted"];

/** Returns true if nothing more can be written to the log. */
function hasEnded(reader: RunReader, run: string, id: string): boolean {
  const now = reader.lookAt(run);
  return now?.state !== "running" || now.ends.has(id);
}

/**
 * Finds the attempts of a stage on a cluster.
 * @returns their runs, a check for further output, and a message for a log that is empty
 */
async function findAttempts(cluster: Cluster, pipeline: string, id: string) {
  const { queue, stages, silent } = await lookOn(cluster, pipeline);
  const all = () => stages().filter((one) => one.id === id);
  const found = all().find((one) => one.job !== undefined || attemptsOf(one).ids().length > 0) ??
    all().next().value;
  if (found === undefined) fail(`"${id}" was not submitted to ${cluster.name}`, "see `runs --on` for what was");
  let [asked, { job }] = [-Infinity, found];
  const isOn = async (ended: boolean) => {
    // An ended attempt may be the last, so the queue is asked again soon. Only the queue knows if an attempt was killed
    // on another host, so it is asked now and then in any case.
    if (performance.now() < asked + (ended ? 5_000 : 60_000)) return true;
    asked = performance.now();
    const view = await queue.poll();
    if ("jobs" in view) job = jobsByLine(found.submission, view.jobs).get(found.line);
    return "silent" in view ? !ended : job !== undefined && isLive(job);
  };
  const quiet = () => {
    if (job !== undefined && isLive(job)) return `is ${job.state} and has printed nothing yet`;
    return silent === undefined ? "has printed nothing" : `has printed nothing yet, and the queue is silent: ${silent}`;
  };
  return { runs: attemptsOf(found), isOn, quiet };
}

const POLL_MS = 200;

/** Prints what a stage prints, and its progress. */
class Lines {
  #toldAt = -Infinity;
  #at = "";

  constructor(protected readonly id: string) {}

  /** Prints a piece of the log. */
  print(text: string): void {
    printText(text);
  }

  /** Prints the progress if it has changed, as often as a run whose output is a pipe. */
  tell(progress: LiveProgress | undefined): void {
    const now = performance.now();
    if (progress === undefined || progress.at === this.#at || now - this.#toldAt < PROGRESS_INTERVAL_MS) return;
    [this.#toldAt, this.#at] = [now, progress.at];
    this.show(progress);
  }

  protected show(progress: LiveProgress): void {
    printError(`${this.id}: ${formatLive({ progress, etaMs: etaOf(progress) })}`);
  }
}

/** Prints the same as JSON, one document per line. */
class LinesOfJson extends Lines {
  #rest = "";

  override print(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop()!;
    for (const line of lines) printLine(JSON.stringify({ type: "log", stage: this.id, line }));
  }

  /** Prints the end of the log as a line even if no line break follows it. */
  end(): void {
    if (this.#rest !== "") this.print("\n");
  }

  protected override show(progress: LiveProgress): void {
    printLine(JSON.stringify({ type: "progress", stage: this.id, ...progress, etaMs: etaOf(progress) }));
  }
}

/**
 * Prints the log so far and what is appended to it, until the stage ends. Reads only the new bytes.
 * @returns true if the log had any text
 * @param isOn on a cluster: returns true if the stage's job may still print, in this attempt or another
 */
async function follow(
  runs: RunStore,
  run: string,
  id: string,
  lines: Lines,
  isOn?: (ended: boolean) => Promise<boolean>,
): Promise<boolean> {
  const path = runs.logPath(run, id);
  const reader = new RunReader({ runs });
  const decoder = new TextDecoder();
  let at = 0;
  for (;;) {
    // This check comes before reading, so that text written just before the end is still read.
    const hasPaused = hasEnded(reader, run, id);
    const ended = isOn === undefined ? hasPaused : !await isOn(hasPaused);
    // A run on this machine has one attempt.
    const next = isOn === undefined ? run : runs.ids()[0]!;
    at += await printFrom(path, at, decoder, (text) => lines.print(text));
    if (next > run) return await follow(runs, next, id, lines, isOn) || at > 0;
    if (ended) return at > 0;
    lines.tell(runs.told(run, id));
    await delay(POLL_MS);
  }
}

/** @returns the number of bytes that were read and printed */
async function printFrom(path: string, at: number, decoder: TextDecoder, print: (text: string) => void) {
  if (!existsSync(path)) return 0;
  const file = await Deno.open(path);
  await file.seek(at, Deno.SeekMode.Start);
  let printed = 0;
  for await (const chunk of file.readable) {
    print(decoder.decode(chunk, { stream: true }));
    printed += chunk.length;
  }
  return printed;
}
