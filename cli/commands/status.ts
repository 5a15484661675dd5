import { Command } from "@commander-js/extra-typings";
import { hostname } from "node:os";
import type { RunRecord } from "noiseline";
import { isRunning, type Store } from "noiseline/core";
import type { AnyCommand, CliSettings } from "../settings.ts";
import { formatDuration } from "../format/duration.ts";
import { plannedToJson } from "../format/plan_json.ts";
import { formatState } from "../format/reasons.ts";
import { formatTable } from "../format/table.ts";
import { printJson, printLine } from "../io.ts";
import { collect, loadForCommand, makePlanner, openForCommand, planNothingFor } from "../load.ts";

const EXAMPLES = `
Examples:
  deno task status pipelines/digits.yaml
  deno task status pipelines/digits.yaml --json`;

/** `status FILE` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return new Command("status").summary("Show what is there and what is running")
    .description("Show the state of each stage, the last run, and the process to signal while one is on.")
    .argument("<file>", "pipeline file (.yaml or .ts)")
    .option("-s, --set <path=value>", "set a param, var or the seed; repeatable", collect, [] as string[])
    .option("-p, --profile <name>", "lay a profile of the file over it; repeatable", collect, [] as string[])
    .option("--store <folder>", "where results are kept (default: .noiseline beside deno.json)")
    .option("--json", "print the status as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (file, options) => {
      const json = options.json ?? false;
      const given = { file, ...options };
      const opened = openForCommand(settings, given);
      const { store } = opened;
      const { pipeline, stages } = await planNothingFor(opened, given) ??
        await makePlanner(await loadForCommand(settings, given, opened), {}, json).plan();
      const runs = findRuns(store, pipeline.name);
      if (json) {
        printJson({
          pipeline: pipeline.name,
          store: store.root,
          stages: [...stages].map(([id, planned]) => plannedToJson(id, planned)),
          running: runs.running.map((run) => ({ ...run, now: runningStages(store, run.runId) })),
          last: runs.last,
        });
        return;
      }
      const rows = [...stages].map(([id, planned]) => {
        const ran = runs.last?.stages[id];
        return [id, formatState(planned), ran?.state !== "ran" ? "" : formatDuration(ran.durationMs)];
      });
      for (const line of formatTable(rows)) printLine(line);
      for (const run of runs.running) {
        const now = runningStages(store, run.runId).join(", ");
        printLine(`running: pid ${run.pid} on ${run.host} since ${run.startedAt}${now === "" ? "" : ` (${now})`}`);
      }
      if (runs.last !== undefined) printLine(`last run: ${runs.last.runId} ${runs.last.status}`);
    });
}

function isAlive(run: RunRecord): boolean {
  if (run.host !== hostname()) return true;
  return isRunning(run.pid);
}

/** Runs of this pipeline that are on, and the newest one that ended. */
function findRuns(store: Store, pipeline: string): { running: RunRecord[]; last: RunRecord | undefined } {
  const running: RunRecord[] = [];
  for (const run of store.runs.newestFirst()) {
    if (run.pipeline !== pipeline) continue;
    if (run.status !== "running") return { running, last: run };
    if (isAlive(run)) running.push(run);
  }
  return { running, last: undefined };
}

function runningStages(store: Store, runId: string): string[] {
  const open = new Set<string>();
  for (const note of store.runs.notes(runId)) {
    if (note.event === "started") open.add(note.stage);
    else open.delete(note.stage);
  }
  return [...open];
}
