import { leavesIn, parseStageId } from "noiseline/engine";
import {
  addressOf,
  beside,
  curvePlaces,
  entryOf,
  link,
  liveContent,
  type LiveRun,
  type LiveStage,
  markup,
  type Page,
  paramName,
  pictures,
  type ReportCurve,
  type Shown,
  table,
  timeOf,
} from "noiseline/report";
import { isWhole, phraseMean, shortNumber, withDeviation } from "../format/metrics.ts";
import { showParam } from "../format/plan.ts";
import { type Experiment, isComparable, isWithin, nameOf, SHARED } from "./experiments.ts";
import { common, figuresOf, type MetricRow } from "./figures.ts";

type Compared = Awaited<ReturnType<typeof compareExperiments>>;
type Comparison = Compared["comparison"];

/** An experiment; on a server with the run that it is of, and the curves of that: they tell of stages without results so far. */
export interface Candidate {
  readonly experiment: Experiment;
  readonly now?: { readonly run: LiveRun; readonly curves: readonly ReportCurve[] };
}

/**
 * Set experiments side by side.
 * @returns the figures, and what else a page shows of each
 */
export async function compareExperiments(all: readonly Candidate[]) {
  const experiments = all.map(({ experiment }) => experiment);
  const names = shortNames(experiments);
  const found = await figuresOf(experiments, names, { isServed: all.some(({ now }) => now !== undefined) });
  const parts = all.map(({ experiment, now }, i) => {
    const content = found.contents[i]!;
    return {
      ...{ experiment, name: names[i]!, seed: found.seeds[i] },
      ...{ run: now?.run, href: now && addressOf("run", now.run.runId) },
      content: now === undefined ? content : liveContent(now.run, now.curves, content, experiment.stages),
      figures: new Map(found.own[i]!.filter(isWhole).map((row) => [columnOf(row), row])),
    };
  });
  const telling = parts.filter(({ content, run, experiment: { label, missing } }) => {
    return isComparable(content) || (label !== SHARED && missing.length > 0 && run?.state === "running");
  });
  const isThere = ({ experiment, run }: typeof parts[number]) => experiment.made.size > 0 || run !== undefined;
  const shown = telling.length > 0 ? telling : parts.filter(isThere);
  const columns = [...new Set(shown.flatMap(({ figures }) => [...figures.keys()]))];
  // Children of a matrix may be many, all of one run.
  const planned = new Map([...new Set(shown.map(({ run }) => run))].map((run) => [run, run?.stages.map(parsed) ?? []]));
  const stages = shown.map(({ experiment, run }) => paramsByStage(experiment, planned.get(run)!));
  const leaves = stages.map((own) => new Map([...own.values()].flat()));
  const uses = new Map(experiments.flatMap((one) => [...one.uses]));
  const named = (value: unknown) => uses.get(String(value)) ?? value;
  const paths = [...new Set(leaves.flatMap((one) => [...one.keys()]))];
  const seeds = shown.map(({ seed }) => seed);
  const comparison = {
    names: shown.map(({ name }) => name),
    seeds,
    /** A number for each experiment that has it. */
    metrics: columns.map((name) => ({ name, values: shown.map(({ figures }) => figures.get(name)?.value) })),
    /**
     * Params that are not the same in all experiments that have the stage: one that lacks it is no difference, nor is a
     * stage's seed that is the experiment's.
     */
    params: paths.map((path) => ({ path, values: leaves.map((one) => one.get(path)) })).filter(({ path, values }) => {
      const has = stages.map((own) => [...own.keys()].some((id) => path.startsWith(`${id}.`)));
      return new Set(values.filter((_, i) => has[i]).map((value) => JSON.stringify(value))).size > 1 &&
        !(path.endsWith(".seed") && values.every((value, i) => value === undefined || value === seeds[i]));
    }).map(({ path, values }) => ({ path, values: values.map(named) })),
    /** Means over experiments that differ in their seeds alone. */
    overSeeds: found.means.filter(isWhole),
    /** Pipelines, children of a matrix and stages that have no results so far, and files that cannot be read. */
    without: found.without,
  };
  return { comparison, parts: labelled(shown, comparison.params) };
}

/** A run's id begins with its time. */
const RUN_ID = /^\d{8}T\d{9}-/;
/** A label of more params is none. */
const MOST_SAID = 3;

/**
 * Of runs what tells them apart: params, where these do not the seed too, or when they began; of others their names.
 * Children of a matrix begin with its values, and need the rest only where another run has the same.
 */
function labelled<
  T extends Readonly<{ experiment: Experiment; name: string; seed: number | undefined; run: LiveRun | undefined }>,
>(
  parts: readonly T[],
  params: readonly { readonly path: string; readonly values: readonly unknown[] }[],
) {
  const isSeeded = new Set(parts.map(({ seed }) => seed)).size > 1;
  const choices = parts.map(({ experiment: { source, label }, name, seed, run }, i) => {
    const began = run && timeOf(run.startedMs);
    if (began === undefined && !RUN_ID.test(source)) return [name];
    const alike = (_: unknown, k: number) => parts[k]!.experiment.label === label;
    const said = params.filter(({ values }) => values[i] !== undefined)
      .filter(({ values }) => label === "" || new Set(values.filter(alike).map(showParam)).size > 1).slice(0, MOST_SAID)
      .map(({ path, values }) => `${path.split(".").at(-1)}=${showParam(values[i])}`);
    const seeded = isSeeded && seed !== undefined ? [...said, `seed=${seed}`] : said;
    return [[], said, seeded, [began ?? source]].map((words) => [label, ...words].join(" ").trim());
  });
  const isOwn = (text: string, k: number) => text !== "" && choices.filter((own) => own[k] === text).length === 1;
  return parts.map((one, i) => ({ ...one, label: choices[i]!.find(isOwn) ?? one.name }));
}

function columnOf({ stage, metric }: Pick<MetricRow, "stage" | "metric">): string {
  return `${stage} ${metric}`;
}

/** Of experiments of one pipeline, what tells them apart. */
function shortNames(experiments: readonly Experiment[]): string[] {
  const isOne = new Set(experiments.map(({ source }) => source)).size === 1;
  return experiments.map((one) => isOne && one.label !== "" ? one.label : nameOf(one));
}

/** A comparison as a table with a header: a row for each experiment that has a figure, and for each mean over seeds. */
export function sheetOf({ seeds, metrics, params, overSeeds }: Comparison, parts: Compared["parts"]): string[][] {
  const spread = (value: unknown, deviation?: number) =>
    deviation && typeof value === "number" ? withDeviation(value, deviation).join(" ") : show(value);
  const show = (value: unknown) =>
    value === undefined ? "-" : typeof value === "number" ? shortNumber(value) : showParam(value);
  const columns = [
    // What is the same of all says nothing.
    ...(new Set(seeds.filter((seed) => seed !== undefined)).size > 1 ? [{ name: "seed", values: seeds }] : []),
    ...params.map(({ path, values }) => ({ name: path, values })),
    ...metrics,
  ];
  const own = parts.map(({ name, figures }, i) => [
    name,
    ...columns.map(({ name, values }) => spread(values[i], figures.get(name)?.deviation)),
  ]).filter((_, i) => metrics.length === 0 || metrics.some(({ values }) => values[i] !== undefined));
  const means = [...Map.groupBy(overSeeds, ({ experiment }) => experiment)].map(([name, figures]) => [
    `${name}, ${phraseMean(figures.reduce((most, one) => one.seeds! > most.seeds! ? one : most))}`,
    ...columns.map((column) => {
      const one = figures.find((row) => columnOf(row) === column.name);
      return one === undefined ? "" : spread(one.value, one.deviation);
    }),
  ]);
  return [["", ...columns.map(({ name }) => name)], ...own, ...means];
}

/** The code of the user's own that a stage was given by its params, by digest: its file is in no result. */
function codesIn(version: string, id: string): [path: string, code: string][] {
  const all = version.split(" ").slice(1).map((one) => one.split(":") as [string, string]);
  // What it inherits from what it reads is that one's difference.
  const own = all.filter(([param]) => !param.startsWith("+"));
  return own.map(([param, code]) => [[id, param, "uses"].filter(Boolean).join("."), code]);
}

const parsed = ({ id, params }: LiveStage) => ({ ...parseStageId(id), params });

/** Params by dotted name: as the run planned them, which has them all; else as results note them, without defaults. */
function paramsByStage({ made, select: own }: Experiment, planned: readonly ReturnType<typeof parsed>[]) {
  const mine = planned.filter(({ select, params }) => isWithin(select, own) && params.length > 0);
  const all = new Map(mine.map(({ stage, params }) => {
    return [stage, params.map(({ path, value }): Leaf => [paramName(stage, path), value])];
  }));
  for (const [id, { params, version }] of made) {
    all.set(id, [...all.get(id) ?? leavesOf(params, id), ...codesIn(version, id)]);
  }
  return all;
}

type Leaf = readonly [path: string, value: unknown];

function leavesOf(params: unknown, id: string): Leaf[] {
  return [...leavesIn([id], params, { explain: () => [] })].map(({ path, value }) => [path.join("."), value]);
}

/** The comparison as a page: tables, curves over each other, pictures side by side. */
export function comparisonPage({ comparison, parts }: Compared): Page {
  const { metrics, params, without } = comparison;
  const partOf = (name: string) => parts.find((one) => one.name === name) ?? { label: name, href: undefined };
  const overSeeds = comparison.overSeeds.map((row) => {
    const labels = row.members.map((name) => partOf(name).label);
    return { ...row, experiment: common(labels, labels.length === parts.length) };
  });
  const headed = (sheet: string[][]) =>
    upright(sheet.map(([name, ...cells]) => {
      const { label, href } = partOf(name!);
      return [markup`<span title="${name}">${link(label, href)}</span>`, ...cells];
    }));
  const logs = parts.flatMap(({ content, label, href }) => content.curves.map((one) => ({ ...one, label, href })));
  const curves = [...Map.groupBy(logs, ({ title }) => title)].map(([title, runs]) => ({ title, runs }));
  // Of each stage those of all experiments beside each other.
  const drawn = parts.flatMap(({ content, label, href }) =>
    content.samples.map((picture) => ({
      ...{ ...picture, title: `${label}: ${picture.title}`, href },
      place: [entryOf(picture.title), label] as const,
    }))
  );
  const samples = [...Map.groupBy(drawn, ({ place: [row] }) => row).values()].flat();
  const figures = metrics.length === 0 ? [] : [headed(sheetOf({ ...comparison, params: [], overSeeds }, parts))];
  const differences = params.length === 0
    ? markup`<p>None, in the stages that they share.</p>`
    : headed(sheetOf({ ...comparison, metrics: [], overSeeds: [] }, parts));
  return {
    title: "Comparison",
    subtitle: `${parts.length} experiments`,
    notes: without,
    sections: [
      { id: "metrics", title: "Metrics", body: figures },
      { id: "params", title: "Params that differ", body: [differences] },
      { id: "curves", title: "Training", body: curvePlaces(curves) },
      { id: "samples", title: "Samples", body: pictures(samples) },
      { id: "beside", title: "Side by side", body: beside(samples) },
    ],
    curves,
  };
}

/** More experiments than this go down the page, not across it. */
const MOST_ACROSS = 6;

/** A table of rows, the first being its header; turned where so few experiments fit beside each other. */
function upright(rows: readonly (readonly Shown[])[]) {
  const across = rows.length - 1 <= MOST_ACROSS;
  const [header, ...body] = across ? rows[0]!.map((_, i) => rows.map((row) => row[i]!)) : rows;
  return table(header!, body);
}
