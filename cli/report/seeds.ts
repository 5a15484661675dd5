import type { Ingredients } from "noiseline/engine";
import type { Experiment } from "./experiments.ts";

/** For each experiment the seed that tells it from others; undefined where there are several, or none. */
export function seedsOf(experiments: readonly Experiment[]): (number | undefined)[] {
  const all = experiments.map(({ made }) => [...made].filter(([, { seed }]) => seed !== null));
  const byStage = Map.groupBy(all.flat(), ([stage]) => stage);
  const varies = (stage: string) => new Set(byStage.get(stage)!.map(([, { seed }]) => seed)).size > 1;
  return all.map((stages) => {
    const varying = stages.filter(([stage]) => varies(stage));
    const seeds = new Set((varying.length > 0 ? varying : stages).map(([, { seed }]) => seed!));
    return seeds.size === 1 ? [...seeds][0] : undefined;
  });
}

/** Experiments, by their places, that differ in their seeds alone, and their stages that do where others do not. */
export function seedGroups(
  experiments: readonly Experiment[],
): { readonly members: readonly number[]; readonly of: string | undefined }[] {
  const groups = Map.groupBy(experiments.keys(), (i) => {
    const said = ({ kind, version, params, externals }: Ingredients) => [kind, version, params, externals];
    return JSON.stringify([textOf(experiments[i]!, said), experiments[i]!.unknown]);
  });
  // The same seeds twice, as of a run and its tag, are one experiment.
  const distinct = (members: number[]) => Map.groupBy(members, (i) => textOf(experiments[i]!, ({ seed }) => seed));
  return [...groups.values()].map((members) => [...distinct(members).values()].map(([first]) => first!))
    .filter(({ length }) => length > 1).map((members) => {
      const made = members.map((i) => experiments[i]!.made);
      const seeded = [...made[0]!].filter(([, { seed }]) => seed !== null).map(([stage]) => stage);
      const of = seeded.filter((stage) => new Set(made.map((one) => one.get(stage)!.seed)).size > 1);
      return { members, of: of.length < seeded.length ? of.join(" ") : undefined };
    });
}

/** In the order of the stages' names: a run notes its results as they come. */
function textOf({ made }: Experiment, tell: (ingredients: Ingredients) => unknown): string {
  return [...made].map(([stage, ingredients]) => JSON.stringify([stage, tell(ingredients)])).sort().join();
}
