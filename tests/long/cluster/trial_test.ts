import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import type { Cluster } from "../../../engine/cluster/cluster_file.ts";
import { tryNode } from "../../../engine/cluster/trial.ts";
import { loadPipeline } from "../../../engine/pipeline/load/load_pipeline.ts";
import { clusterFileSchema } from "../../../schemas/cluster_file.ts";
import { BUILTIN_KINDS } from "../../../stages/mod.ts";
import { makeTempFolder } from "../../unit/engine/support/temp.ts";
import { BashQueue } from "../../unit/engine/cluster/support/bash_queue.ts";

const SMOKE = new URL("../../../pipelines/smoke.yaml", import.meta.url).pathname;
const loaded = await loadPipeline(SMOKE, { kinds: BUILTIN_KINDS });
assert(loaded.ok);
const { stages } = loaded.value;
/** A stage whose packages are small. */
const schedule = [stages.get("schedule")!];
const NEEDS = { cpus: 1, gpus: 0, options: [] };
const never = new AbortController().signal;

const clusterOf = (settings: object): Cluster => ({
  name: "lab",
  file: "clusters/lab.yaml",
  settings: clusterFileSchema.parse({ engine: "slurm", ...settings }),
  origins: { locate: () => undefined, explain: () => [] },
  asks: [],
});

/**
 * Returns the problems that a trial on a queue finds, by the key of the cluster's file, and the trial's other results.
 */
async function tryOn(queue: BashQueue, settings: object = {}, patience = { settleMs: 1, waitingMs: 60_000 }) {
  await using temp = await makeTempFolder();
  const cluster = clusterOf({ cache: temp.path, ...settings });
  const heard: string[] = [];
  const trial = await tryNode(cluster, NEEDS, schedule, {
    queue,
    say: (line) => heard.push(line),
    stop: never,
    ...patience,
  });
  const left = [...Deno.readDirSync(temp.path)].flatMap((
    { name },
  ) => [...Deno.readDirSync(join(temp.path, name, "trials"))]);
  assertEquals(left, [], "a trial leaves nothing behind");
  return { ...trial, heard, wrong: Object.fromEntries(trial.problems.map((one) => [one.path!, one] as const)) };
}

Deno.test("tryNode() finds nothing wrong where the node is this machine", async () => {
  const queue = new BashQueue();
  const { node, problems } = await tryOn(queue);
  // The queue's own commands need not exist there.
  assertEquals(problems.filter(({ path }) => path !== "setup"), []);
  assertEquals(node, "n1");
  assertEquals(queue.submitted[0]!.needs.minutes, 1);
});

Deno.test("tryNode() says at once all that a node lacks, each at its key of the file", async () => {
  const queue = new BashQueue();
  // The cache's path leads to another folder on the node.
  queue.change = (script) => script.replaceAll(/(cp ')(.*)(\/here' ')(.*)(\/there')/g, "$1/nowhere$3$4$5");
  const { wrong } = await tryOn(queue, {
    deno: "/no/deno",
    scratch: "/no/scratch",
    setup: ["type() { builtin type -t nothing; }"],
  });
  // Without Deno there is one error, without a further one for its packages.
  assertEquals(Object.keys(wrong), ["deno", "cache", "scratch", "setup"]);
  for (const one of Object.values(wrong)) assertStringIncludes(one.message, "node n1");
  // Errors must not mention the path where the queue stores the script.
  assertEquals(wrong["deno"]!.got, "/no/deno: No such file or directory");
  assertStringIncludes(wrong["scratch"]!.got!, "/no/scratch");
});

Deno.test("tryNode() names the line of setup that fails, with what it says, and no other cause", async () => {
  for (
    const [setup, fails, said] of [
      [["exit 3"], "exit 3", undefined],
      [["true", "no-module load cuda"], "no-module load cuda", "no-module: command not found"],
    ] as const
  ) {
    const { wrong, node } = await tryOn(new BashQueue(), { setup });
    assertEquals([node, Object.keys(wrong)], ["n1", ["setup"]]);
    assertEquals([wrong["setup"]!.message, wrong["setup"]!.got], [`this line fails on node n1: ${fails}`, said]);
  }
});

Deno.test("tryNode() tells a missing folder for logs beside what else is wrong, and makes one where it may", async () => {
  const { wrong } = await tryOn(new BashQueue(), { logs: "/no/logs", scratch: "/no/scratch" });
  assertEquals(Object.keys(wrong).filter((key) => key !== "setup"), ["logs", "scratch"]);
  await using temp = await makeTempFolder();
  const logs = join(temp.path, "logs");
  assertEquals(Object.keys((await tryOn(new BashQueue(), { logs })).wrong).filter((key) => key !== "setup"), []);
  assertEquals([...Deno.readDirSync(logs)], []);
});

Deno.test("tryNode() finds out that the node has another version of Deno, or no packages", async () => {
  await using temp = await makeTempFolder();
  const deno = join(temp.path, "deno");
  Deno.writeTextFileSync(deno, "#!/bin/bash\necho 1.0.0; exit\n", { mode: 0o700 });
  const older = await tryOn(new BashQueue(), { deno });
  assertEquals(older.wrong["deno"]!.got, "1.0.0");
  const empty = await tryOn(new BashQueue(), { packages: join(temp.path, "packages") });
  assertEquals(empty.wrong["deno"], undefined);
  assertStringIncludes(empty.wrong["packages"]!.got!, "error");
});

Deno.test("tryNode() finds out that the node wrote to a folder of its own", async () => {
  const queue = new BashQueue();
  queue.change = (script) => script.replaceAll(/cp '.*?' '.*?'/g, "true");
  assertEquals((await tryOn(queue)).wrong["cache"]?.got, "another folder");
});

Deno.test("tryNode() cancels a job that does not come to run, and tells its reason once", async () => {
  const queue = new BashQueue();
  queue.state = "waiting";
  queue.reason = "other jobs come first (Priority)";
  const { heard, problems } = await tryOn(queue, {}, { settleMs: 1, waitingMs: 3_000 });
  assertEquals(heard, ["job 1: other jobs come first (Priority)"]);
  assertEquals(queue.cancelled, ["1"]);
  assertStringIncludes(problems[0]!.message, "Priority");
});

Deno.test("tryNode() says so where a job ends and nothing of it is seen", async () => {
  const queue = new BashQueue();
  queue.state = "failed";
  queue.change = () => "exit 1";
  const { problems, node } = await tryOn(queue);
  assertEquals(node, undefined);
  assertEquals(problems.map(({ path, message }) => [path, message]), [
    ["cache", "job 1 ended (FAILED), and what it says is not seen here"],
  ]);
});

Deno.test("tryNode() says what the queue says that takes no job, and what this machine cannot write", async () => {
  const queue = new BashQueue();
  queue.answer = () => ({ trouble: "refused", message: "invalid account" });
  assertStringIncludes((await tryOn(queue)).refused!.message, "invalid account");
  await using temp = await makeTempFolder();
  Deno.writeTextFileSync(join(temp.path, "file"), "");
  const cluster = clusterOf({ cache: join(temp.path, "file") });
  const { problems } = await tryNode(cluster, NEEDS, [], { queue, say: () => {}, stop: never });
  assertEquals(problems[0]!.path, "cache");
  assertEquals(queue.submitted.length, 1);
});
