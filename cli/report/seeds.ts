import { type Experiment, nameOf } from "./experiments.ts";

/** Mean and sample deviation over experiments that differ in their seeds alone. */
export interface OverSeeds {
  /** What their names have in common. */
  readonly name: string;
  readonly names: readonly string[];
  readonly metrics: readonly {
    readonly name: string;
    readonly mean: number;
    readonly deviation: number;
    /** Seeds that have the metric. */
    readonly count: number;
  }[];
}

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

/** @param columns figures of each experiment by name @param names of the experiments */
export function overSeeds(
  experiments: readonly Experiment[],
  columns: readonly ReadonlyMap<string, number>[],
  names: readonly string[] = experiments.map(nameOf),
): OverSeeds[] {
  const groups = Map.groupBy(experiments.map((_, i) => i), (i) => JSON.stringify(withoutSeeds(experiments[i]!)));
  return [...groups.values()].flatMap((members) => {
    // The same seeds twice, as of a run and its tag, are one experiment.
    const distinct = [...new Map(members.map((i) => [seedText(experiments[i]!), i])).values()];
    const found = new Set(distinct.flatMap((i) => [...columns[i]!.keys()]));
    const metrics = [...found].map((name) => {
      const values = distinct.map((i) => columns[i]!.get(name)).filter((value) => value !== undefined);
      return { name, count: values.length, ...spreadOf(values) };
    }).filter(({ count }) => count > 1);
    if (metrics.length === 0) return [];
    return [{ name: common(distinct.map((i) => names[i]!)), names: distinct.map((i) => names[i]!), metrics }];
  });
}

function withoutSeeds({ made, unknown }: Experiment): unknown {
  const stages = [...made].map(([stage, { kind, version, params, externals }]) => [
    stage,
    kind,
    version,
    sorted(params),
    sorted(externals),
  ]);
  return [stages.sort(([a], [b]) => String(a) < String(b) ? -1 : 1), unknown];
}

function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  return Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).map(([name, inner]) => [name, sorted(inner)]);
}

function seedText({ made }: Experiment): string {
  return JSON.stringify([...made].map(([stage, { seed }]) => [stage, seed]).sort());
}

function spreadOf(values: readonly number[]): { readonly mean: number; readonly deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / Math.max(1, values.length - 1)) };
}

function common(names: readonly string[]): string {
  const [first = "", ...others] = names;
  const words = first.split(" ").filter((word) => others.every((name) => name.split(" ").includes(word)));
  return words.length === 0 ? "all" : words.join(" ");
}
