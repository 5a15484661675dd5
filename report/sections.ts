import type { Metric } from "../artifacts/metrics.ts";
import { drawDag } from "./dag.ts";
import type { SourceFacts } from "./facts.ts";
import type { CurveGroup, Report, ReportCurve, ReportMetrics, ReportPicture, ReportStage } from "./model.ts";
import { dataUri, entryOf, escapeHtml, figure, joined } from "./text.ts";

export interface Section {
  readonly id: string;
  readonly title: string;
  readonly html: string;
}

/** All sections that have something to show, in the order of reading: what came out before how. */
export function sectionsOf(report: Report): Section[] {
  const all: Section[] = [
    {
      id: "scores",
      title: "Scores",
      html: metricsTables(report.metrics.filter(({ record }) => !isLikelihood(record))),
    },
    { id: "samples", title: "Samples", html: pictures(report.samples) },
    { id: "training", title: "Training", html: curvesHtml(groupCurves(report.curves)) },
    { id: "films", title: "From noise to image", html: pictures(report.films) },
    { id: "likelihood", title: "Loss and likelihood", html: likelihood(report) },
    { id: "neighbours", title: "Nearest training images", html: pictures(report.neighbours) },
    { id: "schedule", title: "Noise schedule", html: pictures(report.schedules) },
    { id: "pipeline", title: "Pipeline", html: pipeline(report.stages) },
    { id: "params", title: "Params", html: params(report.stages) },
  ];
  return all.filter(({ html }) => html !== "");
}

function isLikelihood({ metrics }: ReportMetrics["record"]): boolean {
  return metrics.some(({ name }) => name === "L_simple");
}

function pipeline(stages: readonly ReportStage[]): string {
  if (stages.length === 0) return "";
  const rows = stages.map(({ id, kind, state, duration = "", numerics }) => [
    `<code>${escapeHtml(id)}</code>`,
    escapeHtml(kind),
    `<span class="state ${escapeHtml(state)}">${escapeHtml(state)}</span>`,
    escapeHtml(duration),
    escapeHtml(numerics ?? ""),
  ]);
  return `<div class="scroll">${drawDag(stages)}</div>${
    table(["stage", "kind", "state", "time", "computed on"], rows)
  }`;
}

function params(stages: readonly ReportStage[]): string {
  return stages.filter((stage) => stage.params.length > 0).map(({ id, kind, params }) => {
    const rows = params.map(({ path, value, origin }) => [
      `<code>${escapeHtml(path)}</code>`,
      `<code>${escapeHtml(JSON.stringify(value))}</code>`,
      escapeHtml(origin.join(" ← ")),
    ]);
    return `<details><summary><code>${escapeHtml(id)}</code> (${escapeHtml(kind)})</summary>${
      table(["param", "value", "from"], rows)
    }</details>`;
  }).join("");
}

/** The logs of the children of a matrix, in one group. */
export function groupCurves(curves: readonly ReportCurve[]): CurveGroup[] {
  return [...Map.groupBy(curves, ({ title }) => entryOf(title))].map(([entry, group]) => ({
    title: group.length > 1 ? entry : group[0]!.title,
    runs: group.map(({ title, rows }) => ({ label: title, rows })),
  }));
}

/** Places for the charts, in the order of the page's data. */
export function curvesHtml(groups: readonly CurveGroup[]): string {
  if (groups.length === 0) return "";
  // Filled by the script, which alone can draw them; the rows are in the page's data.
  return `<div class="controls"><label>smoothing <input id="smoothing" type="range" min="0" max="0.99" step="0.01" ` +
    `value="0.9"></label><label><input id="log" type="checkbox" checked> log scale</label></div>` +
    groups.map(({ title, runs }, i) => {
      const words = runs.map(({ label, rows }) => {
        const last = rows.at(-1);
        const said = last === undefined
          ? "no steps"
          : `${rows.length} points, the last at step ${last.step}: loss ${figure(last.loss)}, gradient norm ${
            figure(last.gradNorm)
          }, learning rate ${figure(last.learningRate)}`;
        return `<p>${escapeHtml(runs.length > 1 ? `${label}: ` : "")}${said}</p>`;
      });
      return `<h3>${escapeHtml(title)}</h3>${words.join("")}<div class="charts" data-curve="${i}"></div>`;
    }).join("");
}

/** Pictures that differ in the training step alone, together; where two have the same step, something else differs too. */
function grouped(all: readonly ReportPicture[]): ReportPicture[][] {
  const groups = Map.groupBy(
    all,
    ({ title, note, step }) => JSON.stringify(step === undefined ? [title, note] : [note]),
  );
  return [...groups.values()].flatMap((group) => {
    const distinct = new Set(group.map(({ step }) => step)).size === group.length;
    return distinct ? [group] : group.map((picture) => [picture]);
  });
}

/** A frame for each group, with a slider where it has several pictures. */
export function pictures(all: readonly ReportPicture[]): string {
  return grouped(all).map((group) => {
    const frames = group.toSorted((a, b) => (a.step ?? 0) - (b.step ?? 0));
    const first = frames.at(-1)!;
    const caption = (picture: ReportPicture) =>
      picture.step === undefined ? picture.title : `${picture.title}, after ${picture.step.toLocaleString("en")} steps`;
    // Drawings too, so that what one calls its parts cannot meet another's.
    const images = frames.map((picture) =>
      `<img src="${dataUri(picture)}" alt="${
        escapeHtml([caption(picture), picture.note].filter(Boolean).join(". "))
      }" ` +
      `data-caption="${escapeHtml(caption(picture))}"${picture.isDrawing ? ' class="drawing"' : ""}${
        picture === first ? "" : " hidden"
      }>`
    );
    const slider = frames.length < 2
      ? ""
      : `<label class="slider">training step <input type="range" min="0" max="${frames.length - 1}" value="${
        frames.length - 1
      }"></label>`;
    return `<figure class="frames"><div class="scroll">${images.join("")}</div>${slider}<figcaption><b>${
      escapeHtml(caption(first))
    }</b> ${escapeHtml(first.note)}</figcaption></figure>`;
  }).join("");
}

function likelihood({ metrics, rates }: Report): string {
  return metricsTables(metrics.filter(({ record }) => isLikelihood(record))) + pictures(rates);
}

/** A table for each record, the last first; one for those of a matrix's children that depend on the same. */
function metricsTables(all: readonly ReportMetrics[]): string {
  const alike = Map.groupBy(all, ({ title, record }) => JSON.stringify([entryOf(title), provenance(record)]));
  return [...alike.values()].reverse().map((group) => {
    const several = group.length > 1;
    const figures = group.flatMap(({ title, record }) => record.metrics.map((metric) => ({ title, metric })));
    const rows = [...Map.groupBy(figures, ({ metric }) => metric.name + qualifier(metric)).values()].flat()
      .map(({ title, metric }) => [
        escapeHtml(metric.name) + qualifier(metric),
        ...(several ? [`<code>${escapeHtml(title)}</code>`] : []),
        `<b>${figure(metric.value)}</b>${spread(metric)}`,
        metric.count.toLocaleString("en"),
        escapeHtml(metric.note ?? ""),
      ]);
    const title = several ? entryOf(group[0]!.title) : group[0]!.title;
    return `<h3>${escapeHtml(title)}</h3><p class="provenance">${provenance(group[0]!.record)}</p>${
      table(["metric", ...(several ? ["stage"] : []), "value", "N", "note"], rows)
    }`;
  }).join("");
}

function qualifier({ timesteps, label }: Metric): string {
  if (timesteps !== undefined) return ` <small>t ${timesteps.from}–${timesteps.to - 1}</small>`;
  return label === undefined ? "" : ` <small>label ${escapeHtml(String(label))}</small>`;
}

function spread({ deviation }: Metric): string {
  return deviation === undefined ? "" : ` <small>± ${figure(deviation)}</small>`;
}

/** What a number depends on, without which it compares with nothing. */
function provenance({ seed, model, features, images }: ReportMetrics["record"]): string {
  const parts: string[] = [];
  if (features !== undefined) {
    const hash = features.sha256 === undefined ? "" : `, ${features.sha256.slice(0, 12)}`;
    parts.push(`features ${features.name} (${features.dimension}${hash})`);
  }
  if (model !== undefined) parts.push(`${model.weights} weights after ${model.step.toLocaleString("en")} steps`);
  for (const [role, { count, source }] of Object.entries(images)) {
    const { name = "images", split, sampler, seed: drawn, model: drawer } = source;
    const details = joined([
      split,
      sampler && describeSampler(sampler),
      drawer?.weights === undefined ? undefined : `${drawer.weights} weights`,
      drawn === undefined ? undefined : `seed ${drawn}`,
    ], ", ");
    parts.push(`${role}: ${count.toLocaleString("en")} of ${name}${details === "" ? "" : ` (${details})`}`);
  }
  if (seed !== null) parts.push(`seed ${seed}`);
  return escapeHtml(parts.join("; "));
}

export function describeSampler({ name, steps, eta }: NonNullable<SourceFacts["sampler"]>): string {
  return joined([name, steps === undefined ? "all steps" : `${steps} steps`, eta && `eta ${eta}`], ", ");
}

export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const head = header.map((text) => `<th scope="col">${text}</th>`).join("");
  const body = rows.map((row) => `<tr>${row.map((cell) => `<td>${cell}</td>`).join("")}</tr>`).join("");
  return `<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`;
}
