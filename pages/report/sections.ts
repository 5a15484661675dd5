import { knownMetric } from "../../artifacts/metric_table.ts";
import type { Metric } from "../../artifacts/metrics.ts";
import { withDeviation } from "../../std/figures.ts";
import { chartedFigures, curvePlaces, groupCurves, timestepCharts } from "./charts.ts";
import { drawDag } from "./dag.ts";
import { firstFrames, grouped, pictures } from "./frames.ts";
import type { Report, ReportMetrics, ReportPicture, SourceFacts } from "./model.ts";
import { overviewOf } from "./overview.ts";
import { searchBody, searchTables, trialNames } from "./rungs.ts";
import { settingsOf } from "./settings.ts";
import { stageTable } from "./stages.ts";
import { copyButton, entryOf, figure, type Html, joined, markup, named, type Shown, table } from "./text.ts";

export interface Section {
  readonly id: string;
  readonly title: string;
  /** Empty if there is nothing to show; the section is then left out. */
  readonly body: readonly Html[];
  /** How the section is at first, if a reader may fold it. */
  readonly fold?: "open" | "closed";
}

/** Returns all sections in reading order: results come before the way they were made. */
export function sectionsOf(report: Report): Section[] {
  const { metrics, stages, startedMs } = report;
  const overview = overviewOf(report);
  const searches = searchTables(report.rankings, stages);
  const nameOf = trialNames(searches);
  const named = (id: string, stage: string) => nameOf(id) === id ? id : `${stage}, ${nameOf(id)}`;
  const captioned = (all: readonly ReportPicture[]) =>
    all.map((one) => ({ ...one, title: one.title.replace(/^([^.:@~]+)~[^.:@]+/, named) }));
  const further = [report.pictures, report.samples, report.data].flatMap((all) =>
    grouped(captioned(all.filter((one) => !overview.shown.has(one))))
  );
  const [likelihoods, scores] = [true, false].map((wanted) =>
    metrics.filter(({ record }) =>
      record.metrics.some(({ name }) => knownMetric(name)?.section === "likelihood") === wanted
    )
  );
  const demos = report.demos.map(({ title, href }) =>
    markup`<p><a href="${href}">Interactive sampling page of <code>${title}</code></a>: works in any browser, offline.</p>`
  );
  const detail = overview.isSweep ? "closed" : "open";
  const tables = (all: readonly ReportMetrics[]) => metricsTables(all, nameOf);
  const likelihood = [...tables(likelihoods!), ...pictures(captioned(report.rates))];
  const isOn = stages.some(({ state }) => state === "running");
  const graph = stages.length === 0 ? [] : [drawDag(stages), stageTable(stages, startedMs)];
  return [
    { id: "overview", title: "Overview", body: overview.body },
    { id: "search", title: "Search", body: searchBody(searches) },
    { id: "demo", title: "Interactive sampling", body: demos },
    { id: "samples", title: "More pictures", body: firstFrames(further), fold: "open" },
    { id: "training", title: "Training", body: curvePlaces(groupCurves(report)), fold: "open" },
    { id: "films", title: "From noise to image", body: pictures(captioned(report.films)), fold: "open" },
    { id: "scores", title: "Scores", body: tables(scores!), fold: detail },
    { id: "likelihood", title: "Loss and likelihood", body: likelihood, fold: detail },
    { id: "neighbours", title: "Nearest training images", body: pictures(captioned(report.neighbours)), fold: "open" },
    { id: "pipeline", title: "Pipeline", body: graph, fold: isOn ? "open" : detail },
    { id: "schedule", title: "Noise schedule", body: pictures(report.schedules), fold: "closed" },
    { id: "params", title: "Settings", body: settingsOf(stages), fold: "closed" },
  ];
}

/**
 * Returns a table for each record, the last first; records of matrix children with the same provenance share a table.
 */
function metricsTables(all: readonly ReportMetrics[], nameOf: (id: string) => string): Html[] {
  const alike = Map.groupBy(all, ({ title, record }) => JSON.stringify([entryOf(title), provenance(record)]));
  return [...alike.values()].reverse().map((group) => {
    const several = group.length > 1;
    const figures = group.flatMap(({ title, record }) => {
      const charted = chartedFigures(record);
      return record.metrics.filter((one) => !charted.has(one)).map((metric) => ({ title, metric }));
    });
    const rows = [...Map.groupBy(figures, ({ metric }) => metric.name + qualifier(metric)).values()].flat()
      .map(({ title, metric }) => [
        markup`${metric.name}${small(qualifier(metric))}`,
        several ? markup`<code>${nameOf(title)}</code>` : undefined,
        valueOf(metric),
        metric.count.toLocaleString("en"),
        metric.note,
      ]);
    const [{ title, record }] = group as [ReportMetrics];
    const head = markup`<h3>${several ? entryOf(title) : title}</h3><p class="provenance">${provenance(record)}</p>`;
    const charts = timestepCharts(group, nameOf);
    if (rows.length === 0) return markup`${head}${charts}`;
    return markup`${head}${table(["metric", "stage", "value", "N", "note"], rows)}${charts}`;
  });
}

/** Shows as many digits as the deviation allows; all of them are copied. */
function valueOf({ value, deviation }: Metric): Html {
  const [shown, spread] = deviation ? withDeviation(value, deviation) : [figure(value), ""];
  return markup`${copyButton(markup`<b>${shown}</b>`, String(value))}${small(spread)}`;
}

function qualifier({ label, timesteps }: Metric): string {
  return joined([named("label", label), timesteps && `timesteps ${timesteps.from} to ${timesteps.to}`], ", ");
}

function small(text: string | undefined): Shown {
  return text ? markup` <small>${text}</small>` : "";
}

/** Lists what a figure depends on: figures that differ in any of it cannot be compared. */
function provenance({ seed, model, features, images }: ReportMetrics["record"]): string {
  const hash = features?.sha256 === undefined ? "" : `, ${features.sha256.slice(0, 12)}`;
  return joined([
    features && `features ${features.name} (${features.dimension}${hash})`,
    model && `${model.weights} weights after ${model.step.toLocaleString("en")} steps`,
    ...Object.entries(images).map(([role, { count, source }]) => {
      const { name, split, sampler, seed: drawn, model: drawer } = source;
      const weights = drawer?.weights === undefined ? undefined : `${drawer.weights} weights`;
      const how = [sampler && describeSampler(sampler), describeGuidance(source)];
      // Whatever made them, what is compared with real images are samples.
      const isDrawn = name === "sample" || role === "fake";
      const details = joined(
        [name === "sample" ? undefined : name, split, ...how, weights, named("seed", drawn)],
        ", ",
      );
      const set = `${count.toLocaleString("en")} ${isDrawn ? "samples" : "items"}`;
      return `${role}: ${set}${details === "" ? "" : ` (${details})`}`;
    }),
    named("seed", seed ?? undefined),
  ], "; ");
}

export function describeSampler({ name, steps, eta, uses, params = {} }: NonNullable<SourceFacts["sampler"]>): string {
  if (uses !== undefined) {
    return joined([uses, ...Object.entries(params).map(([param, value]) => `${param} ${JSON.stringify(value)}`)], ", ");
  }
  return joined([name, steps === undefined ? "all steps" : `${steps} steps`, named("eta", eta)], ", ");
}

/** Describes the guidance that images were sampled with, apart from their labels. */
export function describeGuidance({ guidance, guidanceInterval, guide }: SourceFacts): string | undefined {
  if (guidance === undefined) return undefined;
  const after = guide?.step === undefined ? undefined : `after ${guide.step.toLocaleString("en")} steps`;
  const away = guide && joined(["from", guide.weights, "weights", after], " ");
  const levels = guidanceInterval && `at noise levels ${guidanceInterval.from} to ${guidanceInterval.to}`;
  return joined([`guidance ${guidance}`, away, levels], " ");
}
