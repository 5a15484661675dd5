import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { basename, dirname, relative } from "node:path";
import { commandFor, printable } from "noiseline/core";
import { type QueuedJob, SubmissionReader } from "noiseline/cluster";
import * as engine from "noiseline/engine";
import * as report from "noiseline/report";
import { metricName, overall } from "../results/metric_rows.ts";
import { compareExperiments, comparisonPage } from "../results/compare.ts";
import { artifactsOf, type Experiment, experimentsOf } from "../results/experiments.ts";
import { figuresOf } from "../results/figures.ts";
import { samplesIn } from "../results/samples.ts";

/** The places whose contents are shown: a store, and submissions to a cluster. */
export interface Place {
  readonly store: string;
  /** The words that start this program in the folder of the store. */
  readonly program?: string;
  readonly cluster?: { readonly name: string; readonly cache: string } | undefined;
}

/** The current state of a page, and the time until the next look. */
export interface Look {
  readonly page: report.Page;
  readonly paceMs: number;
}

type Run = report.LiveRun;

/** The largest number of runs that one page compares. */
const MOST_COMPARED = 8;
/** The time between two looks. Submissions are read less often, because they lie on a network. */
const PACE_MS = { table: 2_000, run: 1_000, submitted: 5_000, over: 10_000 } as const;
/** A look takes at most 1/50 of the time. */
const LOOK_SHARE = 50;
/**
 * The time that one look at the table may spend on finding scores and on reading losses; those of further runs follow
 * with the next look.
 */
const [SCORING_MS, READING_MS] = [250, 250];
/**
 * The number of runs whose curves and contents are kept for later looks, and the number of runs whose scores are kept.
 */
const [MOST_WHOLE, MOST_SCORED] = [64, 10_000];
/** The number of points of a curve in the table. */
const MOST_POINTS = 40;
/** The size limit of artifact files: hashing a larger one would make all clients wait. */
const FILE_BYTES: Readonly<Record<string, number>> = { ".png": 32 << 20, ".svg": 32 << 20, ".html": 256 << 20 };
const [TAIL_BYTES, LOG_BYTES, PREVIEW_BYTES] = [8 << 10, 1 << 20, 1 << 20];

/** A cache of values by key that keeps the most recent ones. */
class BoundedCache<T> extends Map<string, T> {
  constructor(private readonly most: number) {
    super();
  }

  keep(key: string, make: () => T): T {
    if (this.size >= this.most && !this.has(key)) this.delete(this.keys().next().value!);
    return this.getOrInsertComputed(key, make);
  }

  /** Returns a value that is kept, or makes it if there is time left. */
  keepUntil(untilMs: number, key: string, make: () => T): T | undefined {
    return this.has(key) || performance.now() <= untilMs ? this.keep(key, make) : undefined;
  }
}

/** Splits a path into its parts, each of which may contain any character; returns no parts for an invalid path. */
export function namesIn(pathname: string): string[] {
  try {
    return pathname.split("/").slice(1).map(decodeURIComponent);
  } catch {
    return [];
  }
}

/** The pages of a place. Each page is a function of the stored data and its address. Nothing is written. */
export class Site {
  /** Jobs of the cluster, as reported by the process that started this one; unknown if nobody reports them. */
  jobs: readonly QueuedJob[] | undefined;
  readonly #store;
  readonly #program;
  readonly #reader;
  readonly #submissions;
  #submitted: { readonly runs: readonly Run[]; readonly untilMs: number } = { runs: [], untilMs: 0 };
  /** Artifact files that pages link to, by name. */
  readonly #files = new Map<string, Experiment["artifacts"][number]["artifact"]["files"][number]>();
  readonly #curves = new BoundedCache<{ rows: report.ReportCurve["rows"][number][]; next: number }>(MOST_WHOLE);
  readonly #before = new BoundedCache<report.ReportCurve["rows"]>(MOST_WHOLE);
  /** Pictures that were drawn for pages, by name. A page may have several, and asks for them at once. */
  readonly #drawn = new BoundedCache<Uint8Array<ArrayBuffer>>(4 * MOST_WHOLE);
  /** Sets of images without pictures of their own, by the names of these. */
  readonly #undrawn = new BoundedCache<Parameters<typeof report.drawImages>[0]>(MOST_SCORED);
  readonly #served: report.CollectOptions = {
    isServed: true,
    keepDrawn: (png, digest) => {
      this.#drawn.keep(`${digest}.png`, () => png);
      return `/object/${digest}.png`;
    },
  };
  readonly #contents = new BoundedCache<ReturnType<typeof report.collectArtifacts>>(MOST_WHOLE);
  readonly #scores = new BoundedCache<Promise<readonly report.Score[]>>(MOST_SCORED);
  readonly #best = new BoundedCache<Promise<readonly string[]>>(MOST_SCORED);
  readonly #grids = new BoundedCache<string | undefined>(MOST_SCORED);
  readonly #histories = new BoundedCache<readonly number[]>(MOST_SCORED);
  readonly #losses = new BoundedCache<number | undefined>(MOST_SCORED);

  constructor({ store, cluster, program = "deno task" }: Place) {
    this.#store = engine.openStore(store);
    this.#program = program;
    this.#reader = new engine.RunReader(this.#store);
    this.#submissions = cluster && new SubmissionReader(cluster.name, cluster.cache);
  }

  /** Looks at a page; undefined if there is none. */
  async look({ pathname, searchParams: query }: URL): Promise<Look | undefined> {
    const beganMs = performance.now();
    // A page that takes long to look at is looked at less often.
    const pace = (ms: number) => Math.min(PACE_MS.over, Math.max(ms, LOOK_SHARE * (performance.now() - beganMs)));
    const submitted = this.#readSubmitted();
    if (pathname === "/") {
      const page = await this.#table([...submitted, ...this.#reader.readRuns()], query);
      return { page, paceMs: pace(PACE_MS.table) };
    }
    const [room, id = ""] = namesIn(pathname);
    const isRun = room === "run";
    const ids = isRun ? [id] : room === "compare" ? query.getAll("run").slice(0, MOST_COMPARED) : [];
    const runs = ids.flatMap((id): readonly Run[] =>
      [submitted.find(({ runId }) => runId === id) ?? this.#reader.readRun(id) ?? []].flat()
    );
    if (runs.length === 0) return undefined;
    const page = isRun ? await this.#run(runs[0]!) : await this.#compare(runs);
    const isOver = runs.every(({ state }) => state !== "running");
    return { page, paceMs: isOver ? PACE_MS.over : pace(PACE_MS.run) };
  }

  /** Returns true if a run is live; for a run on another machine that cannot be known. */
  hasLiveRun(): boolean {
    return this.#reader.look().some(({ state, record }) => state === "running" && record.host === hostname());
  }

  #readSubmitted(): readonly Run[] {
    if (this.#submissions !== undefined && performance.now() > this.#submitted.untilMs) {
      const runs = this.#submissions.readSubmissions(this.jobs);
      this.#submitted = { runs, untilMs: performance.now() + PACE_MS.submitted };
    }
    return this.#submitted.runs;
  }

  async #table(all: readonly Run[], query: URLSearchParams): Promise<report.Page> {
    const until = performance.now() + SCORING_MS;
    const runs: Run[] = [];
    for (const run of all) {
      runs.push({ ...run, scores: await this.#scoresOf(until, run) ?? [], best: await this.#bestOf(until, run) ?? [] });
    }
    const { root } = this.#store;
    const notes = existsSync(root) ? [] : [`There is no store at ${root} so far: the first run makes it.`];
    return report.renderTable(runs, query, {
      notes,
      lossAt: (...of) => this.#lossAt(until + READING_MS, ...of),
      lossesOf: (...of) => this.#lossesOf(until + READING_MS, ...of),
      pictureOf: (run) => this.#pictureOf(run),
    });
  }

  async #run(run: Run): Promise<report.Page> {
    // Children of a matrix keep their names.
    const artifacts = this.#artifactsOf(run);
    const collect = () => report.collectArtifacts(artifacts, this.#served);
    const content = await this.#contents.keep(resultsKey(run), collect);
    const details = { curves: this.#wholeCurvesOf(run), content, log: this.#logOf(run), notes: content.unreadable };
    return report.renderRun({ ...run, command: this.#commandOf(run) }, details);
  }

  /** Returns the command that reaches the state that a run was to reach. */
  #commandOf({ file, overrides, cluster }: Run): string {
    const inFolder = relative(dirname(this.#store.root), file);
    // A file in the store's own folder has that store by default. The server may not read the folders of others.
    const isIn = !inFolder.startsWith("..") && basename(this.#store.root) === ".noiseline";
    const more = [...isIn ? [] : ["--store", this.#store.root], ...cluster ? ["--on", cluster] : []];
    const command = commandFor("run", { file: inFolder.startsWith("..") ? file : inFolder, overrides }, ...more);
    return command.replace("deno task", () => this.#program);
  }

  async #compare(all: readonly Run[]): Promise<report.Page> {
    const parts = all.flatMap((run) => {
      const now = { run, curves: this.#wholeCurvesOf(run) };
      return this.#experimentsOf(run).map((experiment) => ({ experiment, now }));
    });
    return comparisonPage(await compareExperiments(parts, this.#served));
  }

  #experimentsOf(run: Run): Experiment[] {
    return experimentsOf(run.runId, this.#resultsOf(run), this.#store, { lines: run.stages });
  }

  /** Returns the artifacts of a run's results. */
  #artifactsOf(run: Run) {
    const found = this.#resultsOf(run);
    const samples = samplesIn(found, run.stages);
    return found.flatMap((one) => artifactsOf(...one, this.#store, samples));
  }

  /** Returns the results of a run's stages; their files may be served from now on. */
  #resultsOf({ stages }: Run) {
    return stages.map(({ id, result }) => {
      const manifest = result === undefined ? undefined : this.#store.results.byResolved(result);
      for (const file of Object.values(manifest?.outputs ?? {}).flatMap(({ files }) => files)) {
        const type = /\.(?:png|svg|html)$/.exec(file.path)?.[0];
        if (type !== undefined && file.size <= FILE_BYTES[type]!) this.#files.set(`${file.sha256}${type}`, file);
      }
      return [id, manifest] as const;
    });
  }

  #scoresOf(untilMs: number, run: Run): Promise<readonly report.Score[]> | undefined {
    return this.#scores.keepUntil(untilMs, resultsKey(run), async () => {
      const experiments = this.#experimentsOf(run).map((one) => {
        return { ...one, artifacts: one.artifacts.filter(({ artifact }) => artifact.type === "metrics") };
      });
      const { own, means } = await figuresOf(experiments);
      return overall([...own.flat(), ...means]).map((row) => ({ ...row, metric: metricName(row) }));
    });
  }

  #bestOf(untilMs: number, run: Run): Promise<readonly string[]> | undefined {
    return this.#best.keepUntil(untilMs, resultsKey(run), async () => {
      const artifacts = this.#artifactsOf(run);
      const { rankings } = await report.collectArtifacts(
        artifacts.filter(({ artifact }) => artifact.type === "selection"),
      );
      return report.bestOf(report.searchTables(rankings, run.stages));
    });
  }

  /** Returns the histories of a run's figures, and reads only their new lines. */
  #curvesOf({ runId, stages }: Pick<Run, "runId" | "stages">): report.ReportCurve[] {
    return stages.filter(({ figures }) => Object.keys(figures).length > 0).map(({ id }) => {
      const place = this.#placeOf(runId, id)!;
      const known = this.#curves.keep(JSON.stringify([runId, place.stage, place.runId]), () => ({ rows: [], next: 0 }));
      const { rows, next } = engine.readFigures(place, known.next);
      for (const { step, figures } of rows) known.rows.push({ ...figures, step });
      known.next = next;
      return { title: id, rows: known.rows };
    });
  }

  /** Returns the same histories from their beginnings, which may lie in earlier runs. */
  #wholeCurvesOf(run: Run): report.ReportCurve[] {
    return this.#curvesOf(run).map(({ title, rows }) => {
      const place = this.#placeOf(run.runId, title)!;
      const first = rows[0]?.step ?? 0;
      const before = this.#before.keep(JSON.stringify([run.runId, title, place.runId, first]), () => {
        const whole: typeof rows[number][] = [];
        if (first <= 1) return whole;
        for (const earlier of this.#reader.earlierPlacesOf(place.runId, place.stage)) {
          const own = engine.readFigures(earlier).rows.filter(({ step }) => step < (whole[0]?.step ?? first));
          whole.unshift(...own.map(({ step, figures }) => ({ ...figures, step })));
        }
        return whole;
      });
      return { title, rows: [...before, ...rows] };
    });
  }

  #lossAt(untilMs: number, run: Run, stage: report.LiveStage, step: number): number | undefined {
    const key = JSON.stringify([run.runId, stage.id, step, stage.figures]);
    return this.#losses.keepUntil(untilMs, key, () => {
      const rows = this.#wholeCurvesOf({ ...run, stages: [stage] })[0]?.rows;
      return (rows?.at(-1)?.step ?? 0) < step ? undefined : rows!.findLast((row) => row.step <= step)?.["loss"];
    });
  }

  /** Returns the last grid of samples of a run, or its last preview. */
  #pictureOf(run: Run): string | undefined {
    const grid = this.#grids.keep(resultsKey(run), () => {
      const last = this.#artifactsOf(run).findLast(({ isSample, artifact }) =>
        isSample && (artifact.type === "images" || report.pictureIn(artifact) !== undefined)
      )?.artifact;
      const file = last && report.pictureIn(last);
      if (last !== undefined && file === undefined) this.#undrawn.keep(`${last.digest}.png`, () => last);
      return file?.sha256 ?? last?.digest;
    });
    const shown = run.stages.findLast(({ previews }) => previews.length > 0);
    if (grid !== undefined) return `/object/${grid}.png`;
    return shown && report.encodePath("preview", run.runId, shown.id, `${shown.previews.at(-1)}.png`);
  }

  #lossesOf(untilMs: number, { runId }: Run, stage: report.LiveStage): readonly number[] | undefined {
    const key = JSON.stringify([runId, stage.id, stage.figures]);
    return this.#histories.keepUntil(untilMs, key, () => {
      const rows = this.#curvesOf({ runId, stages: [stage] })[0]?.rows ?? [];
      return report.downsample(rows.flatMap(({ loss }) => loss ?? []), MOST_POINTS);
    });
  }

  /** Returns the log of one stage: of those with output, one that failed, else the one that started last. */
  #logOf({ runId, stages }: Run) {
    return stages.filter(({ startedMs }) => startedMs !== undefined)
      .sort((a, b) => Number(b.state === "failed") - Number(a.state === "failed") || b.startedMs! - a.startedMs!)
      .values().map(({ id }) => ({ stage: id, text: this.logOf(runId, id, TAIL_BYTES) ?? "" }))
      .find(({ text }) => text !== "");
  }

  #placeOf(runId: string, stage: string): engine.StagePlace | undefined {
    if (!/^[\w-]+$/.test(runId)) return undefined;
    return this.#submissions?.placeOf(runId, stage) ?? this.#reader.placeOf(runId, stage);
  }

  /** Returns the end of a log; undefined if there is none. */
  logOf(runId: string, stage: string, bytes: number = LOG_BYTES): string | undefined {
    const place = this.#placeOf(runId, stage);
    const text = place && engine.readTail(place.runs.logPath(place.runId, place.stage), bytes);
    return text && printable(text);
  }

  /** @param name `STEP.png` */
  previewOf(runId: string, stage: string, name: string): Uint8Array<ArrayBuffer> | undefined {
    const place = this.#placeOf(runId, stage);
    const step = /^(\d{1,15})\.png$/.exec(name)?.[1];
    const path = step && place?.runs.previewPath(place.runId, place.stage, Number(step));
    return path ? readPlain(path, PREVIEW_BYTES) : undefined;
  }

  /** Returns an artifact file that a page has linked, if it is undamaged. */
  async fileOf(name: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const file = this.#files.get(name);
    const { objects } = this.#store;
    const stored = file && objects.verify(file) ? readPlain(objects.pathOf(file.sha256), file.size) : undefined;
    const undrawn = this.#undrawn.get(name);
    if (stored !== undefined || this.#drawn.has(name) || undrawn === undefined) return stored ?? this.#drawn.get(name);
    // A table may have thousands of thumbnails; only those that a browser asks for are drawn.
    const png = await report.drawImages(undrawn).catch(() => undefined);
    return png && this.#drawn.keep(name, () => png);
  }
}

/** Returns the cache key of a run's results: what is made of them stays the same as long as they do. */
function resultsKey({ runId, stages }: Run): string {
  return [runId, ...stages.map(({ id, result }) => `${id} ${result}`)].join();
}

/** Reads a regular file; undefined if it does not exist, is a link, which may lead anywhere, or is too large. */
function readPlain(path: string, mostBytes: number): Uint8Array<ArrayBuffer> | undefined {
  return engine.statIfThere(path)?.isFile ? engine.readIfThere(path, mostBytes) : undefined;
}
