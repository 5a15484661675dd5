import { leavesIn, parseStageId } from "noiseline/engine";
import * as report from "noiseline/report";
import { countOf } from "../../std/count_of.ts";
import { shortNumber, withDeviation } from "../../std/figures.ts";
import { indexParts } from "../../std/within.ts";
import { metricName, type MetricRow, overall, phraseMean } from "./metric_rows.ts";
import { showParam } from "./phrases.ts";
import { type Experiment, isComparable, nameOf, SHARED, withoutResults } from "./experiments.ts";
import { common, figuresOf } from "./figures.ts";

type Compared = Awaited<ReturnType<typeof compareExperiments>>;
type Comparison = Compared["comparison"];

/**
 * An experiment to compare. On a server it also has its run and the run's curves, for stages without results so far.
 */
interface Candidate {
  readonly experiment: Experiment;
  readonly now?: { readonly run: report.LiveRun; readonly curves: readonly report.ReportCurve[] };
}

/** A page that is one file has its pictures in it. */
const KEPT: report.CollectOptions = { keepDrawn: (png) => png };

/**
 * Compares experiments.
 * @param options how pictures are shown
 * @returns the figures, and the other content that a page shows of each experiment
 */
export async function compareExperiments(all: readonly Candidate[], options: report.CollectOptions = KEPT) {
  const experiments = all.map(({ experiment }) => experiment);
  // Experiments of one pipeline are named by what differs between them.
  const isOne = new Set(experiments.map(({ source }) => source)).size === 1;
  const names = experiments.map((one) => isOne && one.label !== "" ? one.label : nameOf(one));
  const found = await figuresOf(experiments, names, options);
  const candidates = all.map(({ experiment, now }, i) => {
    const content = found.contents[i]!;
    return {
      ...{ experiment, name: names[i]!, seed: found.seeds[i] },
      ...{ run: now?.run, href: now && report.encodePath("run", now.run.runId) },
      content: now === undefined ? content : report.liveContent(now.run, now.curves, content, experiment.stages),
      figures: new Map(overall(found.own[i]!).map((row) => [columnOf(row), row])),
    };
  });
  // Whoever chose a run looks for it, whatever it has so far.
  const comparable = candidates.filter(({ content, run, experiment: { label } }) =>
    isComparable(content) || (label !== SHARED && run !== undefined)
  );
  const shown = comparable.length > 0 ? comparable : candidates.filter(({ experiment }) => experiment.made.size > 0);
  const columns = [...new Set(shown.flatMap(({ figures }) => [...figures.keys()]))];
  // A matrix may have many children that belong to one run, so each run is parsed once.
  // Results lack defaults, so defaults count as differences only if the plans of all are known.
  const areKnown = shown.every(({ experiment, run }) => run !== undefined || experiment.planned.length > 0);
  const linesOf = ({ experiment, run }: typeof shown[number]) =>
    run?.stages ?? (areKnown ? experiment.planned : UNPLANNED);
  const planned = new Map([...new Set(shown.map(linesOf))].map((lines) => [lines, indexPlanned(lines)]));
  const stages = shown.map((one) => paramsByStage(one, planned.get(linesOf(one))!));
  const leaves = stages.map((own) => new Map([...own.values()].flat()));
  const uses = new Map(experiments.flatMap((one) => [...one.uses]));
  const fileOr = (value: unknown) => uses.get(String(value)) ?? value;
  const holders = Map.groupBy(
    stages.entries().flatMap(([i, own]) => own.keys().map((id) => ({ id, i }))),
    ({ id }) => id,
  );
  const paths = new Map(stages.flatMap((own) => [...own].flatMap(([id, all]) => all.map(([path]) => [path, id]))));
  const seeds = shown.map(({ seed }) => seed);
  // An experiment that lacks a stage does not count as a difference, nor does a stage's seed that equals the
  // experiment's seed.
  const params = [...paths].filter(([path, id]) => {
    // How a program is started tells it from other programs, not from the toolkit's own stages. Names of its files say
    // nothing that run does not.
    const ofProgram = path.startsWith(`${id}.with.`);
    if (path.startsWith(`${id}.with.sources.`)) return false;
    const found = holders.get(id)!.filter(({ i }) => !ofProgram || leaves[i]!.has(`${id}.with.run`))
      .map(({ i }) => ({ value: leaves[i]!.get(path), seed: seeds[i] }));
    // A file that only one program has comes with another command, or with a changed line in a file that both have.
    if (isSource(path, id) && found.some(({ value }) => value === undefined)) return false;
    return new Set(found.map(({ value }) => JSON.stringify(value))).size > 1 &&
      !(path.endsWith(".seed") && found.every(({ value, seed }) => value === undefined || value === seed));
  }).map(([path]) => ({ path, values: leaves.map((one) => fileOr(one.get(path))) }));
  const scale = params.find(({ path }) => /^[^.]+\.normalize\b/.test(path))?.path;
  const scales = scale === undefined
    ? []
    : [`these differ in ${scale}: losses and distances of pixels depend on it, and cannot be compared`];
  const comparison = {
    names: shown.map(({ name }) => name),
    seeds,
    /** One value per experiment, undefined for those without the metric. */
    metrics: columns.map((name) => ({ name, values: shown.map(({ figures }) => figures.get(name)?.value) })),
    /** Params that differ between the experiments that have their stage. */
    params,
    /** Means over experiments that differ only in their seeds. */
    overSeeds: overall(found.means),
    /** Pipelines, matrix children and stages without results so far, and files that cannot be read. */
    without: [...found.without, ...scales],
  };
  const named = labelled(shown, comparison.params);
  const labelOf = new Map(named.map(({ experiment, label }) => [experiment, label]));
  const labels = experiments.map((one) => labelOf.get(one) ?? nameOf(one));
  const ranked = experiments.flatMap(({ source, label }, i) =>
    found.contents[i]!.rankings.map((one) => ({ ...one, source, title: `${one.title}~${label}` }))
  );
  const trials = new Map<string, (id: string) => string>();
  const searches = [...Map.groupBy(experiments, ({ source }) => source)].flatMap(([source, own], _, all) => {
    const rankings = ranked.filter((one) => one.source === source);
    // Experiments of one source have one plan.
    const params = new Map(own[0]!.planned.map((one) => [one.id, one.params]));
    const stages = own.flatMap(({ stages }) =>
      Array.from(stages.keys(), (id) => ({ id, params: params.get(id) ?? [] }))
    );
    const tables = report.searchTables(rankings, stages);
    trials.set(source, report.trialNames(tables));
    return tables.map((one) => all.length > 1 ? { ...one, search: `${source} ${one.search}` } : one);
  });
  const notes = [...withoutResults(experiments, found.contents, labels), ...scales];
  // Only what people read has these names: a command takes the id.
  const parts = named.map((one) => {
    const { source, label: values } = one.experiment;
    const id = `~${values.replaceAll(" ", "~")}`;
    const trial = trials.get(source)!(id);
    const said = (text: string) => trial === id ? text : text.replace(values, trial);
    return { ...one, name: said(one.name), label: said(one.label) };
  });
  return { comparison, searches, parts, notes };
}

const UNPLANNED: Experiment["planned"] = [];

type Named = Pick<Candidate, "experiment"> & {
  name: string;
  seed: number | undefined;
  run: report.LiveRun | undefined;
};

/** A run's id begins with its start time. */
const RUN_ID = /^\d{8}T\d{9}-/;
/** The largest number of params in a label. */
const MAX_LABEL_PARAMS = 3;

/**
 * Labels runs by what differs between them: params, else also the seed, else the start time. Other experiments keep
 * their names. Labels begin with the pipeline if there are several, and of matrix children with the matrix values, and
 * have the rest only if another run has the same.
 */
function labelled<T extends Named>(
  parts: readonly T[],
  params: readonly Readonly<{ path: string; values: readonly unknown[] }>[],
) {
  const isSeeded = new Set(parts.map(({ seed }) => seed)).size > 1;
  const isOne = new Set(parts.map(({ run }) => run?.pipeline)).size === 1;
  const alike = parts.map(({ experiment: { label }, run }) => JSON.stringify([label, run?.pipeline]));
  const varying = params.map(({ path, values }) => {
    const groups = [...Map.groupBy(values.keys(), (k) => alike[k]!)];
    const differ = groups.filter(([, own]) => new Set(own.map((k) => showParam(values[k]))).size > 1);
    return { path, values, among: new Set(differ.map(([key]) => key)) };
  });
  const choices = parts.map(({ experiment: { source, label }, name, seed, run }, i) => {
    const began = run && report.timeOf(run.startedMs);
    if (began === undefined && !RUN_ID.test(source)) return [name];
    const said = varying.filter(({ values, among }) => values[i] !== undefined && among.has(alike[i]!))
      .slice(0, MAX_LABEL_PARAMS)
      .map(({ path, values }) => `${path.split(".").at(-1)}=${plain(values[i])}`);
    const seeded = isSeeded && seed !== undefined ? [...said, `seed=${seed}`] : said;
    const start = isOne ? [label] : [run?.pipeline, label];
    return [[], said, seeded, [began ?? source]].map((words) => [...start, ...words].filter(Boolean).join(" "));
  });
  const counts = Map.groupBy(choices.flatMap((own) => own.map((text, k) => `${k} ${text}`)), (choice) => choice);
  const isOwn = (text: string, k: number) => text !== "" && counts.get(`${k} ${text}`)!.length === 1;
  return parts.map((one, i) => ({ ...one, label: choices[i]!.find(isOwn) ?? one.name }));
}

const plain = (value: unknown) => typeof value === "string" ? value : showParam(value);

const columnOf = (row: MetricRow) => `${row.stage} ${metricName(row)}`;

/**
 * Returns a comparison as a table with a header: one row for each experiment with a figure, and for each mean over
 * seeds.
 */
export function sheetOf({ seeds, metrics, params, overSeeds }: Comparison, parts: Compared["parts"]): string[][] {
  const show = ({ value, deviation }: MetricRow) =>
    deviation ? withDeviation(value, deviation).join(" ") : shortNumber(value);
  // Seeds that are the same everywhere are left out.
  const isSeeded = new Set(seeds.filter((seed) => seed !== undefined)).size > 1;
  const settings = [...isSeeded ? [{ path: "seed", values: seeds }] : [], ...params];
  // Settings are exact; only figures are rounded.
  const own = parts.map(({ name, figures }, i) => [
    name,
    ...settings.map(({ values }) => values[i] === undefined ? "-" : plain(values[i])),
    ...metrics.map(({ name }) => figures.has(name) ? show(figures.get(name)!) : "-"),
  ]);
  const means = [...Map.groupBy(overSeeds, ({ experiment }) => experiment)].map(([name, rows]) => {
    const figures = new Map(rows.map((row) => [columnOf(row), row]));
    const most = rows.reduce((most, one) => one.seeds! > most.seeds! ? one : most);
    const shown = metrics.map(({ name }) => figures.has(name) ? show(figures.get(name)!) : "");
    return [`${name}, ${phraseMean(most)}`, ...settings.map(() => ""), ...shown];
  });
  return [["", ...settings.map(({ path }) => path), ...metrics.map(({ name }) => name)], ...own, ...means];
}

/** True for the path of the content of a program's source. */
const isSource = (path: string, id: string) => path.startsWith(`${id}.sources[`);

/**
 * Returns digests of the user code that the params gave a stage. Results contain only the digest of such code, not its
 * file.
 */
function codesIn(version: string, id: string): [path: string, code: string][] {
  const all = version.split(" ").slice(1).map((one) => one.split(":") as [string, string]);
  // Code inherited from inputs (`+`) counts as a difference of the stage that made the input.
  const own = all.filter(([param]) => !param.startsWith("+"));
  return own.map(([param, code]) => [[id, param, "uses"].filter(Boolean).join("."), code]);
}

/**
 * Returns a function that finds the planned stages with params whose matrix values an experiment has. Of stages without
 * an axis, which all experiments of a plan share, it finds only those that have made what the experiment is made of,
 * except for experiments of a run, which may have made nothing so far.
 */
function indexPlanned(lines: readonly Pick<report.LiveStage, "id" | "kind" | "params">[]) {
  const known = lines.filter(({ params }) => params.length > 0)
    .map(({ id, kind, params }, place) => ({ ...parseStageId(id), kind, params, place }));
  const [shared, others] = [true, false].map((wanted) =>
    known.filter(({ select }) => Object.keys(select).length === 0 === wanted)
  ) as [typeof known, typeof known];
  const byStage = new Map(shared.map((one) => [one.stage, one]));
  const find = indexParts(others, ({ select }) => new Map(Object.entries(select)));
  return ({ experiment: { select, made }, run }: Pick<Named, "experiment" | "run">) => {
    const hasAll = run !== undefined || Object.keys(select).length === 0;
    const before = hasAll ? shared : [...made.keys()].flatMap((id) => byStage.get(id) ?? []);
    return [...before.toSorted((a, b) => a.place - b.place), ...find(new Map(Object.entries(select)))];
  };
}

/**
 * Returns params by dotted name: from the run's plan, which has all of them, else from the results, which lack
 * defaults.
 */
function paramsByStage(one: Pick<Named, "experiment" | "run">, plannedOf: ReturnType<typeof indexPlanned>) {
  // The more a stage's name says, the more it is meant: of a search, a trial rather than the winner.
  const mine = plannedOf(one)
    .sort((a, b) => Object.keys(a.select).length - Object.keys(b.select).length);
  const all = new Map(mine.map(({ stage, kind, params }): [string, Leaf[]] => {
    return [stage, params.map(({ path, value }) => [report.paramName(stage, path, kind), value])];
  }));
  for (const [id, { kind, params, version, externals }] of one.experiment.made) {
    const sources = Object.entries(externals).map(([name, digest]): Leaf => [`${id}.${name}`, digest])
      .filter(([path]) => isSource(path, id));
    const used = leavesIn(["with"], params, { explain: () => [] });
    const leaves = all.get(id) ??
      used.map(({ path, value }): Leaf => [report.paramName(id, path.join("."), kind), value]);
    all.set(id, [...leaves, ...codesIn(version, id), ...sources]);
  }
  return all;
}

type Leaf = readonly [path: string, value: unknown];

/** The largest number of experiments that are shown as columns; more become rows. */
const MOST_ACROSS = 6;

/** Renders the comparison as a page: tables, overlaid curves, pictures side by side. */
export function comparisonPage({ comparison, searches, parts, notes }: Compared): report.Page {
  const { metrics, params } = comparison;
  const byName = new Map(parts.toReversed().map((one) => [one.name, one]));
  const partOf = (name: string) => byName.get(name) ?? { label: name, href: undefined };
  const overSeeds = comparison.overSeeds.map((row) => {
    const labels = row.members.map((name) => partOf(name).label);
    return { ...row, experiment: common(labels, labels.length === parts.length) };
  });
  const headed = (sheet: string[][]) => {
    const rows = sheet.map(([name, ...cells]): report.Shown[] => {
      const { label, href } = partOf(name!);
      const shown = cells.map((cell) => cell === "-" ? "–" : cell);
      return [report.markup`<span title="${name}">${report.link(label, href)}</span>`, ...shown];
    });
    const isAcross = rows.length - 1 <= MOST_ACROSS;
    const [header, ...body] = isAcross ? rows[0]!.map((_, i) => rows.map((row) => row[i])) : rows;
    return report.table(header!, body);
  };
  const logs = parts.flatMap(({ content, label, href }, i) =>
    content.curves.map(({ title, rows }) => {
      const own = params.find(({ path }) => path === `${title}.objective`)?.values[i];
      return { title: report.curveTitle(title, own === undefined ? undefined : plain(own)), rows, label, href };
    })
  );
  const curves = [...Map.groupBy(logs, ({ title }) => title)].map(([title, runs]) => ({ title, runs }));
  // For each stage, the pictures of all experiments beside one another.
  const drawn = (["samples", "pictures"] as const).flatMap((kind) =>
    parts.flatMap(({ content, label, href }) =>
      content[kind].map((picture) => ({
        ...{ ...picture, title: `${label}: ${picture.title}`, href },
        comparisonCell: [report.entryOf(picture.title), label] as const,
      }))
    )
  );
  const samples = [...Map.groupBy(drawn, ({ comparisonCell: [row] }) => row).values()].flat();
  const figures = metrics.length === 0 ? [] : [headed(sheetOf({ ...comparison, params: [], overSeeds }, parts))];
  const differences = params.length === 0
    ? report.markup`<p>None, in the stages that they share.</p>`
    : headed(sheetOf({ ...comparison, metrics: [], overSeeds: [] }, parts));
  return {
    title: "Comparison",
    subtitle: countOf(parts.length, "experiment"),
    notes,
    sections: [
      { id: "metrics", title: "Metrics", body: figures },
      { id: "search", title: "Search", body: report.searchBody(searches) },
      { id: "params", title: "Params that differ", body: [differences] },
      { id: "curves", title: "Training", body: report.curvePlaces(curves) },
      { id: "samples", title: "Samples", body: report.pictures(samples) },
      { id: "beside", title: "Side by side", body: report.comparisonSlots(samples) },
    ],
    curves,
  };
}
