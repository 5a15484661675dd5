import { assertEquals } from "@std/assert";
import { actionsOf } from "../../../../engine/keys/action.ts";
import type { Stage } from "../../../../engine/keys/stage.ts";
import { type Forecast, summariseForecasts } from "../../../../engine/plan/forecast.ts";
import type { Plan, PlannedAction } from "../../../../engine/plan/plan.ts";

const HOUR = 3_600_000;

interface Sketch {
  readonly id: string;
  readonly hours?: number;
  readonly reads?: readonly string[];
  readonly state?: PlannedAction["state"];
  readonly gpu?: number | "required";
  readonly card?: boolean;
  readonly memoryBytes?: number;
  readonly memory?: string;
}

/** Returns the long work and the work without a card: hours in total, and ids. */
function outlook(sketches: readonly Sketch[]) {
  const stages = sketches.map(({ id, reads = [], state = "run", gpu, card = false, memoryBytes, memory }) => {
    const inputs = { in: reads.map((stage) => ({ stage, port: "out", type: "files" })) };
    const resources = { ...gpu === undefined ? {} : { gpu }, ...memory === undefined ? {} : { memory } };
    const params = { batchSize: 100 };
    const stage = {
      id,
      entry: id,
      kind: { roles: {}, userCode: [] },
      params,
      inputs,
      needs: [],
      resources,
      memoryBytes,
    };
    return [id, { ...actionsOf([stage as unknown as Stage])[0]!, state, device: { name: "d", card } }] as const;
  });
  const forecasts = sketches.map(({ id, hours }): [string, Forecast] => [
    id,
    hours === undefined ? { known: false, basis: "" } : { known: true, durationMs: hours * HOUR, basis: "" },
  ]);
  const declared = new Map(stages.map(([id, { stage }]) => [id, stage]));
  const actions = new Map(stages);
  const plan = { actions, stages: actions, pipeline: { stages: declared } } as unknown as Plan;
  const { long, withoutCard, tight } = summariseForecasts(plan, new Map(forecasts), { jobs: 2, cpus: 2, gpus: 0 });
  const text = (work: typeof long) => work && [work.totalMs / HOUR, work.stages.map(({ id }) => id).join(" ")];
  return { long: text(long), withoutCard: text(withoutCard), tight };
}

const NOTHING = { long: undefined, withoutCard: undefined, tight: [] };

Deno.test("a run is long where its stages take more than a day together, whatever is not known", () => {
  assertEquals(outlook([{ id: "a", hours: 24 }]), NOTHING);
  const chain: Sketch[] = [{ id: "a", hours: 8 }, { id: "b", hours: 17, reads: ["a"] }, { id: "c" }];
  assertEquals(outlook(chain).long, [25, "b a"]);
  // Stages that take a negligible share are not named: 0.1 of 100.1 hours.
  assertEquals(outlook([{ id: "a", hours: 100 }, { id: "b", hours: 0.1, reads: ["a"] }]).long, [100.1, "a"]);
  // Stages with a result, and two that run side by side for 20 hours each.
  assertEquals(outlook([{ id: "a", hours: 99, state: "cached" }]), NOTHING);
  assertEquals(outlook([{ id: "a", hours: 20 }, { id: "b", hours: 20, state: "may-run" }]), NOTHING);
});

Deno.test("nobody is asked about what runs on a card", () => {
  const train = { id: "train", hours: 70, gpu: 1, card: true };
  assertEquals(outlook([train, { id: "score", hours: 2, reads: ["train"] }]), NOTHING);
  assertEquals(outlook([train, { id: "score", hours: 25, reads: ["train"] }]).long, [25, "score"]);
});

Deno.test("nobody is asked again about what goes on, and what reads it", () => {
  const train: Sketch = { id: "train", hours: 900, state: "resume" };
  const sample: Sketch = { id: "sample", hours: 90, reads: ["train"], state: "may-run" };
  assertEquals(outlook([train, sample]).long, undefined);
  assertEquals(outlook([train, sample, { id: "more", hours: 30 }]).long, [30, "more"]);
  // Nobody agreed to more steps than there were.
  assertEquals(outlook([{ ...train, state: "extend" }]).long, [900, "train"]);
});

Deno.test("work of more than an hour that wants a card and has none is told", () => {
  assertEquals(outlook([{ id: "a", hours: 1, gpu: 1 }]), NOTHING);
  const two: Sketch[] = [{ id: "a", hours: 1, gpu: 1 }, { id: "b", hours: 2, gpu: 2, reads: ["a"] }];
  assertEquals(outlook(two).withoutCard, [3, "b a"]);
  assertEquals(outlook([{ id: "a", hours: 3 }, { id: "b", hours: 3, gpu: 0 }]), NOTHING);
  assertEquals(outlook([{ id: "a", hours: 3, gpu: 1, card: true }]), NOTHING);
});

Deno.test("a stage is tight where it needs more than is free, or than its file lets it take, and works on no card", () => {
  const tight = (sketch: Partial<Sketch>) => outlook([{ id: "a", ...sketch }]).tight;
  assertEquals(tight({ memoryBytes: 1 }), []);
  assertEquals(tight({}), []);
  const huge = 1e15;
  const [found, ...others] = tight({ memoryBytes: huge });
  assertEquals([found!.stage, found!.needs, others], ["a", huge, []]);
  // No machine has that much memory, and the fix is as extreme as the need.
  assertEquals(found!.most > 0 && found!.most < huge && found!.fix === "set batchSize: 1", true);
  assertEquals(tight({ memoryBytes: huge, card: true }), []);
  assertEquals(tight({ memoryBytes: huge, state: "cached" }), []);
  assertEquals(tight({ memoryBytes: 3e6, memory: "2MB" }), [
    { stage: "a", needs: 3e6, most: 2e6, isLimit: true, fix: "set batchSize: 50" },
  ]);
});
