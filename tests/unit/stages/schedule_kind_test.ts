import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { decodeSafetensors } from "../../../science/formats/safetensors.ts";
import { chainPath, priorKlOfPath } from "../../../science/diffusion/path.ts";
import { makeBetas, SCHEDULE_NAMES } from "../../../science/diffusion/schedule/betas.ts";
import { makeTables } from "../../../science/diffusion/schedule/tables.ts";
import { scheduleParams, toScheduleSpec } from "../../../stages/schedule/params.ts";
import { validate } from "../../../engine/diagnostic/validate.ts";
import { rolesOf } from "../../../schemas/roles.ts";
import { scheduleKind } from "../../../stages/schedule/kind.ts";
import { trainKind } from "../../../stages/train/kind.ts";
import { readScheduleFacts } from "../../../artifacts/facts.ts";
import { nameOf, readSchedule, scheduleSpecSchema } from "../../../artifacts/schedule.ts";
import { runStage } from "../../support/stage_context.ts";
import { assertClose } from "../science/diffusion/assert_close.ts";
import { withFolder } from "./small_world.ts";
import { countCalls } from "../../support/work.ts";

const check = (params: Record<string, unknown>) => scheduleKind.check!(scheduleKind.params.parse(params), {});

Deno.test("schedule's check refuses a T that 32-bit numbers cannot hold and names the largest that works", () => {
  // ldm/sqrt at T = 1001 passes (A = 2.9e-44 is a subnormal); its signal halves every few steps, so 2000 cannot.
  assertEquals(check({ betas: "ldm/sqrt", timesteps: 1_001 }).problems, []);
  const [problem] = check({ betas: "ldm/sqrt", timesteps: 2_000 }).problems;
  assertEquals([problem?.severity ?? "error", problem?.param, problem?.got], [
    "error",
    ["timesteps"],
    "timesteps 2000",
  ]);
  const largest = Number(/^timesteps at most (\d+)$/.exec(problem?.wanted ?? "")?.[1]);
  assert(largest > 1_000 && largest < 2_000);
  assertStringIncludes(problem?.fix ?? "", `${largest}`);
  assertEquals(check({ betas: "ldm/sqrt", timesteps: largest }).problems, []);
  assertEquals(check({ betas: "ldm/sqrt", timesteps: largest + 1 }).problems.length, 1);
});

Deno.test("schedule's check warns when x_T is not noise and names the smallest T that is", () => {
  const [problem] = check({ betas: "ldm/linear", timesteps: 1_000 }).problems;
  assertEquals([problem?.severity ?? "error", problem?.param], ["warning", ["timesteps"]]);
  // Prior KL of ldm/linear at T = 1000 for E[x^2] = 1, by numpy in float64: 5.29239358283e-04 bits per dimension.
  assertStringIncludes(problem?.message ?? "", "5.29e-4 bits");
  const smallest = Number(/which (\d+) timesteps reach/.exec(problem?.wanted ?? "")?.[1]);
  assertEquals(check({ betas: "ldm/linear", timesteps: smallest }).problems, []);
  assertEquals(check({ betas: "ldm/linear", timesteps: smallest - 1 }).problems.length, 1);
});

Deno.test("schedule's check holds T > 1000 to its reason: a warning where x_T is no noise, else a note with the figure", () => {
  const saysRule = (notes: readonly string[] = []) => notes.map((note) => /enough for (.*), whose/.exec(note)?.[1]);
  for (const betas of SCHEDULE_NAMES) {
    for (const timesteps of [20, 500, 1_000]) {
      const { problems, notes = [] } = check({ betas, timesteps });
      const spec = toScheduleSpec(scheduleParams.parse({ betas, timesteps }))!;
      const bits = priorKlOfPath(chainPath(makeTables(makeBetas(spec))));
      const told = `${betas} at ${timesteps}, ${bits}`;
      // Decided by L_T alone: at 1000 these are ldm/linear and ho/quad, which are the same and need 1,231 timesteps.
      assertEquals(problems.map(({ severity }) => severity), bits > 1e-4 ? ["warning"] : [], told);
      const noted = betas.startsWith("ldm/") && bits <= 1e-4;
      assertEquals(saysRule(notes), noted ? [betas] : [], told);
      if (noted) assertStringIncludes(notes[0]!, `${bits.toExponential(2)} bits per dimension`);
      const [problem] = problems;
      if (problem === undefined) continue;
      // The fix names the smallest T of this family that suffices.
      const named = Number(/timesteps: (\d+) or more/.exec(problem.fix ?? "")?.[1]);
      assertEquals(check({ betas, timesteps: named }).problems, [], told);
      assertEquals(check({ betas, timesteps: named - 1 }).problems.length, 1, told);
      assertStringIncludes(problem.message, "x_T is still not pure noise");
    }
    assertEquals(check({ betas, timesteps: 1_001 }).notes ?? [], [], betas);
  }
  // docs/schedules.md has the same figure.
  assertStringIncludes(check({ betas: "ldm/cosine", timesteps: 1_000 }).notes![0]!, "1.75e-9 bits per dimension");
});

Deno.test("schedule's check says so when no T makes x_T noise", () => {
  // The sum of the betas grows with T, but at 1e-9 not by enough within the limit of the search.
  const [problem] = check({ betas: "ldm/sqrt_linear", timesteps: 10, linearStart: 1e-9, linearEnd: 2e-9 }).problems;
  assertStringIncludes(problem?.wanted ?? "", "no number of timesteps up to 100,000");
});

Deno.test("schedule's check wants linearEnd above linearStart where the schedule uses them", () => {
  const params = { timesteps: 1_250, linearStart: 0.02, linearEnd: 0.0001 };
  const [problem] = check({ betas: "ldm/sqrt_linear", ...params }).problems;
  assertEquals([problem?.severity ?? "error", problem?.param], ["error", ["linearEnd"]]);
  assertEquals(check({ betas: "ho/warmup50", ...params }).problems.length, 1);
  for (const betas of ["ldm/cosine", "ho/jsd", "sigmoid"]) assertEquals(check({ betas, ...params }).problems, []);
  // ho/const is linearEnd throughout, whatever linearStart is.
  assertEquals(check({ betas: "ho/const", timesteps: 1_000, linearStart: 0.03 }).problems, []);
});

Deno.test("schedule's check proposes a larger linearEnd only where the schedule has one", () => {
  assertEquals(
    check({ betas: "ho/const", timesteps: 100 }).problems[0]?.fix,
    "use timesteps: 440 or more, or raise linearEnd, or use another schedule",
  );
  assertEquals(
    check({ betas: "sigmoid", timesteps: 4 }).problems[0]?.fix,
    "use timesteps: 5 or more, or use another schedule",
  );
});

Deno.test("schedule's facts say whether the chain ends in pure noise", () => {
  const zero = (params: Record<string, unknown>) =>
    readScheduleFacts(check(params).facts?.["schedule"])?.zeroTerminalSnr;
  assertEquals(zero({ betas: "ho/linear", timesteps: 1_000 }), false);
  assertEquals(zero({ betas: "ho/linear", timesteps: 1_000, zeroTerminalSnr: true }), true);
  assertEquals(zero({ betas: "ho/jsd", timesteps: 1_000 }), true);
  // Facts of kinds that do not state this.
  assertEquals(readScheduleFacts({ timesteps: 10, betas: "mine" })?.zeroTerminalSnr, false);
});

Deno.test("schedule's check accepts a terminal SNR of zero, which train refuses", () => {
  const schedule = check({ betas: "ldm/linear", timesteps: 1_250, zeroTerminalSnr: true });
  assertEquals(schedule.problems, []);
  const [problem, ...rest] = trainKind.check!(trainKind.params.parse({ steps: 1, batchSize: 1 }), {
    images: { count: 10, height: 32, width: 32, channels: 1 },
    schedule: schedule.facts!["schedule"]!,
  }).problems;
  assertEquals([problem?.severity ?? "error", problem?.input, rest], ["error", "schedule", []]);
  assertStringIncludes(problem?.fix ?? "", "zeroTerminalSnr");
});

Deno.test("schedule's params explain a name that means different things in different codes", () => {
  const said = (betas: unknown) => {
    const outcome = validate(scheduleParams, { betas, timesteps: 10 });
    return outcome.ok ? "" : outcome.issues.map(({ message }) => message).join("\n");
  };
  const wanted: [name: string, says: string[]][] = [
    ["linear", ["ambiguous", "ldm/linear", "sqrt(beta)", "ho/linear", "ldm/sqrt_linear", "Ho et al. 2020"]],
    ["quad", ["ho/quad", "ldm/linear", "scaled_linear"]],
    ["scaled_linear", ["diffusers", "ldm/linear", "ho/quad"]],
    ["cosine", ["ldm/cosine", "squaredcos_cap_v2"]],
    ["squaredcos_cap_v2", ["diffusers", "ldm/cosine"]],
    ["sqrt", ["ldm/sqrt ", "family"]],
    ["warmup10", ["ho/warmup10 "]],
    ["jsd", ["ho/jsd "]],
    ["toString", ["one of ldm/linear", "sigmoid"]],
  ];
  for (const [name, says] of wanted) for (const part of says) assertStringIncludes(said(name), part);
  for (const name of SCHEDULE_NAMES) assertEquals(said(name), "");
  assertStringIncludes(said(7), "one of");
});

Deno.test("a schedule without zero terminal SNR keeps the keys and the spec that it had before there was one", () => {
  assertEquals(rolesOf(scheduleParams)["zeroTerminalSnr"], { legacy: false });
  const spec = (zeroTerminalSnr: boolean) =>
    toScheduleSpec(scheduleParams.parse({ betas: "ldm/cosine", timesteps: 9, zeroTerminalSnr }));
  const old = { name: "ldm/cosine", timesteps: 9, linearStart: 1e-4, linearEnd: 2e-2, cosineS: 8e-3 } as const;
  assertEquals(spec(false), old);
  assertEquals(scheduleSpecSchema.parse(old), old);
  assertEquals(scheduleSpecSchema.parse(spec(true)), { ...old, zeroTerminalSnr: true });
});

Deno.test("schedule's check makes each table once for T = 1000", async () => {
  const params = scheduleKind.params.parse({ betas: "ldm/cosine", timesteps: 1_000 });
  const calls = await countCalls(() => scheduleKind.check!(params, {}));
  // 40 for each timestep; the searches for a T that works would multiply them.
  assert(calls < 60_000, `${calls} calls`);
});

Deno.test("schedule writes every table and what it was made from", async () => {
  await withFolder(async (folder) => {
    const { end, outputs } = await runStage(folder, scheduleKind, {
      params: { betas: "ldm/sqrt_linear", timesteps: 1_000 },
    });
    assertEquals(end, undefined);
    const artifact = outputs["schedule"]!;
    const { spec, path } = await readSchedule(artifact, []);
    assertEquals(nameOf(spec), "ldm/sqrt_linear");
    const tables = path.tables!;
    // numpy, float64: linear betas 1e-4 to 0.02, T = 1000.
    assertClose(tables.alphasCumprod[999]!, 4.03582976538e-05, { rel: 1e-11 });
    const file = JSON.parse(await artifact.readText("schedule.json"));
    assertClose(file.priorKlBitsPerDim, 2.91129454203e-05, { rel: 1e-9 });
    assertClose(file.snr.first, 9999, { rel: 1e-11 });
    const { tensors } = decodeSafetensors(await artifact.read("tables.safetensors"));
    for (const [name, values] of Object.entries(tables)) {
      if (typeof values !== "number") assertEquals(tensors[name], { shape: [1_000], data: values });
    }
  });
});
