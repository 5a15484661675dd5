import type { Metric } from "../artifacts/metrics.ts";
import { drawDag } from "./dag.ts";
import { stageTable } from "./stages.ts";
import type {
  CurveGroup,
  Report,
  ReportCurve,
  ReportMetrics,
  ReportPicture,
  ReportStage,
  SourceFacts,
} from "./model.ts";
import { count, entryOf, figure, type Html, joined, link, markup, named, shorten, type Shown, table } from "./text.ts";

export interface Section {
  readonly id: string;
  readonly title: string;
  /** Empty if there is nothing to show; the section is then left out. */
  readonly body: readonly Html[];
}

/** Returns all sections in reading order: results come before the way they were made. */
export function sectionsOf({ metrics, curves, stages, startedMs, ...report }: Report): Section[] {
  const [likelihoods, scores] = [true, false].map((wanted) =>
    metrics.filter(({ record }) => record.metrics.some(({ name }) => name === "L_simple") === wanted)
  );
  const demos = report.demos.map(({ title, href }) =>
    markup`<p><a href="${href}">Interactive sampling page of <code>${title}</code></a>: works in any browser, offline.</p>`
  );
  return [
    { id: "scores", title: "Scores", body: metricsTables(scores!) },
    { id: "demo", title: "Interactive sampling", body: demos },
    { id: "samples", title: "Samples", body: pictures([...report.samples, ...report.data]) },
    { id: "training", title: "Training", body: curvePlaces(groupCurves(curves)) },
    { id: "films", title: "From noise to image", body: pictures(report.films) },
    {
      id: "likelihood",
      title: "Loss and likelihood",
      body: [...metricsTables(likelihoods!), ...pictures(report.rates)],
    },
    { id: "neighbours", title: "Nearest training images", body: pictures(report.neighbours) },
    { id: "schedule", title: "Noise schedule", body: pictures(report.schedules) },
    {
      id: "pipeline",
      title: "Pipeline",
      body: stages.length === 0 ? [] : [drawDag(stages), stageTable(stages, startedMs)],
    },
    { id: "params", title: "Params", body: params(stages) },
  ];
}

function params(stages: readonly ReportStage[]): Html[] {
  return stages.filter((stage) => stage.params.length > 0).map(({ id, kind, params }) => {
    const rows = params.map(({ path, value, origin }) => [
      markup`<code>${shorten(path)}</code>`,
      markup`<code>${shorten(JSON.stringify(value))}</code>`,
      shorten(origin.join(" ← ")),
    ]);
    const shown = table(["param", "value", "from"], rows);
    return markup`<details><summary><code>${id}</code> (${kind})</summary>${shown}</details>`;
  });
}

/** Groups the logs of a matrix's children. */
export function groupCurves(curves: readonly ReportCurve[]): CurveGroup[] {
  return [...Map.groupBy(curves, ({ title }) => entryOf(title))].map(([title, group]) => ({
    title,
    runs: group.map(({ title, rows }) => ({ label: title, rows })),
  }));
}

/**
 * Returns placeholders for the charts, in the order of the page's data; only the script can draw the charts in them.
 */
export function curvePlaces(groups: readonly CurveGroup[]): Html[] {
  if (groups.length === 0) return [];
  const range = markup`<input id="smoothing" type="range" min="0" max="0.99" step="0.01" value="0.9">`;
  const log = markup`<label><input id="log-scale" type="checkbox" checked> log scale</label>`;
  const controls = markup`<div class="controls"><label>smoothing ${range}</label>${log}</div>`;
  const places = groups.map(({ title, runs }) => {
    const words = runs.map(({ label, href, rows }) => {
      const { step, ...figures } = rows.at(-1) ?? { step: undefined };
      const named = Object.entries(figures).map(([name, value]) => `${nameOfFigure(name)} ${figure(value)}`).join(", ");
      const said = step === undefined
        ? "no steps"
        : `${count(rows.length)} ${rows.length === 1 ? "point" : "points"}, the last at step ${count(step)}: ${named}`;
      return markup`<p>${label === title ? "" : [link(label, href), ": "]}${said}</p>`;
    });
    const place = `curve-${encodeURIComponent(title)}`;
    return markup`<h3>${title}</h3>${words}<div id="${place}" class="charts" data-curve="${title}"></div>`;
  });
  return [controls, ...places];
}

/** Returns a figure's name in words: `gradNorm` becomes `gradient norm`. */
function nameOfFigure(name: string): string {
  return { gradNorm: "gradient norm" }[name] ?? name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

/** Groups pictures that differ only in the training step; if two have the same step, something else differs too. */
export function grouped(all: readonly ReportPicture[]): ReportPicture[][] {
  const groups = Map.groupBy(
    all,
    ({ title, note, step, comparisonCell }) =>
      JSON.stringify([comparisonCell, note, ...step === undefined ? [title] : []]),
  );
  return [...groups.values()].flatMap((group) => {
    const distinct = new Set(group.map(({ step }) => step)).size === group.length;
    return distinct ? [group] : group.map((picture) => [picture]);
  });
}

/** Returns a frame for each group, and one slider over the training steps of all. */
export function pictures(all: readonly ReportPicture[]): Html[] {
  const groups = grouped(all).map((group) => group.toSorted((a, b) => (a.step ?? 0) - (b.step ?? 0)));
  const moving = groups.filter(({ length }) => length > 1).flat();
  const steps = [...new Set(moving.map(({ step }) => step!))].sort((a, b) => a - b);
  const frames = groups.map((group, i) => {
    const isNext = i > 0 && group[0]!.comparisonCell?.[0] !== groups[i - 1]![0]!.comparisonCell?.[0];
    return markup`${isNext ? markup`<br>` : ""}${drawFrame(group)}`;
  });
  return [...(steps.length > 0 ? [slider(steps)] : []), ...frames];
}

function slider(steps: readonly number[]): Html {
  const last = steps.length - 1;
  const all = JSON.stringify(steps);
  const range = markup`<input id="steps" type="range" min="0" max="${last}" value="${last}" data-steps="${all}">`;
  return markup`<div class="slider"><label>training step ${range}</label><span></span></div>`;
}

/** @param frames sorted by step; the last is shown until the slider moves */
function drawFrame(frames: readonly ReportPicture[]): Html {
  const captionOf = ({ title, step }: ReportPicture) =>
    step === undefined ? title : `${title}, after ${step.toLocaleString("en")} steps`;
  const last = frames.at(-1)!;
  // Drawings too become images, so that ids in one drawing cannot collide with those in another.
  const images = frames.map((picture) => {
    const { note, isDrawing, source, step } = picture;
    const caption = captionOf(picture);
    const uri = typeof source === "string"
      ? source
      : `data:image/${isDrawing ? "svg+xml" : "png"};base64,${source.toBase64()}`;
    const alt = [caption, note].filter(Boolean).join(". ");
    const lazy = typeof source === "string" ? markup` loading="lazy"` : "";
    const state = [isDrawing ? markup` class="drawing"` : "", picture === last ? "" : markup` hidden`];
    return markup`<img src="${uri}" alt="${alt}"${lazy} data-step="${step}" data-caption="${caption}"${state}>`;
  });
  const cells = last.cells && markup` data-cells="${JSON.stringify(last.cells)}"`;
  const caption = markup`<figcaption>${link(markup`<b>${captionOf(last)}</b>`, last.href)} ${last.note}</figcaption>`;
  return markup`<figure class="frames" data-name="${last.title}"${cells}><div class="scroll">${images}</div>${caption}</figure>`;
}

/**
 * Returns a table for each record, the last first; records of matrix children with the same provenance share a table.
 */
function metricsTables(all: readonly ReportMetrics[]): Html[] {
  const alike = Map.groupBy(all, ({ title, record }) => JSON.stringify([entryOf(title), provenance(record)]));
  return [...alike.values()].reverse().map((group) => {
    const several = group.length > 1;
    const figures = group.flatMap(({ title, record }) => record.metrics.map((metric) => ({ title, metric })));
    const rows = [...Map.groupBy(figures, ({ metric }) => metric.name + qualifier(metric)).values()].flat()
      .map(({ title, metric }) => [
        markup`${metric.name}${small(qualifier(metric))}`,
        ...(several ? [markup`<code>${title}</code>`] : []),
        markup`<b>${figure(metric.value)}</b>${small(named("±", metric.deviation && figure(metric.deviation)))}`,
        metric.count.toLocaleString("en"),
        metric.note,
      ]);
    const [{ title, record }] = group as [ReportMetrics];
    const head = markup`<h3>${several ? entryOf(title) : title}</h3><p class="provenance">${provenance(record)}</p>`;
    return markup`${head}${table(["metric", ...(several ? ["stage"] : []), "value", "N", "note"], rows)}`;
  });
}

function qualifier({ timesteps, label }: Metric): string {
  return timesteps === undefined ? named("label", label) ?? "" : `t ${timesteps.from}–${timesteps.to - 1}`;
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
      const isDrawn = name === "sample";
      const details = joined([isDrawn ? undefined : name, split, ...how, weights, named("seed", drawn)], ", ");
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
  const weights = guide && joined([guide.weights, "weights"], " ");
  const away = guide &&
    `from ${weights}${guide.step === undefined ? "" : ` after ${guide.step.toLocaleString("en")} steps`}`;
  const levels = guidanceInterval && `at noise levels ${guidanceInterval.from} to ${guidanceInterval.to}`;
  return joined([`guidance ${guidance}`, away, levels], " ");
}
