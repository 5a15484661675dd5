import { commandFor } from "noiseline/core";
import type { Fault, Replay } from "noiseline/housekeeping";
import { type Answer, type AnyCommand, type CliSettings, printingAnswer, resultsCommand } from "../command.ts";
import { describeDifference } from "../format/plan.ts";
import { countOf, formatBytes, shortList } from "../format/units.ts";
import { EXIT, failWith, listenForStop, printError, refuse, valueOf } from "../io.ts";
import { type LoadArguments, loadForCommand, makePlanner, openStoreFor } from "../open.ts";

const EXAMPLES = `
  deno task verify                                        # every object of the store of this folder
  deno task verify pipelines/digits.yaml                  # the results of one pipeline
  deno task verify pipelines/digits.yaml train --resume   # train again from a saved state, compare the bytes`;

/** `verify [FILE [STAGE]]` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return resultsCommand("verify", EXAMPLES, " Damaged files are set aside, and the next run makes them again.")
    .argument("[file]", "pipeline file (.yaml or .ts)")
    .argument("[stage]", "check only the result of this stage")
    .option("--resume", "run the stage again from a saved state, outside the store, and compare the bytes")
    .action(printingAnswer(async (file, stage, options) => {
      const targets = stage === undefined ? [] : [stage];
      if (options.resume) {
        if (file !== undefined && stage !== undefined) return await resume(settings, { file, ...options, targets });
        refuse("--resume needs a pipeline and a stage", "verify FILE STAGE --resume");
      }
      const { recordsOfPlan, verifyStore } = await import("noiseline/housekeeping");
      const loaded = file === undefined ? undefined : await loadForCommand(settings, { file, ...options, targets });
      const store = loaded?.store ?? openStoreFor(options);
      const only = loaded && recordsOfPlan(await makePlanner(loaded).plan(), store, loaded.targets);
      const report = await verifyStore(store, only);
      const { faults, results, objects, bytes } = report;
      const differences = store.differences.all().filter(({ resolvedKey }) => only?.has(resolvedKey) ?? true);
      const checked = results > 0 || only === undefined;
      const good = checked ? "all good" : "there is no result yet of the code, params and inputs as they are now";
      const wrong = faults.length === 0 ? good : `${faults.length} wrong`;
      return {
        data: { store: store.root, ...report, differences },
        lines: [
          ...faults.map(describeFault),
          ...faults.length > 0 ? ["  fix:    run the pipelines again; what is damaged was set aside"] : [],
          ...differences.flatMap(describeDifference),
          `${countOf(results, "result")}, ${countOf(objects, "object")}, ${formatBytes(bytes)}: ${wrong}`,
        ],
        code: faults.length > 0 ? EXIT.failed : EXIT.done,
      };
    }));
}

function describeFault({ problem, name, file, sha256, resolvedKey }: Fault): string {
  const whose = name ?? (resolvedKey === undefined ? "no result" : `result ${resolvedKey.slice(0, 12)}`);
  const what = file === undefined ? "" : ` ${file}`;
  const object = sha256 === undefined ? "" : ` (${sha256.slice(0, 12)})`;
  return `${problem}: ${whose}${what}${object}`;
}

async function resume(settings: CliSettings, options: LoadArguments): Promise<Answer> {
  const { pipeline, store, targets } = await loadForCommand(settings, options);
  if (targets.length > 1) refuse("--resume takes one stage at a time", `name one of: ${shortList(targets)}`);
  const { replayStage } = await import("noiseline/housekeeping");
  const id = targets[0]!;
  using signals = listenForStop(printError);
  const { stop, kill } = signals;
  const onStart = (step: number) => printError(`${id}: executing it again from step ${step}`);
  const replay = valueOf(await replayStage(pipeline, store, id, { stop, kill, onStart }), failWith);
  const same = replay.outcome.status === "complete" && replay.ports.every((port) => port.recorded === port.replayed);
  const proven = same && replay.toStep > replay.fromStep;
  return {
    data: { pipeline: pipeline.name, ...replay, same, proven },
    lines: describeReplay(commandFor("run", { ...pipeline, store }, "--force", id), replay, same),
    code: replay.outcome.status === "interrupted" ? EXIT.interrupted : proven ? EXIT.done : EXIT.failed,
  };
}

function describeReplay(again: string, replay: Replay, same: boolean): string[] {
  const { stage, fromStep, toStep, numerics, outcome, ports } = replay;
  if (outcome.status === "interrupted") return [`${stage}: interrupted; nothing was compared`];
  if (outcome.status !== "complete") return [`${stage}: could not be executed again: ${outcome.message}`];
  const took = toStep > fromStep
    ? `executed again from step ${fromStep} to ${toStep}`
    : `took no step after ${fromStep}`;
  return [
    `${stage}: ${took} on ${numerics ?? "this machine"}`,
    ...ports.map(({ port, recorded, replayed }) => {
      const end = recorded === replayed ? "the same bytes" : `other bytes: ${replayed.slice(0, 12)}`;
      return `  ${port} ${recorded.slice(0, 12)}: ${end}`;
    }),
    ...same && toStep <= fromStep ? [`  nothing is proven; from the start: ${again}`] : [],
    ...same ? [] : ["  the recorded result stays; the stage is not deterministic, or its saved states are not whole"],
  ];
}
