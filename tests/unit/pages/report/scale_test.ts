import { assert } from "@std/assert";
import { compareExperiments } from "../../../../pages/results/compare.ts";
import { experimentsOf } from "../../../../pages/results/experiments.ts";
import type { Store } from "../../../../engine/store/store.ts";
import { noContent, type Report, type ReportStage } from "../../../../pages/report/model.ts";
import { renderReport } from "../../../../pages/report/page.ts";
import { searchTables } from "../../../../pages/report/rungs.ts";
import { settingsOf } from "../../../../pages/report/settings.ts";
import { sweepOf } from "../../../../pages/report/sweep.ts";
import { table } from "../../../../pages/report/text.ts";
import { growthOf } from "../../../support/work.ts";

const stagesOf = (count: number) =>
  Array.from({ length: count }, (_, i): ReportStage => ({
    ...{ id: `s${i}`, kind: "source", state: "cached", params: [] },
    reads: i % 10 === 0 ? [] : [`s${i - 1}`],
  }));
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);
const scored = (ids: readonly string[]) =>
  ids.map((title, i) => ({
    title,
    record: { format: 1 as const, seed: null, images: {}, metrics: [{ name: "FD", value: i, count: 7 }] },
  }));
const sweep = (ids: readonly string[]) => sweepOf({ metrics: scored(ids), samples: [] });
const paramsOf = (
  i: number,
) => [{ path: "with.rate", value: i, origin: [] }, { path: "with.a.b", value: 1, origin: [] }];
const ranked = (title: string, length: number) => ({
  title,
  record: {
    ...{ format: 1 as const, metric: "FD", goal: "lowest" as const },
    ranking: Array.from({ length }, (_, candidate) => ({ candidate, value: candidate })),
  },
});
const compared = (count: number) => {
  const store = { objects: undefined } as unknown as Store;
  const planned = numbers(count).flatMap((i) => [`s~i=${i}`, `p${i}`].map((id) => ({ id, params: paramsOf(i) })));
  const experiments = experimentsOf("p", planned.map(({ id }) => [id, undefined]), store, {
    planned: planned as never,
  });
  return compareExperiments(experiments.map((experiment) => ({ experiment: { ...experiment, made: MADE } })));
};
const MADE = new Map([["s", { kind: "s", params: {}, seed: null, inputs: {}, version: "1", externals: {} } as never]]);
const head = { title: "p", subtitle: "p.yaml", notes: [] };

const WORKS: Readonly<Record<string, (count: number) => unknown>> = {
  "a table with columns that are empty": (count) =>
    table(["name", "empty", "last"], Array.from({ length: count }, (_, i) => [`${i}`, undefined, i % 2 ? "" : "x"])),
  "a sweep of two axes and seeds, with settings that are part of others": (count) =>
    sweep(numbers(count).map((i) => i % 2 ? `s~a=${i % 100}~b=${i}~seed=1` : `t~a=${i % 100}`)),
  "a sweep of one axis": (count) => sweep(numbers(count).map((i) => `s~a=${i}`)),
  "a sweep of seeds": (count) => sweep(numbers(count).map((i) => `s~seed=${i}`)),
  "settings of stages as YAML": (count) =>
    settingsOf(stagesOf(count).map((one, i) => ({ ...one, params: paramsOf(i) }))),
  "many searches": (count) =>
    searchTables(
      numbers(count / 2).map((i) => ranked(`s${i}-ranking~rung=1`, 2)),
      numbers(count / 2).flatMap((i) => ["trial=1", "trial=2", "rung=2~slot=1"].map((one) => `s${i}~${one}`))
        .map((id) => ({ id, params: [] })),
    ),
  "the page of a search with many trials": (count) =>
    renderReport({
      ...{ ...noContent(), ...head, metrics: scored(numbers(count).map((i) => `s~trial=${i + 1}`)) },
      stages: [...stagesOf(count), { ...stagesOf(1)[0]!, id: "s" }],
    } as Report),
  "a comparison of the children of a matrix beside other stages": compared,
  "a page of stages": (count) => renderReport({ ...noContent(), ...head, stages: stagesOf(count) } as Report),
};

for (const [name, work] of Object.entries(WORKS)) {
  Deno.test(`the work of ${name} grows no faster than its size`, async () => {
    const power = await growthOf(work, [500, 2_000]);
    assert(power < 1.2, `n^${power}`);
  });
}
