import { join } from "node:path";
import { findEarlier, findRuns, type Runs } from "noiseline/core";
import type { AnyCommand, CliSettings } from "../settings.ts";
import { formatDuration } from "../format/duration.ts";
import { formatLive, liveToJson } from "../format/live.ts";
import { plannedToJson } from "../format/plan_json.ts";
import { formatState } from "../format/reasons.ts";
import { phraseEarlier } from "../reporters/ending.ts";
import { styleFor } from "../format/style.ts";
import { formatTable } from "../format/table.ts";
import { printJson, printLine } from "../io.ts";
import { loadForCommand, makePlanner, openForCommand, pipelineCommand, planNothingFor, STORE_OPTION } from "../load.ts";

const EXAMPLES = `
Examples:
  deno task status pipelines/digits.yaml
  deno task status pipelines/digits.yaml --json`;

/** `status FILE` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return pipelineCommand("status").summary("Show the state of each stage and what is running")
    .description("Show the state of each stage, the last run and, during a run, the process to signal.")
    .addOption(STORE_OPTION)
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
      const earlier = findEarlier({ pipeline, stages }, store);
      if (json) {
        printJson({
          pipeline: pipeline.name,
          store: store.root,
          stages: [...stages].map(([id, planned]) => {
            const now = runs.stages.get(id);
            return { ...plannedToJson(id, planned), running: now && liveToJson(now) };
          }),
          running: runs.running.map((run) => ({ ...run, now: stagesOf(runs, run.runId) })),
          last: runs.last,
          earlier,
        });
        return;
      }
      const style = styleFor();
      const rows = [...stages].map(([id, planned]) => {
        const ran = runs.last?.stages[id];
        const now = runs.stages.get(id);
        if (now !== undefined) return [id, "running", formatLive(now)];
        // Bringing back what is there takes no work; a time beside it would be read as a forecast.
        const isTold = ran?.state === "ran" && planned.state !== "restore";
        return [id, formatState(planned), isTold ? formatDuration(ran.durationMs) : ""];
      });
      for (const line of formatTable(rows)) printLine(line);
      for (const run of runs.running) {
        const now = stagesOf(runs, run.runId).join(", ");
        const what = now === "" ? "" : ` (${now})`;
        printLine(`${style.accent("running")}: pid ${run.pid} on ${run.host} since ${run.startedAt}${what}`);
      }
      if (earlier.length > 0) printLine(phraseEarlier(earlier, join(store.paths.outputs, pipeline.name)));
      if (runs.last !== undefined) printLine(`last run: ${runs.last.runId} ${runs.last.status}`);
    });
}

function stagesOf({ stages }: Runs, runId: string): string[] {
  return [...stages.values()].filter(({ run }) => run.runId === runId).map(({ id }) => id);
}
