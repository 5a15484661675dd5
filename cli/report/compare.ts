import { escapeHtml, type Page, type Report, type Section, sectionsOf, table, thinned } from "noiseline/report";
import { figure } from "noiseline/report";
import { contentOf, type Experiment } from "./experiments.ts";

export interface Comparison {
  readonly names: readonly string[];
  /** A number for each experiment that has it. */
  readonly metrics: readonly { readonly name: string; readonly values: readonly (number | undefined)[] }[];
  /** Params that are not the same in all experiments that have the stage. */
  readonly params: readonly { readonly path: string; readonly values: readonly unknown[] }[];
}

type Content = Omit<Report, "title" | "subtitle" | "stages">;

/** Set experiments side by side. @returns the figures, and what else a page shows of each */
export async function compareExperiments(
  experiments: readonly Experiment[],
): Promise<{ readonly comparison: Comparison; readonly contents: readonly Content[] }> {
  const contents = await Promise.all(experiments.map(contentOf));
  const columns = contents.map(({ metrics }) =>
    new Map(metrics.flatMap(({ title, record }) =>
      // Parts of a figure belong into the report of one experiment.
      record.metrics.filter(({ timesteps, label }) => timesteps === undefined && label === undefined)
        .map(({ name, value }) => [`${title} ${name}`, value] as const)
    ))
  );
  const names = [...new Set(columns.flatMap((column) => [...column.keys()]))];
  const leaves = experiments.map(({ stages }) =>
    new Map([...stages].flatMap(([id, { params }]) => [...leavesOf(params, [id])]))
  );
  const paths = [...new Set(leaves.flatMap((one) => [...one.keys()]))];
  const params = paths.map((path) => ({ path, values: leaves.map((one) => one.get(path)) }))
    .filter(({ path, values }) => {
      // A stage that an experiment lacks is no difference in its params.
      const has = experiments.map(({ stages }) => [...stages.keys()].some((id) => path.startsWith(`${id}.`)));
      return new Set(values.filter((_, i) => has[i]).map((value) => JSON.stringify(value))).size > 1;
    });
  return {
    comparison: {
      names: shortNames(experiments),
      metrics: names.map((name) => ({ name, values: columns.map((column) => column.get(name)) })),
      params,
    },
    contents,
  };
}

/** Of experiments of one pipeline, what tells them apart. */
function shortNames(experiments: readonly Experiment[]): string[] {
  const sources = new Set(experiments.map(({ name }) => name.split(" ")[0]));
  const all = experiments.map(({ name }) => sources.size > 1 ? name : name.split(" ").slice(1).join(" "));
  return all.some((name) => name === "") ? experiments.map(({ name }) => name) : all;
}

function* leavesOf(value: unknown, path: readonly string[]): Generator<readonly [string, unknown]> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) yield [path.join("."), value];
  else for (const [key, inner] of Object.entries(value)) yield* leavesOf(inner, [...path, key]);
}

/** The comparison as a page: tables, curves over each other, pictures side by side. */
export function comparisonPage(
  { names, metrics, params }: Comparison,
  contents: readonly Content[],
): Page {
  const cells = (values: readonly unknown[], show: (value: unknown) => string) =>
    values.map((value) => value === undefined ? "–" : show(value));
  const code = (value: unknown) => `<code>${escapeHtml(JSON.stringify(value))}</code>`;
  const byExperiment = (first: string, rows: readonly (readonly string[])[]) =>
    upright([[first, ...names.map(escapeHtml)], ...rows]);
  const curves = [...new Set(contents.flatMap((content) => content.curves.map(({ title }) => title)))];
  const overlays = curves.map((title) => ({
    title: `${title}: loss`,
    runs: contents.flatMap((content, i) =>
      content.curves.filter((curve) => curve.title === title).map(({ rows }) => ({
        label: names[i]!,
        steps: thinned(rows).map(({ step }) => step),
        values: thinned(rows).map(({ loss }) => loss),
      }))
    ),
  }));
  const samples = sideBySide(names, contents);
  const all: Section[] = [
    {
      id: "metrics",
      title: "Metrics",
      html: metrics.length === 0 ? "" : byExperiment(
        "metric",
        metrics.map(({ name, values }) => [escapeHtml(name), ...cells(values, (value) => figure(value as number))]),
      ),
    },
    {
      id: "params",
      title: "Params that differ",
      html: params.length === 0 ? "<p>None: the same experiment.</p>" : byExperiment(
        "param",
        params.map(({ path, values }) => [`<code>${escapeHtml(path)}</code>`, ...cells(values, code)]),
      ),
    },
    { id: "curves", title: "Training", html: overlayHtml(overlays.map(({ title }) => title)) },
    { id: "samples", title: "Samples", html: samples },
  ];
  return {
    title: "Comparison",
    subtitle: `${names.length} experiments`,
    sections: all.filter(({ html }) => html !== ""),
    data: { curves: [], overlays },
  };
}

/** More experiments than this go down the page, not across it. */
const MOST_ACROSS = 6;

/** A table of rows, the first being its header; turned where that many experiments would not fit beside each other. */
function upright(rows: readonly (readonly string[])[]): string {
  const across = rows[0]!.length - 1 <= MOST_ACROSS;
  const shown = across ? rows : rows[0]!.map((_, i) => rows.map((row) => row[i]!));
  const [header, ...body] = shown;
  return table(across ? header! : ["", ...header!.slice(1)], body);
}

function overlayHtml(titles: readonly string[]): string {
  if (titles.length === 0) return "";
  return `<div class="controls"><label>smoothing <input id="smoothing" type="range" min="0" max="0.99" step="0.01" ` +
    `value="0.9"></label><label><input id="log" type="checkbox" checked> log scale</label></div>` +
    titles.map((title, i) => `<div class="charts" data-overlay="${i}" aria-label="${escapeHtml(title)}"></div>`).join(
      "",
    );
}

/** The samples of each stage of all experiments; those of one training step share a frame of the slider. */
function sideBySide(names: readonly string[], contents: readonly Content[]): string {
  const none = { curves: [], films: [], schedules: [], rates: [], metrics: [], neighbours: [] };
  const samples = contents.flatMap((content, i) =>
    content.samples.map((picture) => ({
      ...picture,
      title: `${names[i]}: ${picture.title}`,
      note: `${names[i]}; ${picture.note}`,
    }))
  );
  const sections = sectionsOf({ title: "", subtitle: "", stages: [], ...none, samples });
  return sections.find(({ id }) => id === "samples")?.html ?? "";
}
