import { assertEquals } from "@std/assert";
import { actionsOf } from "../../../../engine/keys/action.ts";
import type { Stage } from "../../../../engine/keys/stage.ts";
import type { Forecast } from "../../../../engine/plan/forecast.ts";
import type { Plan, PlannedAction } from "../../../../engine/plan/plan.ts";
import { totalOf } from "../../../../engine/plan/forecast.ts";

interface Sketch {
  readonly id: string;
  readonly ms: number | undefined;
  readonly reads?: readonly string[];
  readonly state?: PlannedAction["state"];
  readonly cpu?: number;
  readonly gpu?: number;
  /** True if the stage computes with all processors. */
  readonly computes?: boolean;
  readonly extent?: number;
}

function total(sketches: readonly Sketch[], capacity: Partial<{ jobs: number; cpus: number; gpus: number }> = {}) {
  const stages = sketches.map(({ id, reads = [], state = "run", cpu, gpu, extent, computes }) => {
    const inputs = { in: reads.map((stage) => ({ stage, port: "out", type: "files" })) };
    const resources = { ...(cpu === undefined ? {} : { cpu }), ...(gpu === undefined ? {} : { gpu }) };
    const kind = { roles: computes ? { threads: { role: "execution" } } : {}, userCode: [] };
    const stage = { id, entry: id.replace(/@.*/, ""), kind, params: {}, inputs, resources, extent, needs: [] };
    return [id, { ...actionsOf([stage as unknown as Stage])[0]!, state }] as const;
  });
  const forecasts = sketches.filter(({ state }) => state !== "cached").map(({ id, ms }): [string, Forecast] => [
    id,
    ms === undefined ? { known: false, basis: "" } : { known: true, durationMs: ms, basis: "" },
  ]);
  const declared = new Map(stages.map(([id, { stage }]) => [id, stage]));
  const actions = new Map(stages);
  const plan = { actions, stages: actions, pipeline: { stages: declared } } as unknown as Plan;
  return totalOf(plan, new Map(forecasts), { jobs: 8, cpus: 8, gpus: 0, ...capacity });
}

Deno.test("with slots for all, the longest chain of stages is what it takes", () => {
  // a -> b -> d is 10 + 20 + 5; a -> c -> d is 10 + 7 + 5.
  const diamond = [
    { id: "a", ms: 10 },
    { id: "b", ms: 20, reads: ["a"] },
    { id: "c", ms: 7, reads: ["a"] },
    { id: "d", ms: 5, reads: ["b", "c"] },
  ];
  assertEquals(total(diamond), { atLeastMs: 35, ifAllMs: 35, unknown: [] });
  // One after the other, the total is the sum.
  assertEquals(total(diamond, { jobs: 1 }).atLeastMs, 42);
});

Deno.test("with fewer slots than stages, what they need together decides", () => {
  const four = ["a", "b", "c", "d"].map((id) => ({ id, ms: 10 }));
  assertEquals(total(four, { jobs: 2 }).atLeastMs, 20);
  // Six of eight cores each: 4 x 10 x 6 / 8.
  assertEquals(total(four.map((one) => ({ ...one, cpu: 6 }))).atLeastMs, 30);
  // A stage that asks for more than exists gets what exists.
  assertEquals(total(four.map((one) => ({ ...one, cpu: 99 }))).atLeastMs, 40);
  // Stages that compute with all processors take turns.
  assertEquals(total(four.map((one) => ({ ...one, computes: true }))).atLeastMs, 40);
  assertEquals(total(four.map((one) => ({ ...one, gpu: 1 })), { gpus: 2 }).atLeastMs, 20);
  assertEquals(total(four.map((one) => ({ ...one, gpu: 1 })), { gpus: 0 }).atLeastMs, 10);
});

Deno.test("what may run counts apart, what is cached not at all, and what is unknown is named", () => {
  const mixed = [
    { id: "a", ms: 10 },
    { id: "b", ms: 20, reads: ["a"], state: "may-run" },
    { id: "c", ms: undefined, reads: ["b"], state: "may-run" },
    { id: "d", ms: 99, state: "cached" },
  ] as const;
  assertEquals(total(mixed), { atLeastMs: 10, ifAllMs: 30, unknown: ["c"] });
});

Deno.test("a stage at a longer extent waits for the shorter ones", () => {
  const family = [{ id: "t@10", ms: 10, extent: 10 }, { id: "t", ms: 20, extent: 30 }];
  assertEquals(total(family).atLeastMs, 30);
});
