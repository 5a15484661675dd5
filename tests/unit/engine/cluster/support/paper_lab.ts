import { join } from "node:path";
import { type ClusterFile, clusterFileSchema } from "../../../../../schemas/cluster_file.ts";
import { type SubmitOptions, submitPipeline, type SubmittedPipeline } from "../../../../../engine/cluster/submit.ts";
import { type OpenSubmission, openSubmission } from "../../../../../engine/cluster/submission.ts";
import { queueParts } from "../../../../../engine/cluster/queue_parts.ts";
import type { Cluster } from "../../../../../engine/cluster/cluster_file.ts";
import { Grants, type RightsRequest } from "../../../../../engine/run/rights.ts";
import { readTextIfThere } from "../../../../../engine/store/reading.ts";
import type { Pipeline } from "../../../../../engine/pipeline/pipeline.ts";
import { runPipeline } from "../../../../../engine/run/run_pipeline.ts";
import { FolderBackend } from "../../../../../engine/store/cache/folder_backend.ts";
import { SharedCache } from "../../../../../engine/store/cache/shared_cache.ts";
import { openStore } from "../../../../../engine/store/store.ts";
import type { JobEnd } from "../../../../../schemas/cluster_records.ts";
import { loadGood } from "../../support/load.ts";
import { makeTempFolder } from "../../support/temp.ts";
import { TINY_KINDS } from "../../support/tiny_kinds.ts";
import { QueueOnPaper } from "./queue_on_paper.ts";

const NOWHERE = { locate: () => undefined, explain: () => [""] };

type PaperOptions = Partial<SubmitOptions & Pick<Cluster, "asks">>;

/** A project, a shared cache and a queue that runs nothing. */
export class PaperLab implements AsyncDisposable {
  readonly queue = new QueueOnPaper();
  readonly said: string[] = [];
  settings: Partial<ClusterFile> = {};
  kinds = TINY_KINDS;

  private constructor(private readonly folder: Awaited<ReturnType<typeof makeTempFolder>>) {}

  static async open(): Promise<PaperLab> {
    return new PaperLab(await makeTempFolder());
  }

  get cache(): string {
    return join(this.folder.path, "shared");
  }

  get context() {
    const say = (message: string) => void this.said.push(message);
    return { queue: this.queue, say, pause: () => Promise.resolve() };
  }

  openCache(): SharedCache {
    const stop = new AbortController().signal;
    return new SharedCache(new FolderBackend(this.cache), "read-write", { name: "c", stop, warn: () => {} });
  }

  /** Returns the request that a cluster file of the project would make for a right. */
  asking(right: string): RightsRequest {
    const file = join(this.folder.path, "clusters/lab.yaml");
    const [uses, at] = ["clusters/lab.yaml", { origins: NOWHERE, path: ["setup"] }];
    return { stage: { entry: uses }, at, file, uses, rights: [right] };
  }

  /** Returns the list of grants. */
  remembered(): string | undefined {
    return readTextIfThere(join(this.folder.path, "grants.json"));
  }

  #options({ asks = [], ...options }: PaperOptions): SubmitOptions {
    const origins = NOWHERE;
    const settings = { ...clusterFileSchema.parse({ engine: "slurm", cache: this.cache }), ...this.settings };
    return {
      ...this.context,
      cluster: { name: "lab", file: "clusters/lab.yaml", settings, origins, asks },
      cache: this.openCache(),
      grants: new Grants(this.folder.path, join(this.folder.path, "grants.json")),
      versions: {},
      targets: [],
      givenUp: new Set(),
      replaceQueued: false,
      ...options,
    };
  }

  load(yaml: string): Promise<Pipeline> {
    return loadGood(this.folder.path, yaml, [], this.kinds);
  }

  async submit(given: string | Pipeline, options: PaperOptions = {}) {
    const pipeline = typeof given === "string" ? await this.load(given) : given;
    return await submitPipeline(pipeline, openStore(join(this.folder.path, ".noiseline")), this.#options(options));
  }

  async submitted(given: string | Pipeline, options: PaperOptions = {}): Promise<SubmittedPipeline> {
    const made = await this.submit(given, options);
    if (!made.ok) throw new Error(made.diagnostics.map(({ message, got }) => `${message} ${got ?? ""}`).join("\n"));
    return made.value;
  }

  /** Computes stages and their inputs, in a store of their own or that of the project, with or without the cache. */
  async compute(yaml: string, targets: string[], { store = crypto.randomUUID() as string, cached = true } = {}) {
    const pipeline = await loadGood(this.folder.path, yaml);
    const cache = cached ? { cache: this.openCache() } : {};
    await runPipeline(pipeline, openStore(join(this.folder.path, store)), { targets, ...cache });
  }

  end(submission: OpenSubmission, line: number, job: string, more: Partial<JobEnd> = {}): void {
    const now = new Date().toISOString();
    const end: JobEnd = {
      ...{ line, job, attempt: 0, state: "ran", resolvedKey: null, fromStep: null, toStep: null, message: null },
      ...{ fix: null, node: "n1", startedAt: now, endedAt: now, ...more },
    };
    Deno.writeTextFileSync(submission.attemptPath(end, "json"), JSON.stringify(end));
  }

  /** Does the work of the small jobs that submit the rest. */
  async goOn({ own }: SubmittedPipeline) {
    const { folder, digest } = own!.submission;
    const opened = openSubmission(folder, digest);
    if (!opened.ok) throw new Error("it is gone");
    const queued = await queueParts(opened.value, this.context);
    if (!queued.ok) throw new Error(queued.diagnostics.map(({ message }) => message).join("\n"));
    return queued.value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.folder[Symbol.asyncDispose]();
  }
}
