import type { Ingredients } from "noiseline/engine";
import {
  collectArtifacts,
  type Collection,
  type CollectOptions,
  encodeEvents,
  type ScalarEvent,
  type Score,
} from "noiseline/report";
import { type Experiment, isComparable, nameOf, withoutResults } from "./experiments.ts";

/** One number in a table. Its deviation is of what the metric says, or in a mean over seeds of the values of the seeds (n - 1). */
export interface MetricRow extends Score {
  readonly experiment: string;
  /** N, the images that it was computed from; left out in a mean over seeds. */
  readonly count?: number | undefined;
  /** `0-99` */
  readonly timesteps?: string | undefined;
  readonly label?: string | number | undefined;
  /** Training steps of the network that was measured, where the record says. */
  readonly step?: number | undefined;
  /** The seed that tells the experiment from others. */
  readonly seed?: number | undefined;
  /** The stages that had other seeds, where others had the same: `evaluate` of one network. */
  readonly seedsOf?: string | undefined;
}

/**
 * All metrics of all experiments: of each its own, parts of figures included; means over seeds, with their sample
 * deviation; and without results what, and why.
 * @param names of the experiments
 */
export async function figuresOf(
  experiments: readonly Experiment[],
  names: readonly string[] = experiments.map(nameOf),
  options?: CollectOptions,
) {
  const contents = await Promise.all(experiments.map(({ artifacts }) => collectArtifacts(artifacts, options)));
  const seeds = seedsOf(experiments);
  const own = contents.map((content, i): MetricRow[] => {
    return rowsOf(content).map((row) => ({ experiment: names[i]!, ...row, seed: seeds[i] }));
  });
  const means = seedGroups(experiments).flatMap(({ members: places, of }) => {
    const members = places.map((i) => names[i]!);
    const experiment = common(members, members.length === names.length);
    const figures = Map.groupBy(
      places.flatMap((i) => own[i]!),
      ({ stage, metric, timesteps, label }) => JSON.stringify([stage, metric, timesteps, label]),
    );
    // A name that one record has twice cannot be told apart.
    return [...figures.values()].filter(({ length }) => length > 1 && length <= members.length)
      .map((rows) => ({ ...meanOf(experiment, rows), members, seedsOf: of }));
  });
  return { own, means, seeds, contents, without: withoutResults(experiments, contents) };
}

function meanOf(experiment: string, rows: readonly MetricRow[]): MetricRow {
  const { stage, metric, timesteps, label } = rows[0]!;
  const seeds = rows.length;
  const isEqual = rows.every((row) => row.value === rows[0]!.value);
  // A sum would be off by its rounding.
  const value = isEqual ? rows[0]!.value : rows.reduce((sum, row) => sum + row.value, 0) / seeds;
  const squares = rows.reduce((sum, row) => sum + (row.value - value) ** 2, 0);
  return { experiment, stage, metric, value, deviation: Math.sqrt(squares / (seeds - 1)), timesteps, label, seeds };
}

/** What names have in common, word by word; else all of them. */
export function common(names: readonly string[], isAll = false): string {
  const [first = [], ...others] = names.map((name) => name.split(" "));
  const shared = first.filter((word) => others.every((words) => words.includes(word))).join(" ");
  return shared || (isAll ? "all" : names.join(", "));
}

function rowsOf({ metrics }: Collection): Omit<MetricRow, "experiment">[] {
  return metrics.flatMap(({ title, record }) =>
    record.metrics.map(({ name, value, count, timesteps, label, deviation }) => ({
      stage: title,
      metric: name,
      value,
      deviation,
      count,
      timesteps: timesteps === undefined ? undefined : `${timesteps.from}-${timesteps.to - 1}`,
      label,
      // A network's own step, or that of whoever drew the images.
      step: (record.model ?? record.images["fake"]?.source.model)?.step,
    }))
  );
}

/** Event files by experiment: losses, gradient norms and learning rates by step, metrics at the step of their network. */
export async function eventFiles(
  experiments: readonly Experiment[],
  contents: readonly Collection[],
  wallTime: number,
) {
  const files: Record<string, Uint8Array> = {};
  for (const [i, content] of contents.entries()) {
    if (!isComparable(content)) continue;
    const events: ScalarEvent[] = content.curves.flatMap(({ title, rows }) =>
      rows.flatMap(({ step, ...figures }) =>
        Object.entries(figures).map(([name, value]) => ({ step, tag: `${title}/${name}`, value }))
      )
    );
    for (const { stage, metric, timesteps, label, value, step = 0 } of rowsOf(content)) {
      const part = [timesteps && `t ${timesteps}`, label !== undefined && `label ${label}`].filter(Boolean).join(" ");
      events.push({ step, tag: `${stage}/${metric}${part === "" ? "" : ` (${part})`}`, value });
    }
    files[nameOf(experiments[i]!).replaceAll(" ", "/")] = await encodeEvents(events, wallTime);
  }
  return files;
}

/** For each experiment the seed that tells it from others; undefined where there are several, or none. */
function seedsOf(experiments: readonly Experiment[]): (number | undefined)[] {
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
function seedGroups(experiments: readonly Experiment[]) {
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
