import { encodeEvents, type ScalarEvent } from "noiseline/report";
import { contentOf, type Experiment } from "./experiments.ts";

/** One number in a table. */
export interface MetricRow {
  readonly experiment: string;
  readonly stage: string;
  readonly metric: string;
  readonly value: number;
  readonly deviation?: number | undefined;
  readonly count: number;
  /** `0-99` */
  readonly timesteps?: string | undefined;
  readonly label?: string | undefined;
  /** Training steps of the network that was measured, where the record says. */
  readonly step?: number | undefined;
}

/** All metrics of all experiments, parts of figures included. */
export async function metricRows(experiments: readonly Experiment[]): Promise<MetricRow[]> {
  const rows = await Promise.all(experiments.map(async (one) => rowsOf(one.name, await contentOf(one))));
  return rows.flat();
}

function rowsOf(experiment: string, { metrics }: Awaited<ReturnType<typeof contentOf>>): MetricRow[] {
  return metrics.flatMap(({ title, record }) =>
    record.metrics.map(({ name, value, count, timesteps, label, deviation }): MetricRow => ({
      experiment,
      stage: title,
      metric: name,
      value,
      deviation,
      count,
      timesteps: timesteps === undefined ? undefined : `${timesteps.from}-${timesteps.to - 1}`,
      label: label === undefined ? undefined : String(label),
      step: stepOf(record),
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
    const events: ScalarEvent[] = content.curves.flatMap(({ title, rows }) =>
      rows.flatMap(({ step, loss, gradNorm, learningRate }) => [
        { step, tag: `${title}/loss`, value: loss },
        { step, tag: `${title}/gradNorm`, value: gradNorm },
        { step, tag: `${title}/learningRate`, value: learningRate },
      ])
    );
    for (const { stage, metric, timesteps, label, value, step = 0 } of rowsOf(experiment.name, content)) {
      const part = [timesteps && `t ${timesteps}`, label && `label ${label}`].filter(Boolean).join(" ");
      events.push({ step, tag: `${stage}/${metric}${part === "" ? "" : ` (${part})`}`, value });
    }
    files[experiment.name.replaceAll(" ", "/")] = encodeEvents(events, { wallTime });
  }
  return files;
}
