import {
  LOST_FILE,
  openStoredArtifact,
  parseStageId,
  type planRecordOf,
  type ResultManifest,
  type Store,
} from "noiseline/engine";
import type { Collected, Collection, Content } from "noiseline/report";
import { samplesIn } from "./samples.ts";
import { shortList } from "../../std/shorten.ts";

/** One row of a comparison: the stages of a pipeline, run or tag that have the same matrix values. */
export type Experiment = Readonly<ReturnType<typeof experimentsOf>[number]>;

export function nameOf({ source, label }: Pick<Experiment, "source" | "label">): string {
  return label === "" ? source : `${source} ${label}`;
}

/** The label of stages that have no matrix axis, such as a ranking of the matrix children. */
export const SHARED = "(shared)";

type Select = Readonly<Record<string, string>>;

/**
 * Groups results by their matrix values.
 * @param source the pipeline, run or tag
 * @param found a result for each stage, if it has one
 * @param uses files of user code by the digests of their code, as far as they are known
 * @param planned stages with all of their params: results lack defaults
 */
export function experimentsOf(
  source: string,
  found: Iterable<readonly [string, ResultManifest | undefined]>,
  store: Store,
  { uses = new Map(), planned = [], lines = planned }: {
    readonly uses?: ReadonlyMap<string, string>;
    readonly planned?: ReturnType<typeof planRecordOf>["stages"] | undefined;
    /** The stages as planned, if their params are told elsewhere. */
    readonly lines?: Parameters<typeof samplesIn>[1];
  } = {},
) {
  const all = [...found];
  const samples = samplesIn(all, lines);
  const parsed = all.map(([id, manifest]) => ({ id, ...parseStageId(id), manifest }));
  const results = parsed.flatMap(({ manifest, ...one }) => manifest === undefined ? [] : [{ ...one, manifest }]);
  const makers = Map.groupBy(
    results.flatMap((one) => Object.values(one.manifest.outputs).map(({ digest }) => ({ digest, one }))),
    ({ digest }) => digest,
  );
  const valuesOf = ({ select }: { readonly select: Select }) =>
    Object.entries(select).map((pair) => pair.join("=")).join(" ");
  const byValues = Map.groupBy(results, valuesOf);
  // Stages without an axis come last, because they usually summarise the others.
  const groups = [...Map.groupBy(parsed, valuesOf)].sort(([a], [b]) => Number(a === "") - Number(b === ""));
  return groups.map(([values, group]) => {
    const { select } = group[0]!;
    const own = byValues.get(values) ?? [];
    const made = new Set(own);
    const unknown: string[] = [];
    // Iterating over a set also visits elements that are added during the loop.
    for (const { manifest } of made) {
      for (const digest of Object.values(manifest.ingredients.inputs).flat()) {
        const before = makers.get(digest) ?? [];
        if (before.length === 0) unknown.push(digest);
        for (const { one } of before) if (matchesSelection(one.select, select)) made.add(one);
      }
    }
    return {
      /** The pipeline, run or tag. */
      source,
      /** The matrix values; empty if there is no matrix. */
      label: values === "" && groups.length > 1 ? SHARED : values,
      select,
      uses,
      planned,
      /** Artifacts of exactly these values: artifacts that several experiments share have their own row. */
      artifacts: own.flatMap(({ stage, manifest }) => artifactsOf(stage, manifest, store, samples)),
      /** The ingredients of the experiment's stages and of all stages upstream, by stage. */
      made: new Map([...made].map(({ stage, manifest }) => [stage, manifest.ingredients])),
      /** Digests of inputs that no result here produced; they are compared as they are. */
      unknown,
      /** The experiment's own stages, by the ids that they have in a run, and those of them without a result. */
      stages: new Map(group.map(({ id, stage }) => [id, stage])),
      missing: group.filter(({ manifest }) => manifest === undefined).map(({ stage }) => stage),
    };
  });
}

/** Returns true if `whole` has all matrix values in `part`: such a part belongs to each child that has them. */
export function matchesSelection(part: Select, whole: Select): boolean {
  return Object.entries(part).every(([axis, value]) => whole[axis] === value);
}

/**
 * Returns the artifacts of a result, if there is one, titled by the name of its stage.
 * @param samples the results whose images are samples
 */
export function artifactsOf(
  stage: string,
  result: ResultManifest | undefined,
  store: Store,
  samples: ReturnType<typeof samplesIn> = new Set(),
): Collected[] {
  // A lost trial has made nothing; the table of its search says that it lost.
  const records = Object.entries(result?.outputs ?? {}).filter(([, { files }]) => files[0]?.path !== LOST_FILE);
  return records.map(([port, record]) => {
    const several = records.filter(([, { type }]) => type === record.type).length > 1;
    const isSample = record.type === "samples" || (record.type === "images" && samples.has(result!));
    const title = several ? `${stage}.${port}` : stage;
    // Only a program says by the name of its extent that it counts steps.
    const step = result!.ingredients.kind === "command" ? result!.extent ?? undefined : undefined;
    return { title, isSample, step, artifact: openStoredArtifact(record, store.objects) };
  });
}

/**
 * Returns a line for each thing that is missing from the figures, and why.
 * @param contents the collected content of each experiment
 * @param names of the experiments, for people
 */
export function withoutResults(
  experiments: readonly Experiment[],
  contents: readonly Collection[],
  names: readonly string[] = experiments.map(nameOf),
): string[] {
  const all = experiments.map((one, i) => ({ ...one, name: names[i]! }));
  const lines = [...Map.groupBy(all, ({ source }) => source)].flatMap(([source, own]) =>
    own.every(({ made }) => made.size === 0)
      ? [`"${own.length === 1 ? own[0]!.name : source}" has no results`]
      : own.filter(({ missing }) => missing.length > 0).map(({ name, missing }) =>
        `"${name}" has no result of ${shortList(missing)}`
      )
  );
  return [...lines, ...contents.flatMap((one, i) => one.unreadable.map((what) => `${names[i]}: ${what}`))];
}

/** Returns true if there is any content that can be compared with that of another experiment. */
export function isComparable({ metrics, curves, samples }: Content): boolean {
  return metrics.length + curves.length + samples.length > 0;
}
