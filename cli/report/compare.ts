import {
  type Collection,
  escapeHtml,
  figure,
  type Page,
  type Section,
  sectionsOf,
  table,
  thinned,
} from "noiseline/report";
import { contentOf, type Experiment, isComparable, nameOf } from "./experiments.ts";
import { type OverSeeds, overSeeds, seedsOf } from "./seeds.ts";

export interface Comparison {
  readonly names: readonly string[];
  readonly seeds: readonly (number | undefined)[];
  /** Slots of selections that took the experiment: `pick.best1`. */
  readonly chosen: readonly (readonly string[])[];
  /** A number for each experiment that has it. */
  readonly metrics: readonly { readonly name: string; readonly values: readonly (number | undefined)[] }[];
  /** Params that are not the same in all experiments that have the stage. */
  readonly params: readonly { readonly path: string; readonly values: readonly unknown[] }[];
  readonly overSeeds: readonly OverSeeds[];
  /** Pipelines, children of a matrix and stages that have no results so far, and files that cannot be read. */
  readonly without: readonly string[];
}

/** Set experiments side by side. @returns the figures, and what else a page shows of each */
export async function compareExperiments(
  all: readonly Experiment[],
): Promise<{ readonly comparison: Comparison; readonly contents: readonly Collection[] }> {
  const found = await Promise.all(all.map(contentOf));
  const isShown = (i: number) =>
    all[i]!.stages.size > 0 && (isComparable(found[i]!) || !all.some((_, other) => isComparable(found[other]!)));
  const [experiments, contents] = [all, found].map((list) => list.filter((_, i) => isShown(i))) as [
    Experiment[],
    Collection[],
  ];
  const columns = contents.map(({ metrics }) =>
    new Map(metrics.flatMap(({ title, record }) =>
      // Parts of a figure belong into the report of one experiment.
      record.metrics.filter(({ timesteps, label }) => timesteps === undefined && label === undefined)
        .map(({ name, value }) => [`${title} ${name}`, value] as const)
    ))
  );
  const names = [...new Set(columns.flatMap((column) => [...column.keys()]))];
  const leaves = experiments.map(({ made }) =>
    new Map([...made].flatMap(([id, { params }]) => [...leavesOf(params, [id])]))
  );
  const paths = [...new Set(leaves.flatMap((one) => [...one.keys()]))];
  const params = paths.map((path) => ({ path, values: leaves.map((one) => one.get(path)) }))
    .filter(({ path, values }) => {
      // A stage that an experiment lacks is no difference in its params.
      const has = experiments.map(({ made }) => [...made.keys()].some((id) => path.startsWith(`${id}.`)));
      return new Set(values.filter((_, i) => has[i]).map((value) => JSON.stringify(value))).size > 1;
    });
  const shown = shortNames(experiments);
  return {
    comparison: {
      names: shown,
      seeds: seedsOf(experiments),
      chosen: experiments.map(({ chosen }) => chosen),
      metrics: names.map((name) => ({ name, values: columns.map((column) => column.get(name)) })),
      params,
      overSeeds: overSeeds(experiments, columns, shown),
      without: withoutResults(all, found),
    },
    contents,
  };
}

/** Of experiments of one pipeline, what tells them apart. */
function shortNames(experiments: readonly Experiment[]): string[] {
  const isOne = new Set(experiments.map(({ source }) => source)).size === 1;
  return experiments.map((one) => isOne && one.label !== "" ? one.label : nameOf(one));
}

/** What is left out of figures, and why, a line each. */
export function withoutResults(experiments: readonly Experiment[], contents: readonly Collection[]): string[] {
  const bySource = Map.groupBy(experiments, ({ source }) => source);
  const lines = [...bySource].flatMap(([source, own]) => {
    if (own.every(({ stages }) => stages.size === 0)) return [`${source} has no results yet`];
    const lacking = own.filter(({ missing }) => missing.length > 0);
    return lacking.map((one) => `${nameOf(one)} has no result of ${one.missing.join(", ")}`);
  });
  const unreadable = contents.flatMap((one, i) => one.unreadable.map((what) => `${nameOf(experiments[i]!)}: ${what}`));
  return [...lines, ...unreadable];
}

function* leavesOf(value: unknown, path: readonly string[]): Generator<readonly [string, unknown]> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) yield [path.join("."), value];
  else for (const [key, inner] of Object.entries(value)) yield* leavesOf(inner, [...path, key]);
}

/** The comparison as a page: tables, curves over each other, pictures side by side. */
export function comparisonPage(
  { names, seeds, chosen, metrics, params, overSeeds, without }: Comparison,
  contents: readonly Collection[],
): Page {
  const cells = (values: readonly unknown[], show: (value: unknown) => string) =>
    values.map((value) => value === undefined ? "–" : show(value));
  const code = (value: unknown) => `<code>${escapeHtml(JSON.stringify(value))}</code>`;
  const byExperiment = (first: string, rows: readonly (readonly string[])[]) =>
    upright([[first, ...names.map((name, i) => escapeHtml(name) + mark(chosen[i]!))], ...rows]);
  const seedRow = new Set(seeds).size > 1 ? [["seed", ...cells(seeds, String)]] : [];
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
      html: (metrics.length === 0 ? "" : byExperiment(
        "metric",
        [
          ...seedRow,
          ...metrics.map((
            { name, values },
          ) => [escapeHtml(name), ...cells(values, (value) => figure(value as number))]),
        ],
      )) + without.map((line) => `<p>${escapeHtml(line)}</p>`).join(""),
    },
    { id: "seeds", title: "Mean and standard deviation over seeds", html: overSeedsHtml(overSeeds) },
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

function mark(chosen: readonly string[]): string {
  return chosen.map((slot) => ` <small>${escapeHtml(slot)}</small>`).join("");
}

function overSeedsHtml(groups: readonly OverSeeds[]): string {
  if (groups.length === 0) return "";
  const names = [...new Set(groups.flatMap(({ metrics }) => metrics.map(({ name }) => name)))];
  const rows = names.map((name) => [
    escapeHtml(name),
    ...groups.map(({ metrics }) => {
      const one = metrics.find((metric) => metric.name === name);
      return one === undefined ? "–" : `${figure(one.mean)} <small>± ${figure(one.deviation)}</small>`;
    }),
  ]);
  const heads = groups.map(({ name, names }) => `${escapeHtml(name)} <small>${names.length} seeds</small>`);
  return upright([["metric", ...heads], ...rows]);
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
function sideBySide(names: readonly string[], contents: readonly Collection[]): string {
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
