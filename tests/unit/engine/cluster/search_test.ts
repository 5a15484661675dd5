import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { runJob } from "../../../../engine/cluster/job.ts";
import type { TrustedSubmission } from "../../../../engine/cluster/submission.ts";
import { disableFsync } from "../../../../engine/store/files.ts";
import { digestsOf, planIn, runIn } from "../support/reach.ts";
import { SEARCH_KINDS, searchYaml, walked } from "../support/search_kinds.ts";
import { makeTempFolder } from "../support/temp.ts";
import { PaperLab } from "./support/paper_lab.ts";

const SEARCH = { kinds: SEARCH_KINDS };

/** Runs the jobs of a submission, one after the other. */
async function carryOut(lab: PaperLab, submission: TrustedSubmission): Promise<void> {
  let jobs = 100;
  for (const [part, { children }] of submission.head.parts.entries()) {
    for (const child of children ?? [undefined]) {
      lab.queue.self = { id: child === undefined ? `${jobs}` : `${jobs}_${child}`, attempt: 0 };
      const { code, problems } = await runJob({
        ...{ submission, part, queue: lab.queue, kinds: SEARCH_KINDS, versions: {} },
        emit: () => {},
        stop: new AbortController().signal,
      });
      assertEquals([code, problems], [0, []], `part ${part}, child ${child}`);
    }
    jobs++;
  }
}

Deno.test("jobs fill the slots of a search as a run on one machine does", async () => {
  await using lab = await PaperLab.open();
  lab.kinds = SEARCH_KINDS;
  const yaml = searchYaml({ trials: 9, rungs: "[100, 300]" });
  const { own } = await lab.submitted(yaml);
  const { submission } = own!;
  walked.steps = 0;
  await carryOut(lab, submission);
  assertEquals(walked.steps, 9 * 100 + 3 * 200);

  await using folder = await makeTempFolder();
  disableFsync(folder.path);
  const local = await runIn(folder.path, yaml, SEARCH);
  // A plan reads the rankings that only the cache has, so it knows which trials the slots are.
  await using nowhere = await makeTempFolder();
  const targets = ["reader", "train~rung=300~slot=3"];
  const planned = await planIn(nowhere.path, yaml, { ...SEARCH, cache: lab.openCache(), remote: true, targets });
  assertEquals([...planned.values()].filter(({ state }) => state !== "restore").map(({ id }) => id), []);
  await using other = await makeTempFolder();
  const fetched = await runIn(other.path, yaml, { ...SEARCH, cache: lab.openCache() });
  assertEquals(fetched.counts.ran, 0);
  assertEquals(digestsOf(fetched), digestsOf(local));
  // Who made the results does not matter to what is left to do.
  assertEquals((await lab.submitted(yaml)).own, undefined);
  const more = await lab.submitted(searchYaml({ trials: 9, rungs: "[100, 300, 500]" }));
  const left = more.own!.submission.head.parts.flatMap(({ lines }) => lines);
  const ids = left.map((line) => more.own!.submission.head.stages[line]!.id);
  assertEquals(ids.filter((id) => id.startsWith("train~")), ["train~rung=500~slot=1"]);
});

Deno.test("the job of a slot reads the files of the trial that is in it", async () => {
  await using lab = await PaperLab.open();
  lab.kinds = SEARCH_KINDS;
  const yaml = searchYaml({ trials: 6, rungs: "[100, 300]" })
    .replace("shoe: [boot, clog]", "map: [low.txt, high.txt]").replace(
      'shoe: "${search.shoe}"',
      'map: "${search.map}"',
    );
  const put = (folder: string) => {
    Deno.writeTextFileSync(join(folder, "low.txt"), "1");
    Deno.writeTextFileSync(join(folder, "high.txt"), "2");
  };
  put(join(lab.cache, ".."));
  const { own } = await lab.submitted(yaml);
  await carryOut(lab, own!.submission);

  await using folder = await makeTempFolder();
  disableFsync(folder.path);
  put(folder.path);
  const local = await runIn(folder.path, yaml, SEARCH);
  await using other = await makeTempFolder();
  put(other.path);
  const fetched = await runIn(other.path, yaml, { ...SEARCH, cache: lab.openCache() });
  assertEquals(fetched.counts.ran, 0);
  assertEquals(digestsOf(fetched), digestsOf(local));
});
