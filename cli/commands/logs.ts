import { existsSync } from "node:fs";
import { delay } from "@std/async";
import { type RunRecord, runState, type Store, wholeOf } from "noiseline/engine";
import { type AnyCommand, type CliSettings, pipelineCommand } from "../command.ts";
import { someOf } from "../format/units.ts";
import { failWith, printError, printJson, printText, problem, refuseWith } from "../io.ts";
import { loadForCommand, runFor } from "../open.ts";

const EXAMPLES = `
  deno task logs pipelines/digits.yaml train
  deno task logs pipelines/digits.yaml train --follow                       # until the stage ends
  deno task logs pipelines/digits.yaml train --run 20261125T101502000-1a2b`;

/** `logs FILE STAGE` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return pipelineCommand("logs", EXAMPLES)
    .argument("<stage>", "stage id")
    .option(
      "-f, --follow",
      "keep printing until the stage ends; during a run, wait for the stage to start; not with --json",
    )
    .option("--run <id>", "the log of this run (default: the newest that has one; see `runs`)")
    .action(async (file, stage, options) => {
      if (options.json && options.follow) {
        refuseWith([problem("--json prints one document, and --follow has no end", "leave one out")]);
      }
      const whole = wholeOf(stage) ?? stage;
      const { pipeline, store, targets } = await loadForCommand(settings, { file, ...options, targets: [whole] });
      if (targets.length > 1) {
        refuseWith([problem(`"${stage}" is several stages`, `name one of: ${someOf(targets)}`)]);
      }
      const id = `${targets[0]!}${stage.slice(whole.length)}`;
      const run = options.run === undefined
        ? findRun(store, pipeline.name, id, options.follow === true)
        : runFor(store, options.run);
      if (run === undefined || (!options.follow && !existsSync(store.runs.logPath(run.runId, id)))) {
        const message = options.run === undefined
          ? `no run of ${pipeline.name} has a log of "${id}"`
          : `run ${options.run} has no log of "${id}"`;
        return failWith([problem(message, "it never ran, printed nothing, or its record was removed; see `runs`")]);
      }
      const path = store.runs.logPath(run.runId, id);
      if (options.json) {
        const lines = Deno.readTextFileSync(path).replace(/\n$/, "").split("\n");
        printJson({ runId: run.runId, stage: id, path, lines });
      } else if (options.follow) await follow(store, run, id);
      else printFrom(path, 0, new TextDecoder());
    });
}

/** The newest run with a log of the stage; to follow it, rather one that is on and may come to it. */
function findRun(store: Store, pipeline: string, id: string, follow: boolean): RunRecord | undefined {
  let newest: RunRecord | undefined;
  for (const run of store.runs.newestFirst()) {
    if (run.pipeline !== pipeline) continue;
    if (follow && runState(run) === "running" && !hasEnded(store, run, id)) return run;
    if (existsSync(store.runs.logPath(run.runId, id))) newest ??= run;
    if (!follow && newest !== undefined) break;
  }
  return newest;
}

/** Whether nothing more can come into the log. */
function hasEnded(store: Store, run: RunRecord, id: string): boolean {
  const ended = store.runs.notes(run.runId).some(({ stage, event }) => stage === id && event === "finished");
  const now = store.runs.read(run.runId);
  return ended || now === undefined || runState(now) !== "running";
}

const POLL_MS = 200;

/** Print what is there and what comes, to the end of the stage. Reads only what is new. */
async function follow(store: Store, run: RunRecord, id: string): Promise<void> {
  const path = store.runs.logPath(run.runId, id);
  if (!existsSync(path) && !hasEnded(store, run, id)) printError(`waiting for "${id}" in run ${run.runId}`);
  const decoder = new TextDecoder();
  let at = 0;
  for (;;) {
    // Looked at before reading, so that what was written last is still read.
    const ended = hasEnded(store, run, id);
    at += printFrom(path, at, decoder);
    if (ended) return;
    await delay(POLL_MS);
  }
}

/** @returns how many bytes there were to print */
function printFrom(path: string, at: number, decoder: TextDecoder): number {
  if (!existsSync(path)) return 0;
  using file = Deno.openSync(path);
  file.seekSync(at, Deno.SeekMode.Start);
  const buffer = new Uint8Array(1 << 16);
  let printed = 0;
  for (let read = file.readSync(buffer); read !== null; read = file.readSync(buffer)) {
    printText(decoder.decode(buffer.subarray(0, read), { stream: true }));
    printed += read;
  }
  return printed;
}
