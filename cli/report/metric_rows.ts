import { type Collection, encodeEvents, type ReportMetrics, type ScalarEvent } from "noiseline/report";
import { contentOf, type Experiment, isComparable, nameOf } from "./experiments.ts";
import { withoutResults } from "./compare.ts";
import { overSeeds, seedsOf } from "./seeds.ts";

/** One number in a table. */
export interface MetricRow {
  readonly experiment: string;
  readonly stage: string;
  readonly metric: string;
  readonly value: number;
  readonly low?: number | undefined;
  readonly high?: number | undefined;
  /** Of what the metric says; in a mean over seeds, of the values of the seeds. */
  readonly deviation?: number | undefined;
  /** N, the images that it was computed from; left out in a mean over seeds. */
  readonly count?: number | undefined;
  /** `0-99` */
  readonly timesteps?: string | undefined;
  readonly label?: string | number | undefined;
  /** Training steps of the network that was measured, where the record says. */
  readonly step?: number | undefined;
  /** The seed that tells the experiment from others. */
  readonly seed?: number | undefined;
  /** Slots of selections that took the experiment: `pick.best1`. */
  readonly chosen?: string | undefined;
  /** Of a mean over seeds: over how many. */
  readonly seeds?: number | undefined;
}

/** All metrics of all experiments, parts of figures included, then means over seeds; and what has none. */
export async function metricRows(
  experiments: readonly Experiment[],
): Promise<{ readonly rows: readonly MetricRow[]; readonly without: readonly string[] }> {
  const contents = await Promise.all(experiments.map(contentOf));
  const seeds = seedsOf(experiments);
  const rows = contents.map((content, i) => rowsOf(experiments[i]!, content, seeds[i]));
  // What a figure is about, beside its experiment.
  const keyOf = ({ stage, metric, timesteps, label }: MetricRow) => JSON.stringify({ stage, metric, timesteps, label });
  const columns = rows.map((own) => new Map(own.map((row) => [keyOf(row), row.value])));
  const means = overSeeds(experiments, columns).flatMap(({ name: experiment, metrics }) =>
    metrics.map(({ name, mean: value, deviation, count: seeds }): MetricRow => ({
      experiment,
      ...JSON.parse(name) as Pick<MetricRow, "stage" | "metric">,
      value,
      deviation,
      seeds,
    }))
  );
  return { rows: [...rows.flat(), ...means], without: withoutResults(experiments, contents) };
}

function rowsOf(experiment: Experiment, { metrics }: Collection, seed?: number): MetricRow[] {
  return metrics.flatMap(({ title, record }: ReportMetrics) =>
    record.metrics.map(({ name, value, count, timesteps, label, deviation, interval }): MetricRow => ({
      experiment: nameOf(experiment),
      stage: title,
      metric: name,
      value,
      low: interval?.low,
      high: interval?.high,
      deviation,
      count,
      timesteps: timesteps === undefined ? undefined : `${timesteps.from}-${timesteps.to - 1}`,
      label,
      step: stepOf(record),
      seed,
      chosen: experiment.chosen.join(" ") || undefined,
    }))
  );
}

/** A network's own step, or that of whoever drew the images. */
function stepOf(
  { model, images }: { readonly model?: { readonly step: number } | undefined; readonly images: unknown },
) {
  if (model !== undefined) return model.step;
  const { fake } = images as { fake?: { source?: { model?: { step?: number } } } };
  return fake?.source?.model?.step;
}

/** Event files by experiment: losses, gradient norms and learning rates by step, metrics at the step of their network. */
export async function eventFiles(
  experiments: readonly Experiment[],
  wallTime: number,
): Promise<Record<string, Uint8Array>> {
  const files: Record<string, Uint8Array> = {};
  for (const experiment of experiments) {
    const content = await contentOf(experiment);
    if (!isComparable(content)) continue;
    const events: ScalarEvent[] = content.curves.flatMap(({ title, rows }) =>
      rows.flatMap(({ step, loss, gradNorm, learningRate }) => [
        { step, tag: `${title}/loss`, value: loss },
        { step, tag: `${title}/gradNorm`, value: gradNorm },
        { step, tag: `${title}/learningRate`, value: learningRate },
      ])
    );
    for (const { stage, metric, timesteps, label, value, step = 0 } of rowsOf(experiment, content)) {
      const part = [timesteps && `t ${timesteps}`, label !== undefined && `label ${label}`].filter(Boolean).join(" ");
      events.push({ step, tag: `${stage}/${metric}${part === "" ? "" : ` (${part})`}`, value });
    }
    files[nameOf(experiment).replaceAll(" ", "/")] = encodeEvents(events, { wallTime });
  }
  return files;
}
