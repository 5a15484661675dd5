import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { actionsOf } from "../../../../engine/keys/action.ts";
import type { Stage } from "../../../../engine/keys/stage.ts";
import { type Forecast, summariseForecasts } from "../../../../engine/plan/forecast.ts";
import type { Plan, PlannedAction } from "../../../../engine/plan/plan.ts";
import { trainKind } from "../../../support/builtin_kinds.ts";
import { numRuns, seeds } from "../../../support/seeds.ts";

const HOUR = 3_600_000;

interface Sketch {
  readonly id: string;
  readonly hours?: number;
  readonly reads?: readonly string[];
  readonly state?: PlannedAction["state"];
  readonly gpu?: number | "required";
  readonly card?: boolean;
  readonly faster?: string;
  readonly memoryBytes?: number;
  readonly batchMemory?: { readonly first: number; readonly further: number };
  readonly memory?: string;
  readonly params?: Readonly<Record<string, unknown>>;
}

/** Returns the long work and the work without a card: hours in total, and ids. */
function outlook(sketches: readonly Sketch[]) {
  const stages = sketches.map(({ id, reads = [], state = "run", gpu, card = false, faster, memory, ...rest }) => {
    const inputs = { in: reads.map((stage) => ({ stage, port: "out", type: "files" })) };
    const resources = { ...gpu === undefined ? {} : { gpu }, ...memory === undefined ? {} : { memory } };
    const stage = {
      id,
      entry: id,
      kind: { roles: {}, userCode: [] },
      params: { batchSize: 100 },
      inputs,
      needs: [],
      resources,
      ...rest,
    };
    return [id, { ...actionsOf([stage as unknown as Stage])[0]!, state, device: { name: "d", card, faster } }] as const;
  });
  const forecasts = sketches.map(({ id, hours }): [string, Forecast] => [
    id,
    hours === undefined ? { known: false, basis: "" } : { known: true, durationMs: hours * HOUR, basis: "" },
  ]);
  const declared = new Map(stages.map(([id, { stage }]) => [id, stage]));
  const actions = new Map(stages);
  const plan = { actions, stages: actions, pipeline: { stages: declared } } as unknown as Plan;
  const { long, withoutCard, slower, faster, tight } = summariseForecasts(plan, new Map(forecasts), {
    jobs: 2,
    cpus: 2,
    gpus: 0,
  });
  const text = (work: typeof long) => work && [work.totalMs / HOUR, work.stages.map(({ id }) => id).join(" ")];
  return { long: text(long), withoutCard: text(withoutCard), slower: text(slower), faster, tight };
}

const NOTHING = { long: undefined, withoutCard: undefined, slower: undefined, faster: undefined, tight: [] };

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

Deno.test("work of more than an hour that a device is faster at, which is not set up, is told with the command", () => {
  const faster = "set it up";
  assertEquals(outlook([{ id: "a", hours: 1, faster }]).slower, undefined);
  const three: Sketch[] = [{ id: "a", hours: 1, faster }, { id: "b", hours: 1, reads: ["a"], faster }, {
    id: "c",
    hours: 9,
  }];
  const { slower, faster: fix } = outlook(three);
  assertEquals([slower, fix], [[2, "a b"], faster]);
  assertEquals(outlook([{ id: "a", hours: 3, faster, state: "cached" }]).slower, undefined);
});

Deno.test("a stage is tight where it needs more than is free, or than its file lets it take, and works on no card", () => {
  const tight = (sketch: Partial<Sketch>) => outlook([{ id: "a", ...sketch }]).tight;
  assertEquals(tight({ memoryBytes: 1 }), []);
  assertEquals(tight({}), []);
  const huge = { memoryBytes: 1e15, batchMemory: { first: 1e14, further: 9e12 } };
  const [found, ...others] = tight(huge);
  assertEquals([found!.stage, found!.needs, found!.refused, others], ["a", 1e15, true, []]);
  // No machine has that much memory.
  assert(found!.most > 0 && found!.most < 1e15);
  assertEquals(found!.fix, "one image at a time takes about 93132.3 GiB: use a machine with more memory");
  assertEquals(tight({ ...huge, card: true }), []);
  assertEquals(tight({ ...huge, state: "cached" }), []);
  const limited = { stage: "a", needs: 3e6, most: 2e6, isLimit: true, refused: true, fix: "set batchSize: 51" };
  assertEquals(tight({ memoryBytes: 3e6, batchMemory: { first: 1e6, further: 2e4 }, memory: "2MB" }), [limited]);
  // More than is free now, and less than there can be.
  const most = Deno.systemMemoryInfo();
  const much = (most.available + most.total) / 2;
  assertEquals(tight({ ...huge, memoryBytes: much }).map(({ refused }) => refused), [false]);
});

Deno.test("the batch or micro-batches that are said to fit the memory do, and the next larger batch does not", () => {
  const images = { height: 32, width: 32, channels: 3, count: 50_000 };
  const model = { channels: 64, multipliers: [1, 2], blocks: 1, attention: [16] };
  const check = (params: object) => {
    const whole = trainKind.params.parse({ steps: 1, model, ...params });
    const { memoryBytes, batchMemory } = trainKind.check!(whole, { images });
    return { params: whole, memoryBytes: memoryBytes!, batchMemory: batchMemory! };
  };
  const batches = fc.record({ micro: fc.integer({ min: 1, max: 40 }), microBatches: fc.integer({ min: 1, max: 8 }) });
  fc.assert(
    fc.property(batches, fc.double({ min: 0.01, max: 0.99, noNaN: true }), ({ micro, microBatches }, share) => {
      const batchSize = micro * microBatches;
      const now = check({ batchSize, microBatches });
      const { first } = now.batchMemory;
      const most = Math.ceil(first + share * (now.memoryBytes - first));
      fc.pre(micro > 1 && most < now.memoryBytes);
      const [tight] = outlook([{ id: "a", ...now, memory: `${most / 1e6}MB` }]).tight;
      const [, parts] = /microBatches: (\d+)/.exec(tight!.fix) ?? [];
      const [, smaller] = /batchSize: (\d+)/.exec(tight!.fix) ?? [];
      const bytesOf = (params: object) => check({ batchSize, microBatches, ...params }).memoryBytes;
      assert(bytesOf({ microBatches: Number(parts) }) <= most, `${tight!.fix} for ${most}`);
      assert(bytesOf({ batchSize: Number(smaller) }) <= most, `${tight!.fix} for ${most}`);
      if (microBatches > 1) assert(bytesOf({ batchSize: Number(smaller) + microBatches }) > most, tight!.fix);
    }),
    { seed: seeds(1)[0]!, numRuns: numRuns(100) },
  );
});
