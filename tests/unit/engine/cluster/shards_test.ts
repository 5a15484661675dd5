import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { runJob } from "../../../../engine/cluster/job.ts";
import { dealt } from "../support/deal_run.ts";
import { digestsOf, runIn } from "../support/reach.ts";
import { TINY_KINDS } from "../support/tiny_kinds.ts";
import { makeTempFolder } from "../support/temp.ts";
import { PaperLab } from "./support/paper_lab.ts";

const yaml = (more: string) =>
  `name: demo
stages:
  s: { uses: source }
  a: { uses: deal, inputs: { from: s }, with: { count: 9 }${more} }
`;

Deno.test("shards are one array of jobs, each with the resources of the stage, and what joins them takes no card", async () => {
  await using lab = await PaperLab.open();
  const sharded = yaml(", shards: 3, resources: { cpu: 2, gpu: 1 }");
  const { own } = await lab.submitted(sharded);
  const { submission } = own!;
  const { parts, stages } = submission.head;
  const told = parts.map(({ lines, children, needs: { cpus, gpus }, after }) => ({
    stages: lines.map((line) => stages[line]!.id),
    ...{ children, cpus, gpus, after },
  }));
  const none = { children: null };
  assertEquals(told, [
    { ...none, stages: ["s"], cpus: 1, gpus: 0, after: [] },
    { ...none, stages: ["a~1of3", "a~2of3", "a~3of3"], children: [0, 1, 2], cpus: 2, gpus: 1, after: ["p0"] },
    { ...none, stages: ["a"], cpus: 2, gpus: 0, after: ["p0", "p1"] },
  ]);

  dealt.length = 0;
  let jobs = 100;
  for (const [part, { children }] of parts.entries()) {
    for (const child of children ?? [undefined]) {
      lab.queue.self = { id: child === undefined ? `${jobs}` : `${jobs}_${child}`, attempt: 0 };
      const { code, problems } = await runJob({
        ...{ submission, part, queue: lab.queue, kinds: TINY_KINDS, versions: {} },
        emit: () => {},
        stop: new AbortController().signal,
      });
      assertEquals([code, problems], [0, []], `part ${part}, child ${child}`);
    }
    jobs++;
  }
  assertEquals(dealt, ["a: 1 of 3", "a: 2 of 3", "a: 3 of 3", "a: 3 parts"]);

  await using folder = await makeTempFolder();
  const local = await runIn(folder.path, yaml(""));
  await using other = await makeTempFolder();
  const fetched = await runIn(join(other.path), yaml(""), { cache: lab.openCache() });
  assertEquals(fetched.stages.get("a")!.state, "restored");
  assertEquals(digestsOf(fetched), digestsOf(local));
  // The whole result exists, so nothing is submitted again.
  assertEquals((await lab.submitted(sharded)).own, undefined);
});
