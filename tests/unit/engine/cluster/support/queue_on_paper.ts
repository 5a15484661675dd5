import type {
  JobRequest,
  JobState,
  OwnJob,
  Queue,
  QueuedJob,
  QueueFacts,
  QueueView,
  Submitted,
} from "../../../../../engine/cluster/queue.ts";

/** A queue that accepts jobs and runs none: tests set the states of the jobs. */
export class QueueOnPaper implements Queue {
  /** By id of the job. */
  readonly requests = new Map<string, JobRequest>();
  jobs: QueuedJob[] = [];
  readonly cancelled: string[] = [];
  facts: Partial<QueueFacts> = {};
  /** Called before each submission; `hidden` accepts the job but gives no answer. */
  trouble: (request: JobRequest) => Submitted | "hidden" | undefined = () => undefined;
  refusal: (request: JobRequest) => string | undefined = () => undefined;
  /** The number of polls that get no answer. */
  silent = 0;
  /** The number of tests of job requirements that get no answer. */
  silentTests = 0;
  polls = 0;
  self: OwnJob | undefined;
  #next = 1;

  test(request: JobRequest): Promise<{ refused?: string } | { silent: string }> {
    if (this.silentTests-- > 0) return Promise.resolve({ silent: "timed out" });
    const refused = this.refusal(request);
    return Promise.resolve(refused === undefined ? {} : { refused });
  }

  submit(request: JobRequest): Promise<Submitted> {
    const trouble = this.trouble(request);
    if (trouble !== undefined && trouble !== "hidden") return Promise.resolve(trouble);
    const { afterOk = [], afterChild = [], afterAny = [], afterFailureOfAny = [] } = request.order;
    const known = new Set(this.jobs.flatMap(({ id }) => [id, id.split("_")[0]]));
    const lost = [...afterOk, ...afterChild, ...afterAny, ...afterFailureOfAny].find((id) => !known.has(id));
    if (lost !== undefined) return Promise.resolve({ trouble: "order", message: `no job ${lost}` });
    const id = String(this.#next++);
    this.requests.set(id, request);
    const ids = request.array?.children.map((child) => `${id}_${child}`) ?? [id];
    const { name, comment } = request;
    this.jobs.push(...ids.map((id) => ({
      ...{ id, name, comment, state: "waiting" as const, word: "PENDING", reason: "others come first", node: "" },
      seconds: 0,
    })));
    return Promise.resolve(trouble === "hidden" ? { trouble: "silent", message: "timed out" } : { id });
  }

  poll(): Promise<QueueView> {
    this.polls++;
    return Promise.resolve(this.silent-- > 0 ? { silent: "timed out" } : { jobs: [...this.jobs] });
  }

  /** Sets the state of a job, a child of an array, or a whole array. */
  set(id: string, state: JobState): void {
    this.jobs = this.jobs.map((job) =>
      job.id === id || job.id.split("_")[0] === id
        ? { ...job, state, word: state.toUpperCase(), node: "n1", seconds: 30 }
        : job
    );
  }

  /** Forgets a job, as a queue does some time after a job has ended. */
  forget(id: string): void {
    this.jobs = this.jobs.filter((job) => job.id !== id && job.id.split("_")[0] !== id);
  }

  cancel(ids: readonly string[]): Promise<undefined> {
    this.cancelled.push(...ids);
    for (const id of ids) this.set(id, "cancelled");
    return Promise.resolve(undefined);
  }

  describe(): Promise<QueueFacts> {
    const facts = {
      version: "22.05",
      maxArray: 1001,
      room: 1000,
      defaultPartition: "cpu",
      partitions: ["cpu: 1 node"],
    };
    return Promise.resolve({ ...facts, cancelsPreempted: new Set<string>(), ...this.facts });
  }

  own(): OwnJob | undefined {
    return this.self;
  }

  spread(): never {
    throw new Error("no job runs on paper");
  }

  requeueOwn(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  /** Lists the jobs that were queued since some job, in order: `3 after 1, 2_0; each after 1`. */
  told(since = 0): string[] {
    return [...this.requests].filter(([id]) => Number(id) > since).map(([id, { order, array, comment }]) => {
      const { afterOk = [], afterChild = [], afterAny = [], afterFailureOfAny = [] } = order;
      return [
        `${id}${array === undefined ? "" : `[${array.children.join()}]`} ${comment.split(":")[1]}`,
        ...afterOk.length === 0 ? [] : [`after ${afterOk.join()}`],
        ...afterChild.length === 0 ? [] : [`each after ${afterChild.join()}`],
        ...afterAny.length === 0 ? [] : [`whatever becomes of ${afterAny.join()}`],
        ...afterFailureOfAny.length === 0 ? [] : [`if ${afterFailureOfAny.join()} fails`],
      ].join(" ");
    });
  }
}
