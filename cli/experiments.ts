import { parseStageId, planRecordOf } from "noiseline/engine";
import type { CliSettings } from "./command.ts";
import { type LoadArguments, loadForCommand, makePlanner } from "./open.ts";
import { type Experiment, experimentsOf, matchesSelection } from "../pages/results/experiments.ts";

/** Returns the experiments of a pipeline as it is now: all, or those of the named stages, in that order. */
export async function experimentsOfPipeline(settings: CliSettings, options: LoadArguments) {
  const loaded = await loadForCommand(settings, options);
  const plan = await makePlanner(loaded).plan();
  const { stages } = plan;
  const found = Array.from(stages, ([id, { manifest }]) => [id, manifest] as const);
  const own = [...stages.values()].flatMap(({ stage: { kind } }) => kind.userCode);
  const uses = new Map(own.map(({ digest, uses }) => [digest, uses]));
  const all = experimentsOf(loaded.pipeline.name, found, loaded.store, { uses, planned: planRecordOf(plan).stages });
  const isOf = (id: string, one: Experiment) => {
    const { select } = parseStageId(id);
    return Object.keys(select).length > 0 ? matchesSelection(select, one.select) : one.stages.has(id);
  };
  const chosen = loaded.targets.flatMap((id) => all.filter((one) => isOf(id, one)));
  return { experiments: chosen.length > 0 ? [...new Set(chosen)] : all, loaded };
}
