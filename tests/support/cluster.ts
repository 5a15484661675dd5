import { join } from "node:path";
import { type JobOptions, runJob } from "../../engine/cluster/job.ts";
import type { OwnJob, Queue, QueueView } from "../../engine/cluster/queue.ts";
import { openSubmission, type PartRequest, writeSubmission } from "../../engine/cluster/submission.ts";
import type { Result } from "../../engine/diagnostic/diagnostic.ts";
import { digestExternals } from "../../engine/keys/externals.ts";
import { loadPipeline } from "../../engine/pipeline/load/load_pipeline.ts";
import type { Pipeline } from "../../engine/pipeline/pipeline.ts";
import { requestsOf } from "../../engine/run/rights.ts";
import { Digests } from "../../engine/store/digests.ts";
import { allowWritesBelow } from "../../engine/store/write_roots.ts";
import { BUILTIN_KINDS } from "../../stages/mod.ts";
import type { Project } from "./project.ts";

/** Returns the value of a result that must be ok. */
export function valueOf<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw new Error(result.diagnostics.map(({ message, got }) => `${message} ${got ?? ""}`).join("\n"));
}

/** A queue with answers set by the test. */
export class ToldQueue implements Queue {
  readonly requeued: string[] = [];

  constructor(readonly job: OwnJob) {}

  own = (): OwnJob => this.job;
  poll = (): Promise<QueueView> => Promise.resolve({ silent: "nobody answers" });
  requeueOwn = (): Promise<undefined> => {
    this.requeued.push(this.job.id);
    return Promise.resolve(undefined);
  };
  test = this.#never;
  submit = this.#never;
  cancel = this.#never;
  describe = this.#never;
  spread = this.#never;

  get #never(): () => never {
    return () => {
      throw new Error("a job does not ask for this");
    };
  }
}

const NEEDS = { cpus: 1, gpus: 0, options: [] };

export const single = (...stages: string[]): PartRequest => ({
  stages,
  children: stages.length === 1 ? null : stages.map((_, index) => index),
  after: [],
  needs: NEEDS,
});

/** Loads a pipeline of a project and submits each of its stages as its own part, in order. */
export async function submit(project: Project, overrides: readonly string[] = [], parts?: PartRequest[]) {
  const pipeline: Pipeline = valueOf(await loadPipeline(project.path("p.yaml"), { kinds: BUILTIN_KINDS, overrides }));
  const stages = [...pipeline.stages.values()];
  allowWritesBelow(project.path("kept"));
  const digests = new Digests(project.path("kept/digests"));
  const written = valueOf(
    await writeSubmission({
      pipeline,
      parts: parts ?? stages.map(({ id }) => single(id)),
      cache: project.path("shared"),
      externals: digestExternals(pipeline, digests).externals,
      digests,
      cluster: "lab",
      settings: {
        setup: [],
        deno: "/deno",
        packages: "/packages",
        restarts: 3,
        helper: { cpus: 1, gpus: 0, options: [] },
      },
      grants: requestsOf(stages.map((stage) => ({ stage })), pipeline.folder),
      versions: {},
    }),
  );
  const { folder, digest } = written;
  return { folder, digest, pipeline, partOf: (id: string) => stages.findIndex((one) => one.id === id) };
}

/** Executes a part as its cluster job does. */
export async function execute(
  { folder, digest }: { readonly folder: string; readonly digest: string },
  part: number,
  options: Partial<JobOptions> = {},
): ReturnType<typeof runJob> {
  return await runJob({
    ...{
      submission: options.submission ?? valueOf(openSubmission(folder, digest)),
      part,
      kinds: BUILTIN_KINDS,
      versions: {},
      emit: () => {},
      pace: 0.01,
    },
    queue: new ToldQueue({ id: "7", attempt: 0 }),
    stop: new AbortController().signal,
    ...options,
  });
}

/** Returns the digests of the results in a shared cache, by resolved key. */
export function cachedDigests(cache: string): Record<string, Record<string, string>> {
  const found: Record<string, Record<string, string>> = {};
  const root = join(cache, "v1/results");
  for (const { name } of Deno.readDirSync(root)) {
    for (const { name: key } of Deno.readDirSync(join(root, name))) {
      const { outputs } = JSON.parse(Deno.readTextFileSync(join(root, name, key)).split("\n")[0]!);
      found[key] = Object.fromEntries(
        Object.entries(outputs as Record<string, { digest: string }>).map(([port, { digest }]) => [port, digest]),
      );
    }
  }
  return found;
}
