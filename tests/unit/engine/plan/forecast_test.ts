import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Forecast, forecastPlan } from "../../../../engine/plan/forecast.ts";
import { actionsOf } from "../../../../engine/keys/action.ts";
import type { Plan, PlannedAction } from "../../../../engine/plan/plan.ts";
import type { Stage } from "../../../../engine/keys/stage.ts";
import type { Timing } from "../../../../schemas/records.ts";

const HERE = "x64/Some Processor/8";

/** A planned stage, with the properties that forecasts use. */
interface Sketch {
  readonly id: string;
  readonly kind?: string;
  readonly runs?: "inline" | "process";
  readonly numerics?: string;
  readonly work?: number;
  readonly extent?: number;
  readonly state?: PlannedAction["state"];
  readonly fromStep?: number;
  readonly recipe?: string;
  /** Default: the id, without an extent. */
  readonly like?: string;
  readonly shape?: readonly number[];
}

function makePlan(sketches: readonly Sketch[]): Plan {
  const stages = sketches.map((one): [string, PlannedAction] => {
    const kind = { name: one.kind ?? "train", runs: one.runs ?? "process", userCode: [] };
    const stage = {
      id: one.id,
      entry: one.id.replace(/@\d+$/, ""),
      kind,
      extent: one.extent,
      workGflop: one.work,
      workShape: one.shape,
      likeness: one.like ?? one.id.replace(/@\d+$/, ""),
      inputs: {},
      needs: [],
      resources: {},
    } as unknown as Stage;
    const device = one.numerics === undefined ? {} : { device: { name: "d", numerics: one.numerics } };
    const from = one.fromStep === undefined ? {} : { fromStep: one.fromStep };
    const planned = {
      ...actionsOf([stage])[0],
      state: one.state ?? "run",
      reasons: [],
      recipeKey: one.recipe ?? one.id,
      ...device,
      ...from,
    };
    return [one.id, planned as unknown as PlannedAction];
  });
  const actions = new Map(stages);
  return { pipeline: { name: "p" }, actions, stages: actions, problems: [] } as unknown as Plan;
}

function timing(stage: string, durationMs: number, more: Partial<Timing> = {}): Timing {
  return {
    pipeline: "p",
    stage,
    kind: "train",
    numerics: null,
    machine: HERE,
    workGflop: null,
    workShape: null,
    likeness: stage.replace(/@\d+$/, ""),
    extent: null,
    fromStep: null,
    overheadMs: null,
    durationMs,
    probe: false,
    ...more,
  };
}

function forecast(sketches: readonly Sketch[], timings: readonly Timing[]): Record<string, Forecast> {
  return Object.fromEntries(forecastPlan(makePlan(sketches), { timings: { all: () => timings } }, HERE));
}

function assertForecast(actual: Forecast | undefined, durationMs: number, basis: string): void {
  // Float64 of a few products: a precision of nanoseconds is more than enough.
  const rounded = actual?.known === true ? Number(actual.durationMs.toFixed(6)) : undefined;
  assertEquals([actual?.known, actual?.basis, rounded], [true, basis, durationMs]);
}

Deno.test("the median of the last five runs that are alike counts, so that one odd run does not", () => {
  // The oldest is not among the five: 100 200 300 400 9000, whose median is 300.
  const timings = [5000, 100, 9000, 300, 200, 400].map((ms) => timing("a", ms));
  assertForecast(forecast([{ id: "a" }], timings)["a"], 300, "the median of the last 5 runs like it");
  assertForecast(forecast([{ id: "a" }], timings.slice(0, 1))["a"], 5000, "the last run like it");
  // For an even number the middle two count: (100 + 300) / 2.
  assertForecast(
    forecast([{ id: "a" }], [timing("a", 300), timing("a", 100)])["a"],
    200,
    "the median of the last 2 runs like it",
  );
  // The name of a stage and its pipeline do not change its time.
  assertForecast(
    forecast([{ id: "b", like: "a" }], [timing("a", 300, { pipeline: "q" })])["b"],
    300,
    "the last run like it",
  );
});

Deno.test("times of other machines, numerics and work are not those of the stage", () => {
  const others: Partial<Timing>[] = [
    { machine: "arm64/Another/4" },
    { machine: null },
    { numerics: "onnx-cpu/1/x86/8-threads" },
    { likeness: "other" },
    { likeness: null },
    { extent: 10 },
  ];
  for (const more of others) {
    const basis = "nothing similar has run on a machine like this";
    assertEquals(forecast([{ id: "a" }], [timing("a", 100, more)])["a"], { known: false, basis }, JSON.stringify(more));
  }
});

Deno.test("a run of another extent is scaled, without what does not grow with the work", () => {
  // 100 steps took 500 ms, 300 of which were start-up: 2 ms each; 2500 take 5300.
  const past = timing("a", 500, { extent: 100, overheadMs: 300 });
  assertForecast(forecast([{ id: "a", extent: 2500 }], [past])["a"], 5300, "the last run like it, scaled by steps");
  assertForecast(forecast([{ id: "a", extent: 10 }], [past])["a"], 320, "the last run like it, scaled by steps");
  // The same by arithmetic: 1000 GFLOP took 200 ms, 3000 take 600.
  const byWork = forecast([{ id: "a", work: 3000, extent: 300 }], [
    timing("a", 500, { workGflop: 1000, extent: 100, overheadMs: 300 }),
  ]);
  assertForecast(byWork["a"], 900, "the last run like it, scaled by arithmetic");
});

Deno.test("a run that does not tell of its beginning is scaled to twice as much at most", () => {
  const past = timing("a", 500, { extent: 100 });
  assertForecast(forecast([{ id: "a", extent: 200 }], [past])["a"], 1000, "the last run like it, scaled by steps");
  assertForecast(forecast([{ id: "a", extent: 50 }], [past])["a"], 250, "the last run like it, scaled by steps");
  for (const extent of [201, 49]) assertEquals(forecast([{ id: "a", extent }], [past])["a"]!.known, false);
});

Deno.test("a stage that continues does the rest only, and a run that continued tells of its share", () => {
  const whole = timing("a", 1000, { extent: 100, overheadMs: 0 });
  // 60 of 100 steps are done: 40 at 10 ms each.
  const resumed = forecast([{ id: "a", extent: 100, state: "resume", fromStep: 60 }], [whole]);
  assertForecast(resumed["a"], 400, "the last run like it, scaled by steps");
  // The run did 100 steps, from 100 to 200, in 3000 ms: 30 ms each, for 200 steps 6000.
  const fromPart = forecast([{ id: "a", extent: 200 }], [timing("a", 3000, { extent: 200, fromStep: 100 })]);
  assertForecast(fromPart["a"], 6000, "the last run like it, scaled by steps");
  // 2000 GFLOP for 200 steps; from step 150 on a quarter of that, at 2 GFLOP per ms.
  const work = forecast([{ id: "a", work: 2000, extent: 200, state: "extend", fromStep: 150 }], [
    timing("a", 500, { workGflop: 1000, extent: 100 }),
  ]);
  assertForecast(work["a"], 250, "the last run like it, scaled by arithmetic");
});

Deno.test("of stages at several extents the longer one does what the shorter leaves", () => {
  const plan = [{ id: "a", extent: 100 }, { id: "a@30", extent: 30 }, {
    id: "a@60",
    extent: 60,
    state: "cached",
  }] as const;
  const all = forecast(plan, [timing("a", 1000, { extent: 100, overheadMs: 0 })]);
  assertForecast(all["a@30"], 300, "the last run like it, scaled by steps");
  // a@60 exists, but the forecast does not rely on its saved state, only on that of a@30, which runs before.
  assertForecast(all["a"], 700, "the last run like it, scaled by steps");
  assertEquals(Object.keys(all).sort(), ["a", "a@30"]);
});

Deno.test("stages of a kind tell of each other where their work is of about the same shape, and else of nothing", () => {
  const device = { numerics: "n" };
  const past = timing("t", 1500, {
    ...device,
    workGflop: 4000,
    workShape: [1024, 16, 32],
    overheadMs: 500,
    pipeline: "q",
  });
  const near = (shape: readonly number[], more: Partial<Sketch> = {}) =>
    forecast([{ id: "train", numerics: "n", work: 8000, shape, ...more }], [past])["train"]!;
  const basis = "8000 GFLOP, as past train stages of about its size";
  // 4000 GFLOP took a second, in addition to half a second of start-up.
  for (const shape of [[1024, 16, 32], [1024, 16, 64], [1024, 8, 32], [2048, 16, 32], [1280, 16, 24]]) {
    assertForecast(near(shape), 2500, basis);
  }
  // These shapes differ in total by more than a factor of two, or belong to another network, kind or device.
  for (const shape of [[2048, 16, 64], [2049, 16, 32], [256, 16, 32], [1024, 16]]) {
    assertEquals(near(shape).known, false, `${shape}`);
  }
  assertEquals(near([1024, 16, 32], { kind: "evaluate" }), {
    known: false,
    basis: "8000 GFLOP, and no evaluate stage of its size has run on a machine like this",
  });
  assertEquals(near([1024, 16, 32], { numerics: "m" }).known, false);
});

Deno.test("a run of the same shape tells of one with other params, even if nothing is known of its beginning", () => {
  const past = timing("t", 1000, { workGflop: 4000, workShape: [1024, 16, 32] });
  const near = (work: number, shape: readonly number[]) => forecast([{ id: "train", work, shape }], [past])["train"]!;
  assertForecast(near(4000, [1024, 16, 32]), 1000, "4000 GFLOP, as past train stages of about its size");
  assertForecast(near(8000, [1024, 16, 32]), 2000, "8000 GFLOP, as past train stages of about its size");
  for (const [work, shape] of [[8001, [1024, 16, 32]], [1999, [1024, 16, 32]], [4000, [1024, 16, 33]]] as const) {
    assertEquals(near(work, shape).known, false, `${work} ${shape}`);
  }
});

Deno.test("what is said is right within a factor of two, whatever the machine is like and whatever ran before", () => {
  // A stage takes some start-up time, and then time proportional to its arithmetic at the speed of its shape; some
  // timings do not record the start-up.
  const shapes = fc.tuple(
    fc.integer({ min: 4, max: 256 }),
    fc.integer({ min: 4, max: 64 }),
    fc.integer({ min: 1, max: 256 }),
  );
  const run = fc.record({ shape: shapes, work: fc.double({ min: 0.1, max: 1e6, noNaN: true }), tells: fc.boolean() });
  const machine = fc.record({
    overheadMs: fc.double({ min: 0, max: 10_000, noNaN: true }),
    // The speed grows at most as these numbers do, as was measured.
    exponents: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 3, maxLength: 3 }),
  });
  fc.assert(
    fc.property(machine, fc.array(run, { maxLength: 12 }), run, ({ overheadMs, exponents }, pasts, next) => {
      const truth = ({ shape, work }: typeof next) =>
        overheadMs + work / shape.reduce((pace, one, i) => pace * one ** exponents[i]!, 0.001);
      const timings = pasts.map((one, index) =>
        timing(`t${index}`, truth(one), {
          workGflop: one.work,
          workShape: one.shape,
          overheadMs: one.tells ? overheadMs : null,
        })
      );
      const { known, ...said } = forecast([{ id: "next", work: next.work, shape: next.shape }], timings)["next"]!;
      if (!known) return;
      const ratio = (said as { durationMs: number }).durationMs / truth(next);
      assert(ratio >= 0.499 && ratio <= 2.001, `${ratio}`);
    }),
  );
});

Deno.test("a stage within the engine takes milliseconds, or what others of its kind took", () => {
  const schedule = { id: "s", kind: "schedule", runs: "inline" } as const;
  const basis = "in the engine, usually milliseconds";
  assertForecast(forecast([schedule], [])["s"], 5, basis);
  const past = timing("other", 12, { kind: "schedule", pipeline: "q" });
  assertForecast(forecast([schedule], [past])["s"], 12, basis);
});

Deno.test("what is there needs no time, and of two stages with one recipe the second needs none", () => {
  const timings = [timing("a", 100), timing("b", 100)];
  const all = forecast([
    { id: "a", recipe: "same" },
    { id: "b", recipe: "same", state: "may-run" },
    { id: "c", state: "cached" },
    { id: "d", state: "restore" },
  ], timings);
  assertEquals(Object.keys(all), ["a", "b"]);
  assertForecast(all["b"], 0, "the result of a serves");
});

Deno.test("a past run of next to no work says nothing", () => {
  const past = timing("a", 1e12, { workGflop: 5e-324, overheadMs: 0 });
  assertEquals(forecast([{ id: "a", work: 40 }], [past])["a"]?.known, false);
});

Deno.test("a probe tells where no run does", () => {
  // 100 GFLOP took 1000 ms after 500 ms of start-up: 40 GFLOP take 900.
  const probe = timing("a", 1500, { workGflop: 100, overheadMs: 500, probe: true, workShape: [64, 32, 128] });
  const stage = { id: "a", work: 40, extent: 10, shape: [64, 32, 128] };
  assertForecast(forecast([stage], [probe])["a"], 900, "a few steps of its network");
  const run = timing("a", 700, { workGflop: 40, extent: 10, overheadMs: 0 });
  assertForecast(forecast([stage], [run, probe])["a"], 700, "the last run like it");
  // A run about which too little is known to scale it gives no forecast, so the probe does.
  const short = timing("a", 1, { workGflop: 1, extent: 1 });
  assertForecast(forecast([stage], [short, probe])["a"], 900, "a few steps of its network");
  assertForecast(
    forecast([{ ...stage, like: "b" }], [probe])["a"],
    900,
    "40 GFLOP, as a few steps of a network of about its size",
  );
});
