import { existsSync } from "node:fs";
import { delay } from "@std/async";
import * as jobs from "noiseline/cluster";
import { commandFor } from "noiseline/core";
import * as engine from "noiseline/engine";
import { inspectCluster } from "../clusters.ts";
import { type AnyCommand, type CliSettings, ON, pipelineCommand } from "../command.ts";
import { formatLive } from "../format/plan.ts";
import { shortList } from "../format/units.ts";
import { fail, printError, printJson, printLine, printText, refuse, refuseWith } from "../io.ts";
import { clusterFor, loadForCommand, runFor } from "../open.ts";
import { PROGRESS_INTERVAL_MS } from "../reporters.ts";

const EXAMPLES = `
  deno task logs pipelines/digits.yaml train
  deno task logs pipelines/digits.yaml train --follow                       # until the stage ends
  deno task logs pipelines/digits.yaml train --on lab                       # of the newest attempt on a cluster
  deno task logs pipelines/digits.yaml train --run 20261125T101502000-1a2b`;

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
    .action(async (file, stage, { on, run: wanted, follow = false, json = false, ...options }) => {
      const { pipeline, store } = await loadForCommand(settings, { file, ...options });
      const action = engine.actionsOf(pipeline.stages.values()).find((one) => one.id === stage);
      const { stages: named, problems } = engine.selectStages(pipeline, action === undefined ? [stage] : []);
      if (problems.length > 0) refuseWith(problems);
      if (named.length > 1) refuse(`"${stage}" is several stages`, `name one of: ${shortList(named)}`);
      const id = action?.id ?? named[0]!;
      const away = on && await findAttempts(await clusterFor(settings, on, pipeline.folder), pipeline.name, id);
      const runs = away ? away.runs : store.runs;
      const log: StageLog = { id, runs, reader: new engine.RunReader({ runs }), isOn: away ? away.isOn : undefined };
      const find = () => findRun(log, pipeline.name, follow);
      let { run, silent }: ReturnType<typeof find> = wanted === undefined
        ? find()
        : { run: runFor({ ...store, runs }, wanted).runId, silent: undefined };
      if (run === undefined && follow && away) printError(`waiting for the job of "${id}"`);
      while (run === undefined && follow && away && await away.isOn(false)) {
        await delay(POLL_MS);
        run = find().run;
      }
      if (silent !== undefined && phaseOf(log, silent) === "silent") [run, silent] = [silent, undefined];
      const phase = run === undefined ? "ended" : phaseOf(log, run);
      if (run === undefined || !follow && (phase === "ended" || phase === "not begun")) {
        const command = (name: string, ...more: string[]) => commandFor(name, { ...pipeline, store }, ...more);
        const list = `see \`${command("status", "--on", on ?? "")}\``;
        if (away && wanted === undefined) fail(`"${id}" ${away.emptyLogMessage()}`, list);
        const message = wanted === undefined
          ? `no run of ${pipeline.name} has a log of "${id}"`
          : `run ${wanted} has no log of "${id}"`;
        const isBest = pipeline.stages.get(id)?.slot !== undefined;
        const best = `if the search has ended, \`${command("why", id)}\` names the stage that made it`;
        fail(message, isBest ? best : "it never ran, printed nothing, or its record was removed; see `runs`");
      }
      if (phase === "silent") printError(`"${id}" is running and has printed nothing yet`);
      else if (silent !== undefined && !follow) {
        printError(`this is the log of run ${run}; in ${silent}, which is newer, "${id}" printed nothing`);
      }
      const path = runs.logPath(run, id);
      if (follow) {
        if (phase === "not begun" && !json) printError(`"${id}" has not begun yet in run ${run}`);
        const printer = new LogPrinter(id, json);
        const hasText = await followLog(log, run, printer);
        printer.end();
        if (!hasText && !json) printError(`the log of "${id}" is empty`);
      } else if (json) {
        const lines = phase === "silent" ? [] : Deno.readTextFileSync(path).replace(/\n$/, "").split("\n");
        printJson({ runId: run, stage: id, path, lines });
      } else await printFrom(path, 0, new TextDecoder(), printText);
    });
}

/** The log of a stage, in one run or several. */
interface StageLog {
  readonly id: string;
  readonly runs: engine.Store["runs"];
  readonly reader: engine.RunReader;
  /** On a cluster: returns true if the stage's job may still print, in this attempt or another. */
  readonly isOn: ((attemptEnded: boolean) => Promise<boolean>) | undefined;
}

/** Returns how far a stage is: it has printed something; else it has ended; else it runs, and is silent; or neither. */
function phaseOf({ id, runs, reader, isOn }: StageLog, run: string): "printed" | "ended" | "silent" | "not begun" {
  if (existsSync(runs.logPath(run, id))) return "printed";
  if (hasEnded(reader, run, id)) return "ended";
  return isOn !== undefined || reader.lookAt(run)!.since.has(id) ? "silent" : "not begun";
}

/**
 * Finds the newest run that has a log of the stage; to follow the log, prefers a live run that may still reach the
 * stage.
 * @returns also the newest run that computes or computed the stage, if it is newer and has no log
 */
function findRun({ id, runs, reader }: StageLog, pipeline: string, follow: boolean) {
  let [run, silent]: [string?, string?] = [];
  for (const { record: { runId }, state, since, ends } of reader.look(pipeline)) {
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
function hasEnded(reader: engine.RunReader, run: string, id: string): boolean {
  const now = reader.lookAt(run);
  return now?.state !== "running" || now.ends.has(id);
}

/**
 * Finds the attempts of a stage on a cluster.
 * @returns their runs, a check for further output, and a message for a log that is empty
 */
async function findAttempts(cluster: jobs.Cluster, pipeline: string, id: string) {
  const { queue, stages, queueError } = await inspectCluster(cluster, pipeline);
  const all = () => stages().filter((one) => one.id === id);
  const found = all().find((one) => one.job !== undefined || jobs.attemptsOf(one).ids().length > 0) ??
    all().next().value;
  const list = `see \`deno task runs --on ${cluster.name}\` for what was`;
  if (found === undefined) fail(`"${id}" was not submitted to ${cluster.name}`, list);
  let [asked, { job }] = [-Infinity, found];
  const isOn = async (attemptEnded: boolean) => {
    // An ended attempt may be the last, so the queue is asked again soon. Only the queue knows if an attempt was killed
    // on another host, so it is asked now and then in any case.
    if (performance.now() < asked + (attemptEnded ? 5_000 : 60_000)) return true;
    asked = performance.now();
    const view = await queue.poll();
    if ("jobs" in view) job = jobs.jobsByLine(found.submission, view.jobs).get(found.line);
    return "silent" in view ? !attemptEnded : job !== undefined && jobs.isLive(job);
  };
  const emptyLogMessage = () => {
    if (job !== undefined && jobs.isLive(job)) return `is ${job.state} and has printed nothing yet`;
    const unknown = queueError === undefined ? "" : ` yet, and the queue is silent: ${queueError}`;
    return `has printed nothing${unknown}`;
  };
  return { runs: jobs.attemptsOf(found), isOn, emptyLogMessage };
}

const POLL_MS = 200;

/** Prints what a stage prints, and its progress: as text, or as one JSON document per line. */
class LogPrinter {
  #toldAt = -Infinity;
  #at = "";
  /** The beginning of a line whose end has not been read. */
  #rest = "";

  constructor(private readonly id: string, private readonly json: boolean) {}

  /** Prints a piece of the log. */
  print(text: string): void {
    if (!this.json) return printText(text);
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop()!;
    for (const line of lines) printLine(JSON.stringify({ type: "log", stage: this.id, line }));
  }

  /** Prints the end of the log as a line even if no line break follows it. */
  end(): void {
    if (this.#rest !== "") this.print("\n");
  }

  /** Prints the progress if it has changed, as often as a run whose output is a pipe. */
  printProgress(progress: engine.LiveProgress | undefined): void {
    const now = performance.now();
    if (progress === undefined || progress.at === this.#at || now - this.#toldAt < PROGRESS_INTERVAL_MS) return;
    [this.#toldAt, this.#at] = [now, progress.at];
    const etaMs = engine.etaOf(progress);
    if (this.json) printLine(JSON.stringify({ type: "progress", stage: this.id, ...progress, etaMs }));
    else printError(`${this.id}: ${formatLive({ progress, etaMs })}`);
  }
}

/**
 * Prints the log so far and what is appended to it, until the stage ends. Reads only the new bytes.
 * @returns true if the log had any text
 */
async function followLog(log: StageLog, run: string, printer: LogPrinter): Promise<boolean> {
  const { id, runs, reader, isOn } = log;
  const path = runs.logPath(run, id);
  const decoder = new TextDecoder();
  let at = 0;
  for (;;) {
    // This check comes before reading, so that text written just before the end is still read.
    const attemptEnded = hasEnded(reader, run, id);
    const ended = isOn === undefined ? attemptEnded : !await isOn(attemptEnded);
    // A run on this machine has one attempt.
    const next = isOn === undefined ? run : runs.ids()[0]!;
    at += await printFrom(path, at, decoder, (text) => printer.print(text));
    if (next > run) return await followLog(log, next, printer) || at > 0;
    if (ended) return at > 0;
    printer.printProgress(runs.lastProgress(run, id));
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
