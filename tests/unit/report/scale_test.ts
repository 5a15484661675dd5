import { assert } from "@std/assert";
import { noContent, type Report, type ReportStage } from "../../../report/model.ts";
import { renderReport } from "../../../report/page.ts";
import { table } from "../../../report/text.ts";
import { growthOf } from "../../support/work.ts";

const stagesOf = (count: number) =>
  Array.from({ length: count }, (_, i): ReportStage => ({
    ...{ id: `s${i}`, kind: "source", state: "cached", params: [] },
    reads: i % 10 === 0 ? [] : [`s${i - 1}`],
  }));
const head = { title: "p", subtitle: "p.yaml", notes: [] };

const WORKS: Readonly<Record<string, (count: number) => unknown>> = {
  "a table with columns that are empty": (count) =>
    table(["name", "empty", "last"], Array.from({ length: count }, (_, i) => [`${i}`, undefined, i % 2 ? "" : "x"])),
  "a page of stages": (count) => renderReport({ ...noContent(), ...head, stages: stagesOf(count) } as Report),
};

for (const [name, work] of Object.entries(WORKS)) {
  Deno.test(`the work of ${name} grows no faster than its size`, async () => {
    const power = await growthOf(work, [500, 2_000]);
    assert(power < 1.2, `n^${power}`);
  });
}
