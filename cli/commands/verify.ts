import { Command } from "@commander-js/extra-typings";
import type { Difference, Store } from "noiseline/engine";
import type { Fault, Replay } from "noiseline/housekeeping";
import type { AnyCommand, CliSettings } from "../settings.ts";
import { countOf } from "../format/count.ts";
import { formatBytes } from "../format/bytes.ts";
import { describeDifference } from "../format/difference.ts";
import { EXIT, Exit, printError, printJson, printLine, refuseWith } from "../io.ts";
import { loadForCommand, makePlanner, PROFILE_OPTION, SET_OPTION, STORE_OPTION } from "../load.ts";
import { problem, storeFor } from "../operands.ts";
import { failWith } from "../results.ts";
import { listenForStop } from "../signals.ts";

const EXAMPLES = `
Examples:
  deno task verify                                        # every object of the store of this folder
  deno task verify pipelines/digits.yaml                  # the results of one pipeline
  deno task verify pipelines/digits.yaml train --resume   # train again from a saved state, compare the bytes`;

/** `verify [FILE [STAGE]]` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return new Command("verify").summary("Check results by hashing, or by running a stage again")
    .description(
      "Hash every stored file again. Damaged files are set aside, and the next run makes them again. With --resume, " +
        "run a stage again from an earlier saved state, outside the store, and compare the bytes.",
    )
    .argument("[file]", "pipeline file (.yaml or .ts)")
    .argument("[stage]", "check only the result of this stage")
    .option("--resume", "run the stage again from its oldest saved state before the end; its result stays")
    .addOption(SET_OPTION).addOption(PROFILE_OPTION).addOption(STORE_OPTION)
    .option("--json", "print what was found as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (file, stage, options) => {
      const json = options.json ?? false;
      if (options.resume) {
        if (file === undefined || stage === undefined) {
          refuseWith([problem("--resume needs a pipeline and a stage", "verify FILE STAGE --resume")], json);
        }
        await resume(settings, { file, ...options, targets: [stage] }, json);
        return;
      }
      const { recordsOfPlan, verifyStore } = await import("noiseline/housekeeping");
      let store: Store;
      let only: Set<string> | undefined;
      if (file === undefined) store = storeFor(options);
      else {
        const loaded = await loadForCommand(settings, {
          file,
          ...options,
          targets: stage === undefined ? [] : [stage],
        });
        store = loaded.store;
        only = recordsOfPlan(await makePlanner(loaded, {}, json).plan(), store, loaded.targets);
      }
      const report = await verifyStore(store, only);
      const differences = store.differences.all().filter(({ resolvedKey }) => only?.has(resolvedKey) ?? true);
      if (json) printJson({ store: store.root, ...report, differences });
      else print(report.faults, differences);
      if (!json) {
        const wrong = report.faults.length === 0 ? "all good" : `${report.faults.length} wrong`;
        printLine(
          `${countOf(report.results, "result")}, ${countOf(report.objects, "object")}, ${
            formatBytes(report.bytes)
          }: ${wrong}`,
        );
      }
      if (report.faults.length > 0) throw new Exit(EXIT.failed);
    });
}

function print(faults: readonly Fault[], differences: readonly Difference[]): void {
  for (const { problem, name, file, sha256, resolvedKey } of faults) {
    const whose = name ?? (resolvedKey === undefined ? "no result" : `result ${resolvedKey.slice(0, 12)}`);
    const what = file === undefined ? "" : ` ${file}`;
    const object = sha256 === undefined ? "" : ` (${sha256.slice(0, 12)})`;
    printLine(`${problem}: ${whose}${what}${object}`);
  }
  if (faults.length > 0) printLine("  fix:    run the pipelines again; what is damaged was set aside");
  for (const difference of differences) for (const line of describeDifference(difference)) printLine(line);
}

async function resume(
  settings: CliSettings,
  options: Parameters<typeof loadForCommand>[1],
  json: boolean,
): Promise<void> {
  const loaded = await loadForCommand(settings, options);
  if (loaded.targets.length > 1) {
    const names = loaded.targets.slice(0, 8).join(", ");
    refuseWith([problem("--resume takes one stage at a time", `name one of: ${names}`)], json);
  }
  const { replayStage } = await import("noiseline/housekeeping");
  const id = loaded.targets[0]!;
  using signals = listenForStop((reason) => printError(reason));
  const result = await replayStage(loaded.pipeline, loaded.store, id, {
    stop: signals.stop,
    kill: signals.kill,
    onStart: (step) => printError(`${id}: executing it again from step ${step}`),
  });
  if (!result.ok) return failWith(result.diagnostics, json);
  const replay = result.value;
  const same = replay.outcome.status === "complete" && replay.ports.every((port) => port.recorded === port.replayed);
  if (json) printJson({ pipeline: loaded.pipeline.name, ...replay, same });
  else printReplay(replay, same);
  if (replay.outcome.status === "interrupted") throw new Exit(EXIT.interrupted);
  if (!same) throw new Exit(EXIT.failed);
}

function printReplay({ stage, fromStep, extent, numerics, outcome, ports }: Replay, same: boolean): void {
  if (outcome.status === "interrupted") {
    printLine(`${stage}: interrupted; nothing was compared`);
    return;
  }
  if (outcome.status !== "complete") {
    printLine(`${stage}: could not be executed again: ${outcome.message}`);
    return;
  }
  const steps = `step ${fromStep}${extent === null ? "" : ` to ${extent}`}`;
  printLine(`${stage}: executed again from ${steps} on ${numerics ?? "this machine"}`);
  for (const { port, recorded, replayed } of ports) {
    const end = recorded === replayed ? "the same bytes" : `other bytes: ${replayed.slice(0, 12)}`;
    printLine(`  ${port} ${recorded.slice(0, 12)}: ${end}`);
  }
  if (!same) {
    printLine("  the recorded result stays; the stage is not deterministic, or its saved states are not whole");
  }
}
