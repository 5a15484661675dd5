import type { Score } from "noiseline/report";

/**
 * One number in a table. Its deviation is the one that the metric defines, or in a mean over seeds the sample standard
 * deviation of the seeds' values (n - 1).
 */
export interface MetricRow extends Score {
  readonly experiment: string;
  /** N, the number of images that it was computed from; undefined for a mean over seeds. */
  readonly count?: number | undefined;
  /** The timesteps that it covers, such as `0-99`. */
  readonly timesteps?: string | undefined;
  readonly label?: string | number | undefined;
  /** Why the value is not what its name promises. */
  readonly caveat?: string | undefined;
  /** Training steps of the measured network, if the record has them. */
  readonly step?: number | undefined;
  /** The seed that distinguishes the experiment from others. */
  readonly seed?: number | undefined;
  /** The stages whose seeds differed, if other stages had the same seed: `evaluate` of one network. */
  readonly seedsOf?: string | undefined;
}

/** Names a figure, with the timesteps and the label that it covers. */
export function metricName({ metric, timesteps, label }: Pick<MetricRow, "metric" | "timesteps" | "label">): string {
  const part = [timesteps && `t ${timesteps}`, label !== undefined && `label ${label}`].filter(Boolean).join(" ");
  return `${metric}${part && ` (${part})`}`;
}

/**
 * Returns the figures over all timesteps and labels. Figures of single timesteps or labels appear only in the output
 * for programs and on the page of one experiment, unless their stage has no others.
 */
export function overall<R extends MetricRow>(rows: readonly R[]): R[] {
  const isOverall = ({ timesteps, label }: MetricRow) => timesteps === undefined && label === undefined;
  const stageOf = ({ experiment, stage }: MetricRow) => JSON.stringify([experiment, stage]);
  const stages = new Set(rows.filter(isOverall).map(stageOf));
  return rows.filter((row) => isOverall(row) || !stages.has(stageOf(row)));
}

/** Describes a mean: `mean of 3 seeds`, or `mean of 3 seeds of evaluate` if all used the same network. */
export function phraseMean({ seeds, seedsOf }: Pick<MetricRow, "seeds" | "seedsOf">): string {
  return `mean of ${seeds} seeds${seedsOf === undefined ? "" : ` of ${seedsOf}`}`;
}
