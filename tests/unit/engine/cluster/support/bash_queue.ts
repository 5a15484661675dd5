import type { JobRequest, Queue, QueuedJob, QueueFacts, Submitted } from "../../../../../engine/cluster/queue.ts";

/** A queue whose answers each test defines; bash runs its jobs at once on this machine. */
export class BashQueue implements Queue {
  readonly submitted: JobRequest[] = [];
  readonly cancelled: string[] = [];
  readonly jobs = new Map<string, QueuedJob>();
  /** The state of jobs after they ran; `waiting` jobs never run. */
  state: QueuedJob["state"] = "done";
  reason = "";
  /** Changes a script before it runs, because a node may differ from this machine. */
  change: (script: string) => string = (script) => script;
  refusal: (request: JobRequest) => string | undefined = () => undefined;
  answer: (request: JobRequest) => Submitted | undefined = () => undefined;

  test(request: JobRequest): Promise<{ refused?: string }> {
    const refused = this.refusal(request);
    return Promise.resolve(refused === undefined ? {} : { refused });
  }

  async submit(request: JobRequest): Promise<Submitted> {
    this.submitted.push(request);
    const answer = this.answer(request);
    if (answer !== undefined) return answer;
    const id = String(this.submitted.length);
    const { name, comment } = request;
    this.jobs.set(id, {
      id,
      name,
      comment,
      state: this.state,
      word: this.state.toUpperCase(),
      reason: this.reason,
      node: "n1",
      seconds: 0,
    });
    if (this.state === "waiting") return { id };
    const log = await Deno.open(request.log ?? "/dev/null", { write: true, create: true }).catch(() => undefined);
    if (log === undefined) return { id };
    const script = await Deno.makeTempFile();
    await Deno.writeTextFile(script, this.change(request.script));
    const { stdout, stderr } = await new Deno.Command("bash", { args: [script], env: { SLURMD_NODENAME: "n1" } })
      .output();
    for (const bytes of [stdout, stderr]) await log.write(bytes);
    log.close();
    await Deno.remove(script);
    return { id };
  }

  poll() {
    return Promise.resolve({ jobs: [...this.jobs.values()] });
  }

  cancel(ids: readonly string[]): Promise<undefined> {
    this.cancelled.push(...ids);
    return Promise.resolve(undefined);
  }

  describe(): Promise<QueueFacts> {
    const partitions = ["cpu: 1 node of 4 processors, 4000 MiB, at most 60 minutes"];
    const [cancelsPreempted, defaultPartition] = [new Set<string>(), "cpu"];
    return Promise.resolve({
      version: "22.05.8",
      maxArray: 1001,
      room: 100,
      cancelsPreempted,
      defaultPartition,
      partitions,
    });
  }

  own() {
    return undefined;
  }

  spread(): never {
    throw new Error("a job of bash has one node");
  }

  requeueOwn(): Promise<string> {
    return Promise.resolve("not in a job");
  }
}
