import { Command } from "@commander-js/extra-typings";
import { delay } from "@std/async";
import { type RunRecord, runState, type Store } from "noiseline/engine";
import type { AnyCommand, CliSettings } from "../settings.ts";
import { printError, printJson, printText, refuseWith } from "../io.ts";
import { loadForCommand, PROFILE_OPTION, SET_OPTION, STORE_OPTION } from "../load.ts";
import { problem, runFor } from "../operands.ts";
import { failWith } from "../results.ts";

const EXAMPLES = `
Examples:
  deno task logs pipelines/digits.yaml train
  deno task logs pipelines/digits.yaml train --follow                       # until the stage ends
  deno task logs pipelines/digits.yaml train --run 20261125T101502000-1a2b`;

/** `logs FILE STAGE` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return new Command("logs").summary("Print the log of a stage, also while it runs")
    .description("Print the log of a stage from the newest run that has one: what it printed, its notes and warnings.")
    .argument("<file>", "pipeline file (.yaml or .ts)")
    .argument("<stage>", "stage id")
    .option("-f, --follow", "keep printing until the stage ends; during a run, wait for the stage to start")
    .option("--run <id>", "the log of this run (see `runs`)")
    .addOption(SET_OPTION).addOption(PROFILE_OPTION).addOption(STORE_OPTION)
    .option("--json", "print run, stage and lines as JSON; not with --follow")
    .addHelpText("after", EXAMPLES)
    .action(async (file, stage, options) => {
      const json = options.json ?? false;
      if (json && options.follow) {
        refuseWith([problem("--json prints one document, and --follow has no end", "leave one out")], json);
      }
      const { pipeline, store, targets } = await loadForCommand(settings, { file, ...options, targets: [stage] });
      if (targets.length > 1) {
        refuseWith([problem(`"${stage}" is several stages`, `name one of: ${targets.slice(0, 8).join(", ")}`)], json);
      }
      const id = targets[0]!;
      const run = options.run === undefined
        ? findRun(store, pipeline.name, id, options.follow === true)
        : runFor(store, options.run, json);
      if (run === undefined || (!options.follow && !isFile(store.runs.logPath(run.runId, id)))) {
        const message = options.run === undefined
          ? `no run of ${pipeline.name} has a log of "${id}"`
          : `run ${options.run} has no log of "${id}"`;
        return failWith(
          [problem(message, "it never ran, printed nothing, or its record was removed; see `runs`")],
          json,
        );
      }
      const path = store.runs.logPath(run.runId, id);
      if (json) {
        const lines = Deno.readTextFileSync(path).replace(/\n$/, "").split("\n");
        printJson({ runId: run.runId, stage: id, path, lines });
        return;
      }
      if (options.follow) await follow(store, run, id);
      else printFrom(path, 0, new TextDecoder());
    });
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** The newest run with a log of the stage; to follow it, rather one that is on and may come to it. */
function findRun(store: Store, pipeline: string, id: string, follow: boolean): RunRecord | undefined {
  let newest: RunRecord | undefined;
  for (const run of store.runs.newestFirst()) {
    if (run.pipeline !== pipeline) continue;
    if (follow && runState(run) === "running" && !hasEnded(store, run, id)) return run;
    if (isFile(store.runs.logPath(run.runId, id))) newest ??= run;
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
  if (!isFile(path) && !hasEnded(store, run, id)) printError(`waiting for "${id}" in run ${run.runId}`);
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
  if (!isFile(path)) return 0;
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
