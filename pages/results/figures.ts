import type { Ingredients } from "noiseline/engine";
import {
  collectArtifacts,
  type Collection,
  type CollectOptions,
  encodeEvents,
  type ScalarEvent,
} from "noiseline/report";
import { knownMetric } from "../../artifacts/metric_table.ts";
import { meanOverSeeds } from "../../std/figures.ts";
import { metricName, type MetricRow } from "./metric_rows.ts";
import { type Experiment, isComparable, nameOf, withoutResults } from "./experiments.ts";

/**
 * Returns the metrics of all experiments: for each its own metrics, figures of single timesteps and labels included;
 * means over seeds with their sample standard deviation; and the stages without results, with the reason.
 * @param names of the experiments
 */
export async function figuresOf(
  experiments: readonly Experiment[],
  names: readonly string[] = experiments.map(nameOf),
  options?: CollectOptions,
) {
  const contents = await Promise.all(experiments.map(({ artifacts }) => collectArtifacts(artifacts, options)));
  const seeds = experimentSeeds(experiments);
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
    // If one record has the same name twice, the values cannot be told apart, so there is no mean.
    return [...figures.values()].filter(({ length }) => length > 1 && length <= members.length)
      .map((rows): MetricRow & { readonly members: readonly string[] } => {
        const { stage, metric, timesteps, label } = rows[0]!;
        const mean = meanOverSeeds(rows.map(({ value }) => value));
        return { experiment, stage, metric, ...mean, timesteps, label, seeds: rows.length, members, seedsOf: of };
      });
  });
  return { own, means, seeds, contents, without: withoutResults(experiments, contents) };
}

/** Returns the words that all names share; if there are none, all names. */
export function common(names: readonly string[], isAll = false): string {
  const [first = [], ...others] = names.map((name) => name.split(" "));
  const shared = first.filter((word) => others.every((words) => words.includes(word))).join(" ");
  return shared || (isAll ? "all" : names.join(", "));
}

function rowsOf({ metrics }: Collection): Omit<MetricRow, "experiment">[] {
  return metrics.flatMap(({ title, record }) =>
    record.metrics.map(({ name, value, count, timesteps, label, deviation, note }) => {
      const caveat = knownMetric(name)?.caveat?.(count, record.features?.dimension ?? 0);
      return {
        stage: title,
        metric: name,
        value,
        deviation,
        count,
        timesteps: timesteps === undefined ? undefined : `${timesteps.from}-${timesteps.to - 1}`,
        label,
        // Other figures of the name, such as one that is extrapolated, have no such note.
        caveat: caveat && note?.startsWith(caveat) ? note : undefined,
        // The step of the measured network, or of the network that generated the images.
        step: (record.model ?? record.images["fake"]?.source.model)?.step,
      };
    })
  );
}

/**
 * Yields a TensorBoard event file for each experiment, with its path: losses, gradient norms and learning rates by
 * step, metrics at their network's step.
 */
export function* eventFiles(experiments: readonly Experiment[], contents: readonly Collection[], wallTime: number) {
  for (const [i, content] of contents.entries()) {
    if (!isComparable(content)) continue;
    const events: ScalarEvent[] = content.curves.flatMap(({ title, rows }) =>
      rows.flatMap(({ step, ...figures }) =>
        Object.entries(figures).map(([name, value]) => ({ step, tag: `${title}/${name}`, value }))
      )
    );
    for (const { step = 0, value, ...row } of rowsOf(content)) {
      events.push({ step, tag: `${row.stage}/${metricName(row)}`, value });
    }
    yield [nameOf(experiments[i]!).replaceAll(" ", "/"), encodeEvents(events, wallTime)] as const;
  }
}

/** Returns for each experiment the seed that distinguishes it from others; undefined if it has several, or none. */
function experimentSeeds(experiments: readonly Experiment[]): (number | undefined)[] {
  const all = experiments.map(({ made }) => [...made].filter(([, { seed }]) => seed !== null));
  const byStage = Map.groupBy(all.flat(), ([stage]) => stage);
  const varies = (stage: string) => new Set(byStage.get(stage)!.map(([, { seed }]) => seed)).size > 1;
  return all.map((stages) => {
    const varying = stages.filter(([stage]) => varies(stage));
    const seeds = new Set((varying.length > 0 ? varying : stages).map(([, { seed }]) => seed!));
    return seeds.size === 1 ? [...seeds][0] : undefined;
  });
}

/**
 * Groups experiments, given by index, that differ only in their seeds, and names the stages whose seeds differ if
 * others do not.
 */
function seedGroups(experiments: readonly Experiment[]) {
  const groups = Map.groupBy(experiments.keys(), (i) => {
    const said = ({ kind, version, params, externals }: Ingredients) => [kind, version, params, externals];
    return JSON.stringify([textOf(experiments[i]!, said), experiments[i]!.unknown]);
  });
  // The same seeds twice, as in a run and a tag of that run, count as one experiment.
  const distinct = (members: number[]) => Map.groupBy(members, (i) => textOf(experiments[i]!, ({ seed }) => seed));
  return [...groups.values()].map((members) => [...distinct(members).values()].map(([first]) => first!))
    .filter(({ length }) => length > 1).map((members) => {
      const made = members.map((i) => experiments[i]!.made);
      const seeded = [...made[0]!].filter(([, { seed }]) => seed !== null).map(([stage]) => stage);
      const of = seeded.filter((stage) => new Set(made.map((one) => one.get(stage)!.seed)).size > 1);
      return { members, of: of.length < seeded.length ? of.join(" ") : undefined };
    });
}

/**
 * Returns a text to compare experiments by, sorted by stage name because a run records its results in the order they
 * finish.
 */
function textOf({ made }: Experiment, tell: (ingredients: Ingredients) => unknown): string {
  return [...made].map(([stage, ingredients]) => JSON.stringify([stage, tell(ingredients)])).sort().join();
}
