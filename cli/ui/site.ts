import { existsSync } from "node:fs";
import {
  logTail,
  openStore,
  type QueuedJob,
  readFigures,
  RunReader,
  type StagePlace,
  SubmissionReader,
} from "noiseline/engine";
import {
  collectArtifacts,
  type LiveCurve,
  type LiveRun,
  type LiveStage,
  type Page,
  renderRun,
  renderTable,
} from "noiseline/report";
import { isWhole } from "../format/metrics.ts";
import { compareExperiments, comparisonPage } from "../results/compare.ts";
import { type Experiment, experimentsOf } from "../results/experiments.ts";
import { figuresOf } from "../results/figures.ts";

/** What is shown: a store, and what was submitted to a cluster. */
export interface Place {
  readonly store: string;
  readonly cluster?: { readonly name: string; readonly cache: string } | undefined;
}

/** A page as it is now. */
export interface Look {
  readonly page: Page;
  /** When to look again. */
  readonly paceMs: number;
}

/** A run, without what is made of its results, but with their keys. */
interface Run extends Omit<LiveRun, "scores" | "stages"> {
  readonly stages: readonly (LiveStage & { readonly result?: string | undefined })[];
}

/** Runs that one page compares. */
const MOST_COMPARED = 8;
/** A comparison reads the logs of all that it compares. */
const PACE_MS = { table: 2_000, run: 1_000, compare: 5_000, submitted: 5_000, over: 10_000 } as const;
/** What one look at the table may spend on finding scores and on reading losses; those of more runs come with the next. */
const SCORING_MS = 250;
const READING_MS = 1_000;
/** Runs of which curves and contents are kept for whoever looks next, and those of which scores are. */
const MOST_KEPT = { whole: 64, scored: 10_000 } as const;
const LOG_BYTES = { page: 8 << 10, alone: 1 << 20 } as const;
const MOST_PREVIEW_BYTES = 1 << 20;

/** What was made of a key last, while what it was made of stays the same; for as many keys as there is room for. */
class Kept<T> {
  readonly #all = new Map<string, { readonly state: string; readonly value: T }>();

  constructor(private readonly most: number) {}

  has(key: string, state: string): boolean {
    return this.#all.get(key)?.state === state;
  }

  get(key: string, state: string, make: () => T): T {
    if (!this.has(key, state)) {
      this.#all.delete(key);
      if (this.#all.size >= this.most) this.#all.delete(this.#all.keys().next().value!);
      this.#all.set(key, { state, value: make() });
    }
    return this.#all.get(key)!.value;
  }
}

/** The parts of a path, of which each may hold any character; undefined where it is no path. */
export function namesIn(pathname: string): string[] | undefined {
  try {
    return pathname.split("/").slice(1).map(decodeURIComponent);
  } catch {
    return undefined;
  }
}

/** The pages of a place, each a function of what is stored and of its address. Nothing is written. */
export class Site {
  readonly #store;
  readonly #reader;
  /** Files of artifacts that pages link, by name. */
  readonly #files = new Map<string, Experiment["artifacts"][number]["artifact"]["files"][number]>();
  readonly #curves = new Kept<{ rows: LiveCurve["rows"][number][]; next: number }>(MOST_KEPT.whole);
  readonly #contents = new Kept<ReturnType<typeof collectArtifacts>>(MOST_KEPT.whole);
  readonly #scores = new Kept<Promise<Pick<LiveRun, "scores" | "means">>>(MOST_KEPT.scored);
  readonly #losses = new Kept<number | undefined>(MOST_KEPT.scored);

  readonly #submissions;
  #submitted: { readonly runs: readonly Run[]; readonly untilMs: number } = { runs: [], untilMs: 0 };
  /** Jobs of the cluster, as whoever started this tells; unknown where nobody does. */
  jobs: readonly QueuedJob[] | undefined;

  constructor({ store, cluster }: Place) {
    this.#store = openStore(store);
    this.#reader = new RunReader(this.#store);
    this.#submissions = cluster && new SubmissionReader(cluster.name, cluster.cache);
  }

  /** Runs of the store, and what was submitted to a cluster, which is read less often as it is farther away. */
  #readRuns(): readonly Run[] {
    if (this.#submissions !== undefined && performance.now() > this.#submitted.untilMs) {
      const { jobs } = this;
      const runs = this.#submissions.readSubmissions(jobs ?? []).map((run): Run => {
        // Without the queue, what waits looks like what was killed.
        const state = jobs === undefined && run.state === "killed" ? "running" : run.state;
        return { ...run, state: state as Run["state"] };
      });
      this.#submitted = { runs, untilMs: performance.now() + PACE_MS.submitted };
    }
    return [...this.#submitted.runs, ...this.#reader.readRuns()];
  }

  /** Look at a page; undefined where there is none. */
  async look({ pathname, searchParams: query }: URL): Promise<Look | undefined> {
    const all = this.#readRuns();
    if (pathname === "/") return { page: await this.#table(all, query), paceMs: PACE_MS.table };
    const [room, id] = namesIn(pathname) ?? [];
    const isRun = room === "run";
    const ids = isRun ? [id] : room === "compare" ? query.getAll("run").slice(0, MOST_COMPARED) : [];
    const runs = ids.flatMap((one) => all.find(({ runId }) => runId === one) ?? []);
    if (runs.length === 0) return undefined;
    const page = isRun ? await this.#run(runs[0]!) : await this.#compare(runs);
    const isOver = runs.every(({ state }) => state !== "running");
    return { page, paceMs: isOver ? PACE_MS.over : isRun ? PACE_MS.run : PACE_MS.compare };
  }

  async #table(all: readonly Run[], query: URLSearchParams): Promise<Page> {
    const until = performance.now() + SCORING_MS;
    const runs: LiveRun[] = [];
    for (const run of all) {
      const isDue = this.#scores.has(run.runId, stateOf(run)) || performance.now() < until;
      runs.push({ ...run, scores: [], ...isDue ? await this.#scored(run) : {} });
    }
    const { root } = this.#store;
    const notes = existsSync(root) ? [] : [`There is no store at ${root} so far: the first run makes it.`];
    return renderTable(runs, query, { notes, lossAt: (run, step) => this.#lossAt(run, step, until + READING_MS) });
  }

  async #run(run: Run): Promise<Page> {
    const artifacts = this.#experimentsOf(run).flatMap((one) => one.artifacts);
    const collect = () => collectArtifacts(artifacts, { isServed: true });
    const content = await this.#contents.get(run.runId, stateOf(run), collect);
    const details = { curves: this.#curvesOf(run), content, log: this.#logOf(run), notes: content.unreadable };
    return renderRun({ ...run, scores: [] }, details);
  }

  async #compare(runs: readonly Run[]): Promise<Page> {
    const all = runs.flatMap((run) => {
      const now = { run: { ...run, scores: [] }, curves: this.#curvesOf(run) };
      return this.#experimentsOf(run).map((experiment) => ({ experiment, now }));
    });
    const options = { isServed: true, runs: all.map(({ now }) => now) };
    const { comparison, contents } = await compareExperiments(all.map(({ experiment }) => experiment), options);
    return comparisonPage(comparison, contents);
  }

  #experimentsOf({ runId, stages }: Pick<Run, "runId" | "stages">): Experiment[] {
    const { results } = this.#store;
    const found = stages.map(({ id, result }) =>
      [id, result === undefined ? undefined : results.byResolved(result)] as const
    );
    const experiments = experimentsOf(runId, found, this.#store);
    for (const { artifact: { files } } of experiments.flatMap((one) => one.artifacts)) {
      for (const file of files) {
        const [type] = /(?<=\.)(?:png|svg|html)$/.exec(file.path) ?? [];
        if (type !== undefined) this.#files.set(`${file.sha256}.${type}`, file);
      }
    }
    return experiments;
  }

  #scored(run: Run): Promise<Pick<LiveRun, "scores" | "means">> {
    return this.#scores.get(run.runId, stateOf(run), async () => {
      const experiments = this.#experimentsOf(run).map((one) => {
        return { ...one, artifacts: one.artifacts.filter(({ artifact }) => artifact.type === "metrics") };
      });
      const { contents, means } = await figuresOf(experiments);
      return { scores: contents.flatMap(({ metrics }) => metrics), means: means.filter(isWhole) };
    });
  }

  /** The histories of a run's figures, of which only what is new is read. */
  #curvesOf({ runId, stages }: Pick<LiveRun, "runId" | "stages">): LiveCurve[] {
    return stages.filter(({ figures }) => Object.keys(figures).length > 0).map(({ id }) => {
      const place = this.#placeOf(runId, id)!;
      const known = this.#curves.get(JSON.stringify([runId, id]), place.runId, () => ({ rows: [], next: 0 }));
      const { rows, next } = readFigures(place, known.next);
      for (const { step, figures } of rows) known.rows.push({ ...figures, step });
      known.next = next;
      return { title: id, rows: known.rows };
    });
  }

  #lossAt(run: LiveRun, step: number, until: number): number | undefined {
    const stages = run.stages.filter(({ figures }) => "loss" in figures).slice(-1);
    const [key, state] = [`${run.runId} ${step}`, JSON.stringify(stages[0]?.figures)];
    if (!this.#losses.has(key, state) && performance.now() > until) return undefined;
    return this.#losses.get(key, state, () => {
      return this.#curvesOf({ ...run, stages })[0]?.rows.findLast((row) => row.step <= step)?.["loss"];
    });
  }

  /** Of the stage that failed, works or worked last. */
  #logOf({ runId, stages }: Run) {
    const [worked] = stages.filter(({ startedMs }) => startedMs !== undefined)
      .sort((a, b) => Number(b.state === "failed") - Number(a.state === "failed") || b.startedMs! - a.startedMs!);
    const text = worked && this.logOf(runId, worked.id, LOG_BYTES.page);
    return text === undefined ? undefined : { stage: worked!.id, text };
  }

  #placeOf(runId: string, stage: string): StagePlace | undefined {
    if (!/^[\w-]+$/.test(runId)) return undefined;
    return this.#submissions?.placeOf(runId, stage) ?? this.#reader.placeOf(runId, stage);
  }

  /** The end of a log; undefined where there is none. */
  logOf(runId: string, stage: string, bytes: number = LOG_BYTES.alone): string | undefined {
    const place = this.#placeOf(runId, stage);
    return place && logTail(place, bytes);
  }

  /** The history of a stage's figures, as JSON. */
  figuresOf(runId: string, stage: string): string | undefined {
    const place = this.#placeOf(runId, stage);
    return place && JSON.stringify(readFigures(place).rows);
  }

  /** @param name `STEP.png` */
  async previewOf(runId: string, stage: string, name: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const place = this.#placeOf(runId, stage);
    const [, step] = /^(\d{1,15})\.png$/.exec(name) ?? [];
    if (place === undefined || step === undefined) return undefined;
    return await readPlain(place.runs.previewPath(place.runId, place.stage, Number(step)), MOST_PREVIEW_BYTES);
  }

  /** A file of an artifact that a page has linked, if it is whole. */
  async fileOf(name: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const file = this.#files.get(name);
    const { objects } = this.#store;
    return file && objects.verify(file) ? await readPlain(objects.pathOf(file.sha256), file.size) : undefined;
  }
}

/** What is made of the results of a run stays the same as long as they do. */
function stateOf({ stages }: Pick<Run, "stages">): string {
  return stages.map(({ id, result }) => `${id} ${result}`).join();
}

/** A file as it is; nothing where there is none, where it is a link, which may lead anywhere, or takes too much. */
async function readPlain(path: string, mostBytes: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    const { isFile, size } = Deno.lstatSync(path);
    return isFile && size <= mostBytes ? await Deno.readFile(path) : undefined;
  } catch {
    return undefined;
  }
}
