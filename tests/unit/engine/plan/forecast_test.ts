import { assertEquals } from "@std/assert";
import { type Forecast, forecastPlan } from "../../../../engine/plan/forecast.ts";
import type { Plan, PlannedStage } from "../../../../engine/plan/plan.ts";
import type { Stage } from "../../../../engine/pipeline.ts";
import type { Timing } from "../../../../schemas/records.ts";

const HERE = "x64/Some Processor/8";

/** A stage that is planned, with as much of it as forecasts look at. */
interface Sketch {
  readonly id: string;
  readonly kind?: string;
  readonly runs?: "inline" | "process";
  readonly numerics?: string;
  readonly work?: number;
  readonly extent?: number;
  readonly state?: PlannedStage["state"];
  readonly fromStep?: number;
  readonly recipe?: string;
}

function makePlan(sketches: readonly Sketch[]): Plan {
  const stages = sketches.map((one): [string, PlannedStage] => {
    const kind = { name: one.kind ?? "train", runs: one.runs ?? "process" };
    const stage = {
      id: one.id,
      entry: one.id.replace(/@\d+$/, ""),
      kind,
      extent: one.extent,
      workGflop: one.work,
      inputs: {},
      resources: {},
    } as unknown as Stage;
    const device = one.numerics === undefined ? {} : { device: { name: "d", numerics: one.numerics } };
    const from = one.fromStep === undefined ? {} : { fromStep: one.fromStep };
    const planned = {
      stage,
      state: one.state ?? "run",
      reasons: [],
      recipeKey: one.recipe ?? one.id,
      ...device,
      ...from,
    };
    return [one.id, planned as unknown as PlannedStage];
  });
  return { pipeline: { name: "p" }, stages: new Map(stages), problems: [] } as unknown as Plan;
}

function timing(stage: string, durationMs: number, more: Partial<Timing> = {}): Timing {
  return {
    pipeline: "p",
    stage,
    kind: "train",
    numerics: null,
    machine: HERE,
    workGflop: null,
    extent: null,
    fromStep: null,
    durationMs,
    ...more,
  };
}

function forecast(sketches: readonly Sketch[], timings: readonly Timing[]): Record<string, Forecast> {
  return Object.fromEntries(forecastPlan(makePlan(sketches), { timings: { all: () => timings } }, HERE));
}

function assertForecast(actual: Forecast | undefined, durationMs: number, basis: string): void {
  // Float64 of a few products: nanoseconds are more than enough.
  const rounded = actual?.known === true ? Number(actual.durationMs.toFixed(6)) : undefined;
  assertEquals([actual?.known, actual?.basis, rounded], [true, basis, durationMs]);
}

Deno.test("the median of the stage's last five runs counts, so that one odd run does not", () => {
  // The oldest is out of the five: 100 200 300 400 9000, whose median is 300.
  const timings = [5000, 100, 9000, 300, 200, 400].map((ms) => timing("a", ms));
  assertForecast(forecast([{ id: "a" }], timings)["a"], 300, "the median of its last 5 runs");
  assertForecast(forecast([{ id: "a" }], timings.slice(0, 1))["a"], 5000, "its last run");
  // Of an even number the middle two count: (100 + 300) / 2.
  assertForecast(
    forecast([{ id: "a" }], [timing("a", 300), timing("a", 100)])["a"],
    200,
    "the median of its last 2 runs",
  );
});

Deno.test("times of other machines, numerics, kinds and pipelines are not those of the stage", () => {
  const others: Partial<Timing>[] = [
    { machine: "arm64/Another/4" },
    { machine: null },
    { numerics: "onnx-cpu/1/x86/8-threads" },
    { kind: "sample" },
    { pipeline: "q" },
  ];
  for (const more of others) {
    const basis = "no past run of the stage on such a machine";
    assertEquals(forecast([{ id: "a" }], [timing("a", 100, more)])["a"], { known: false, basis }, JSON.stringify(more));
  }
});

Deno.test("a run of another size is scaled: by arithmetic where that is known, else by steps", () => {
  // 1000 GFLOP took 500 ms; 3000 take 1500.
  const byWork = forecast([{ id: "a", work: 3000, extent: 300 }], [timing("a", 500, { workGflop: 1000, extent: 100 })]);
  assertForecast(byWork["a"], 1500, "its last run, scaled by arithmetic");
  // 100 steps took 500 ms; 250 take 1250.
  const bySteps = forecast([{ id: "a", extent: 250 }], [timing("a", 500, { extent: 100 })]);
  assertForecast(bySteps["a"], 1250, "its last run, scaled by steps");
});

Deno.test("a stage that continues does the rest only, and a run that continued tells of its share", () => {
  const whole = timing("a", 1000, { extent: 100 });
  // 60 of 100 steps are done: 40 at 10 ms each.
  const resumed = forecast([{ id: "a", extent: 100, state: "resume", fromStep: 60 }], [whole]);
  assertForecast(resumed["a"], 400, "its last run, scaled by steps");
  // It did 100 steps, from 100 to 200, in 3000 ms: 30 ms each, for 200 steps 6000.
  const fromPart = forecast([{ id: "a", extent: 200 }], [timing("a", 3000, { extent: 200, fromStep: 100 })]);
  assertForecast(fromPart["a"], 6000, "its last run, scaled by steps");
  // 2000 GFLOP for 200 steps; from step 150 on a quarter of that, at 2 GFLOP per ms.
  const work = forecast([{ id: "a", work: 2000, extent: 200, state: "extend", fromStep: 150 }], [
    timing("a", 500, { workGflop: 1000, extent: 100 }),
  ]);
  assertForecast(work["a"], 250, "its last run, scaled by arithmetic");
});

Deno.test("of stages at several extents the longer one does what the shorter leaves", () => {
  const plan = [{ id: "a", extent: 100 }, { id: "a@30", extent: 30 }, {
    id: "a@60",
    extent: 60,
    state: "cached",
  }] as const;
  const all = forecast(plan, [timing("a", 1000, { extent: 100 })]);
  assertForecast(all["a@30"], 300, 'the last run of another "a", scaled by steps');
  // a@60 is there, but what it saved is not planned on: only what runs before it is.
  assertForecast(all["a"], 700, "its last run, scaled by steps");
  assertEquals(Object.keys(all).sort(), ["a", "a@30"]);
});

Deno.test("runs of about the size count before much smaller ones, which are mostly overhead", () => {
  const timings = [
    timing("a", 1000, { extent: 1000 }),
    timing("a", 500, { extent: 10 }),
    timing("a", 500, { extent: 10 }),
    timing("a", 500, { extent: 10 }),
  ];
  assertForecast(forecast([{ id: "a", extent: 2000 }], timings)["a"], 2000, "its last run, scaled by steps");
  // Nothing of the size: the largest, 1 ms a step.
  assertForecast(forecast([{ id: "a", extent: 9000 }], timings)["a"], 9000, "its last run, scaled by steps");
});

Deno.test("a new child of a matrix takes after its siblings", () => {
  const timings = [timing("a~lr=1", 100), timing("a~lr=2", 300), timing("b", 7)];
  assertForecast(forecast([{ id: "a~lr=3" }], timings)["a~lr=3"], 200, 'the median of the last 2 runs of other "a"');
});

Deno.test("arithmetic has a pace per kind, and roughly one per numerics", () => {
  const device = { numerics: "n" };
  const timings = [
    timing("t", 1000, { ...device, workGflop: 4000, pipeline: "q" }),
    timing("s", 1000, { ...device, workGflop: 8000, pipeline: "q", kind: "sample" }),
  ];
  const all = forecast([
    { id: "train", numerics: "n", work: 2000 },
    { id: "judge", kind: "evaluate", numerics: "n", work: 800 },
    { id: "other", numerics: "m", work: 800 },
    { id: "score", kind: "score", numerics: "n" },
  ], timings);
  assertForecast(all["train"], 500, "2000 GFLOP at the 4000 GFLOP/s of past train stages");
  // No evaluate stage has run. Of both others, 0.25 and 0.125 ms per GFLOP, the median is 0.1875.
  assertForecast(all["judge"], 150, "roughly, 800 GFLOP at the 5333 GFLOP/s of past train and sample stages");
  assertEquals(all["other"]!.known, false);
  assertEquals(all["score"]!.known, false);
});

Deno.test("a stage within the engine takes milliseconds, or what others of its kind took", () => {
  const schedule = { id: "s", kind: "schedule", runs: "inline" } as const;
  assertForecast(forecast([schedule], [])["s"], 5, "within the engine, as a rule milliseconds");
  const past = timing("other", 12, { kind: "schedule", pipeline: "q" });
  assertForecast(forecast([schedule], [past])["s"], 12, "the last run of a schedule stage");
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
