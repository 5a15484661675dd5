import { openStoredArtifact, parseStageId, type ResultManifest, type Store, withoutShards } from "noiseline/engine";
import type { Collected, Collection, Content } from "noiseline/report";
import type { CliSettings } from "../command.ts";
import { type LoadArguments, loadForCommand, makePlanner } from "../open.ts";

/** One row of a comparison: what stands under the same values of a matrix in a pipeline, a run or a tag. */
export type Experiment = Readonly<ReturnType<typeof experimentsOf>[number]>;

export function nameOf({ source, label }: Pick<Experiment, "source" | "label">): string {
  return label === "" ? source : `${source} ${label}`;
}

/** What the stages say that have no axis of the matrix, such as the ranking of its children. */
export const SHARED = "(shared)";

type Select = Readonly<Record<string, string>>;

/**
 * Results by what a matrix made of them.
 * @param source the pipeline, run or tag @param found a result for each stage, if it has one
 * @param uses files of the user's own by the digests of their code, as far as they are known
 */
export function experimentsOf(
  source: string,
  found: Iterable<readonly [string, ResultManifest | undefined]>,
  store: Store,
  uses: ReadonlyMap<string, string> = new Map(),
) {
  const parsed = [...found].map(([id, manifest]) => ({ id, ...parseStageId(id), manifest }));
  const results = parsed.flatMap(({ manifest, ...one }) => manifest === undefined ? [] : [{ ...one, manifest }]);
  const makers = Map.groupBy(
    results.flatMap((one) => Object.values(one.manifest.outputs).map(({ digest }) => ({ digest, one }))),
    ({ digest }) => digest,
  );
  const valuesOf = ({ select }: { readonly select: Select }) =>
    Object.entries(select).map((pair) => pair.join("=")).join(" ");
  const byValues = Map.groupBy(results, valuesOf);
  // What has no axis comes last: mostly it sums up the others.
  const groups = [...Map.groupBy(parsed, valuesOf)].sort(([a], [b]) => Number(a === "") - Number(b === ""));
  return groups.map(([values, group]) => {
    const { select } = group[0]!;
    const own = byValues.get(values) ?? [];
    const made = new Set(own);
    const unknown: string[] = [];
    // A set goes over what is added on the way.
    for (const { manifest } of made) {
      for (const digest of Object.values(manifest.ingredients.inputs).flat()) {
        const before = makers.get(digest) ?? [];
        if (before.length === 0) unknown.push(digest);
        for (const { one } of before) if (isWithin(one.select, select)) made.add(one);
      }
    }
    return {
      /** The pipeline, run or tag. */
      source,
      /** The values of the matrix; empty where there is none. */
      label: values === "" && groups.length > 1 ? SHARED : values,
      select,
      uses,
      /** Of these values alone: what several experiments share is a row of its own. */
      artifacts: own.flatMap(({ stage, manifest }) => artifactsOf(stage, manifest, store)),
      /** What its stages were made of, and those that they read, by stage. */
      made: new Map([...made].map(({ stage, manifest }) => [stage, manifest.ingredients])),
      /** Contents that were read and are of no result here, so that they count as they are. */
      unknown,
      /** Its own stages, by the ids that they have in a run; and those of them that have no result. */
      stages: new Map(group.map(({ id, stage }) => [id, stage])),
      missing: group.filter(({ manifest }) => manifest === undefined).map(({ stage }) => stage),
    };
  });
}

/** The experiments of a pipeline as it is now: all, or those of the stages that are named, in their order. */
export async function experimentsOfPipeline(settings: CliSettings, options: LoadArguments) {
  const loaded = await loadForCommand(settings, options);
  const { stages } = await makePlanner(loaded).plan();
  const found = withoutShards(stages).map(([id, { manifest }]) => [id, manifest] as const);
  const own = [...stages.values()].flatMap(({ stage: { kind } }) => kind.own ?? []);
  const uses = new Map(own.map(({ digest, uses }) => [digest, uses]));
  const all = experimentsOf(loaded.pipeline.name, found, loaded.store, uses);
  const isOf = (id: string, one: Experiment) => {
    const { select } = parseStageId(id);
    return Object.keys(select).length > 0 ? isWithin(select, one.select) : one.stages.has(id);
  };
  const chosen = loaded.targets.flatMap((id) => all.filter((one) => isOf(id, one)));
  return { experiments: chosen.length > 0 ? [...new Set(chosen)] : all, loaded };
}

/** Whether what has the values of a part belongs to what has the others: to each child that has them. */
export function isWithin(part: Select, whole: Select): boolean {
  return Object.entries(part).every(([axis, value]) => whole[axis] === value);
}

/** The artifacts of a result, if there is one, by the name of its stage. */
export function artifactsOf(stage: string, result: ResultManifest | undefined, store: Store): Collected[] {
  const records = Object.entries(result?.outputs ?? {});
  return records.map(([port, record]) => {
    const several = records.filter(([, { type }]) => type === record.type).length > 1;
    return { title: several ? `${stage}.${port}` : stage, artifact: openStoredArtifact(record, store.objects) };
  });
}

/** What is left out of figures, and why, a line each. @param contents what there is to show of each experiment */
export function withoutResults(experiments: readonly Experiment[], contents: readonly Collection[]): string[] {
  const lines = [...Map.groupBy(experiments, ({ source }) => source)].flatMap(([source, own]) =>
    own.every(({ made }) => made.size === 0)
      ? [`"${source}" has no results`]
      : own.filter(({ missing }) => missing.length > 0).map((one) =>
        `"${nameOf(one)}" has no result of ${one.missing.join(", ")}`
      )
  );
  return [
    ...lines,
    ...contents.flatMap((one, i) => one.unreadable.map((what) => `${nameOf(experiments[i]!)}: ${what}`)),
  ];
}

/** Whether there is anything in it to set beside another's. */
export function isComparable({ metrics, curves, samples }: Content): boolean {
  return metrics.length + curves.length + samples.length > 0;
}
