import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import {
  encodePath,
  facts,
  pathOf,
  type PathSpec,
  pathSpecSchema,
  readSchedule,
  validate,
} from "../../../artifacts/schedule.ts";
import { definitionByDigest } from "../../../artifacts/own_definitions.ts";
import type { InputArtifact, OwnDefinition } from "../../../engine/contract/stage.ts";
import { defineNetwork, definePath } from "../../../science/diffusion/define.ts";
import { chainPath, pathFacts, tableOf } from "../../../science/diffusion/path.ts";
import { makeTables } from "../../../science/diffusion/schedule/tables.ts";
import { FormatError } from "../../../science/formats/format_error.ts";
import { encodeNpy } from "../../../science/formats/npy.ts";
import { decodeSafetensors } from "../../../science/formats/safetensors.ts";
import { mapFiles, rolesOf } from "../../../schemas/roles.ts";
import { scheduleKind } from "../../../stages/schedule/kind.ts";
import { describeDefinition } from "../../../stages/shared/describe_definition.ts";
import { runStage, type StageOutcome } from "../../support/stage_context.ts";
import { withFolder } from "./small_world.ts";

/** A straight line, bent by a power. */
const flow = definePath({
  params: z.strictObject({ power: z.number().positive().default(1) }),
  signal: (u, { power }) => 1 - u ** power,
  noise: (u, { power }) => u ** power,
});
const cosine = definePath({
  params: z.strictObject({}),
  signal: (u) => Math.cos(u * Math.PI / 2),
  noise: (u) => Math.sin(u * Math.PI / 2),
});

const CODE = "c0de".repeat(16);
const own = (definition: unknown, uses = "./paths/flow.ts", code = CODE): OwnDefinition[] => [
  { sort: "path", uses, code, definition },
];
const PARAMS = { uses: "./paths/flow.ts", timesteps: 20, power: 2 };
const SPEC: PathSpec = { uses: "flow.ts", code: CODE, params: { power: 2 }, timesteps: 20 };

const check = (params: object, said?: Record<string, unknown>) =>
  scheduleKind.check!(params as never, {}, said === undefined ? {} : { "": said });
const parsed = (params: object) => scheduleKind.params.parse(params);

async function made(outcome: Promise<StageOutcome>): Promise<InputArtifact> {
  const { end, outputs } = await outcome;
  assertEquals(end, undefined);
  return outputs["schedule"]!;
}

const said = ({ end }: StageOutcome) => end?.status === "failed" ? end.message : `ended as ${end?.status}`;

Deno.test("schedule writes a path of one's own as data, and whoever has its code reads all of it", async () => {
  await withFolder(async (folder) => {
    const artifact = await made(runStage(folder, scheduleKind, { params: PARAMS, definitions: own(flow) }));
    const file = JSON.parse(await artifact.readText("schedule.json"));
    assertEquals(file, {
      spec: SPEC,
      timesteps: 20,
      priorKlBitsPerDim: 0,
      snr: { first: ((1 - 0.05 ** 2) / 0.05 ** 2) ** 2, last: 0 },
    });
    const { tensors } = decodeSafetensors(await artifact.read("tables.safetensors"));
    assertEquals(Object.keys(tensors).toSorted(), ["noise", "signal"]);
    const svg = await artifact.readText("schedule.svg");
    for (const part of ["flow.ts, T = 20", "signal", "noise", "log-SNR"]) assertStringIncludes(svg, part);
    assert(!/NaN|Infinity|undefined|beta/.test(svg));

    const { spec, path } = await readSchedule(artifact, own(flow, "./elsewhere.ts"));
    assertEquals([spec, path.continuous, path.tables], [SPEC, true, undefined]);
    assertEquals([path.signal(0.5), path.noise(0.5)], [1 - 0.075 ** 2, 0.075 ** 2]);
    // Read without the path's code.
    assertEquals(tableOf((await validate(artifact)).path), tableOf(path));
    const known = { timesteps: 20, endRatio: 0, variancePreserving: false, zeroTerminalSnr: true };
    assertEquals(await facts(artifact), { betas: "flow.ts", ...known });
    assertEquals(describeDefinition(flow, { timesteps: 20, power: 2 }), { ...known, problems: [] });
  });
});

Deno.test("schedule writes all tables of a path that preserves the variance", async () => {
  await withFolder(async (folder) => {
    const params = { uses: "./cosine.ts", timesteps: 50 };
    const definitions = own(cosine, "./cosine.ts");
    const artifact = await made(runStage(folder, scheduleKind, { params, definitions }));
    const { tensors } = decodeSafetensors(await artifact.read("tables.safetensors"));
    const { path } = await readSchedule(artifact, definitions);
    const wanted = { betas: path.tables!.betas, signal: tableOf(path).signal };
    assertEquals<unknown>([tensors["betas"]!.data, tensors["signal"]!.data], [wanted.betas, wanted.signal]);
    assertEquals((await facts(artifact)).variancePreserving, true);
  });
});

Deno.test("a path of one's own is refused where the project has not its code, or other code under its digest", async () => {
  await withFolder(async (folder) => {
    const artifact = await made(runStage(folder, scheduleKind, { params: PARAMS, definitions: own(flow) }));
    const other = "0".repeat(64);
    const refused = async (definitions: OwnDefinition[]) =>
      await assertRejects(() => readSchedule(artifact, definitions), FormatError);
    for (const part of ["flow.ts", CODE]) assertStringIncludes((await refused([])).message, part);
    for (const part of [CODE, other]) {
      assertStringIncludes((await refused(own(flow, "./flow.ts", other))).message, part);
    }
    // A network with this digest is not a path.
    const network = defineNetwork({
      params: z.strictObject({}),
      build: () => ({ parameters: [], forward: (x) => x.x }),
    });
    await refused([{ sort: "network", uses: "./flow.ts", code: CODE, definition: network }]);
    const another = definePath({
      params: flow.params,
      signal: (u) => cosine.signal(u, {}),
      noise: (u) => cosine.noise(u, {}),
    });
    assertMatch(
      (await refused(own(another))).message,
      /, signal at t=0: got 0.9975, wanted 0.99\d*, as of flow.ts/,
    );
  });
});

Deno.test("pathOf() reads what encodePath() writes: betas of a chain, signal and noise of another path", () => {
  const chain = chainPath(makeTables(Float64Array.of(0.1, 0.2, 1)));
  const betas: PathSpec = { betas: "own", timesteps: 3 };
  const file = "schedule.safetensors";
  assertEquals(Object.keys(decodeSafetensors(Buffer.concat(encodePath(chain))).tensors), ["betas"]);
  assertEquals(pathOf(betas, { file, bytes: Buffer.concat(encodePath(chain)), own: [] }).tables, chain.tables);
  const failure = assertThrows(
    () => pathOf({ betas: "own", timesteps: 4 }, { file, bytes: Buffer.concat(encodePath(chain)) }),
    FormatError,
  );
  assertEquals(failure.message, "schedule.safetensors, tensor betas: got 3 numbers, wanted 4 of Float64Array");
  assertThrows(
    () => pathOf({ ...SPEC, timesteps: 3 }, { file, bytes: Buffer.concat(encodePath(chain)) }),
    FormatError,
    "tensor signal: got none",
  );
  for (const bad of [{ ...SPEC, code: "x" }, { ...SPEC, name: "ldm/linear" }, { betas: "mine", timesteps: 3 }]) {
    assert(!pathSpecSchema.safeParse(bad).success);
  }
});

Deno.test("schedule's check turns what is said of a path into problems of its file and facts", () => {
  const bent = describeDefinition({ ...flow, noise: (u: number) => u > 0.5 ? NaN : u }, { timesteps: 20, power: 1 });
  const { problems, facts } = check(PARAMS, JSON.parse(JSON.stringify(bent)));
  assertEquals(problems.length, 1);
  assertEquals([problems[0]!.param, problems[0]!.severity ?? "error"], [["uses"], "error"]);
  assertStringIncludes(problems[0]!.message, "./paths/flow.ts: the noise of the path");
  assertEquals(facts?.["schedule"]?.["timesteps"], 20);
  // Problems of another form are ignored, and other facts are checked by their readers.
  assertEquals(check(PARAMS, { timesteps: 20, variancePreserving: "so", problems: 7 }), {
    problems: [],
    facts: { schedule: { betas: PARAMS.uses, timesteps: 20, variancePreserving: "so" } },
  });
});

Deno.test("describeDefinition() leaves what a path's own code throws to its process, which says where", () => {
  const throws = definePath({ params: z.strictObject({}), signal: () => missing(), noise: (u) => u });
  assertThrows(() => describeDefinition(throws, { timesteps: 5 }), TypeError, "no signal here");
});

function missing(): number {
  throw new TypeError("no signal here");
}

Deno.test("schedule fails where the code that it runs gives another path than the one that was looked at", async () => {
  await withFolder(async (folder) => {
    const definitions = own({ ...flow, noise: () => NaN });
    const outcome = await runStage(folder, scheduleKind, { params: PARAMS, definitions });
    assertStringIncludes(said(outcome), "./paths/flow.ts: the path does not start at the image");
  });
});

Deno.test("schedule takes betas that the pipeline lists", async () => {
  const betas = [0.1, 0.5, 0.9, 0.999];
  const { problems, facts: known } = check(parsed({ betas }));
  assertEquals(problems.map(({ severity, param }) => [severity, param]), []);
  assertEquals(known?.["schedule"], {
    betas: "own betas",
    endRatio: known!["schedule"]!["endRatio"]!,
    timesteps: 4,
    variancePreserving: true,
    zeroTerminalSnr: false,
  });
  // The product of all alphas is 0.9 x 0.5 x 0.1 x 0.001; products and roots are rounded.
  const ratio = known!["schedule"]!["endRatio"] as number;
  assert(Math.abs(ratio - Math.sqrt(0.000045 / (1 - 0.000045))) < 1e-15, `${ratio}`);
  await withFolder(async (folder) => {
    const artifact = await made(runStage(folder, scheduleKind, { params: { betas } }));
    const { spec, path } = await readSchedule(artifact, []);
    assertEquals(spec, { betas: "own", timesteps: 4 });
    assertEquals(path.tables, makeTables(Float64Array.from(betas)));
    assertEquals({ ...await facts(artifact) }, { betas: "own betas", ...pathFacts(path) });
    const zero = await made(runStage(folder, scheduleKind, { params: { betas, zeroTerminalSnr: true } }));
    const rescaled = await readSchedule(zero, []);
    assertEquals(rescaled.spec, { betas: "own", timesteps: 4, zeroTerminalSnr: true });
    assertEquals(rescaled.path.tables!.betas.at(-1), 1);
    assertStringIncludes(await zero.readText("schedule.svg"), "own betas with zero terminal SNR, T = 4");
  });
});

Deno.test("schedule's check says what is wrong with listed betas", () => {
  const [problem] = check(parsed({ betas: [0.1, 0.2] })).problems;
  assertEquals([problem?.severity, problem?.param], ["warning", ["betas"]]);
  assertStringIncludes(problem!.message, "bits per dimension");
  const [still] = check(parsed({ betas: [0.1, 1, 0.2] })).problems;
  assertEquals([still?.severity ?? "error", still?.param], ["error", ["betas"]]);
  assertEquals(check(parsed({ betas: [0.5, 1], timesteps: 2 })).problems.map(({ param, fix }) => [param, fix]), [
    [["timesteps"], "remove timesteps"],
  ]);
  assertEquals(check(parsed({ betas: "ho/linear" })).problems.map(({ fix }) => fix), ["add timesteps: 1250"]);
  for (const betas of [[], [0], [1.5], [NaN], ["x"], { path: "" }, { file: "x" }]) {
    assert(!scheduleKind.params.safeParse({ betas }).success, JSON.stringify(betas));
  }
});

Deno.test("schedule takes betas from a file, a list in JSON", async () => {
  await withFolder(async (folder) => {
    const run = async (name: string, content: Uint8Array | string, digest?: string) => {
      const path = join(folder, name);
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      await Deno.writeFile(path, bytes);
      const sha256 = digest ?? createHash("sha256").update(bytes).digest("hex");
      const externals = { 'betas["path"]': sha256 };
      return await runStage(folder, scheduleKind, { params: { betas: { path } }, externals });
    };
    const betas = [0.1, 0.5, 1];
    const tables = makeTables(Float64Array.from(betas));
    const { path } = await readSchedule(await made(run("betas.json", JSON.stringify(betas))), []);
    assertEquals(path.tables, tables);
    const wrong = [
      ["text.json", "0.1, 0.2", "text.json: got text that is not JSON"],
      ["map.json", '{"betas": [0.1]}', 'map.json: got {"betas":[0.1]}, wanted a list'],
      ["texts.json", '["0.1"]', 'texts.json[0]: got "0.1", wanted a number'],
      ["several.json", '[1, "a", 0, {}]', 'several.json[1]: got "a", wanted a number; [3]: got {}, wanted a number'],
      ["none.json", "[]", "none.json, Betas: got none"],
      ["two.json", "[0.1, 2]", "two.json, Betas: got 2 at t=1, wanted 0 < beta <= 1"],
      ["still.json", "[1, 0.1]", "still.json: the path leaves too little signal"],
      ["single.npy", encodeNpy({ shape: [1], data: Float32Array.of(0.1) }), "single.npy: got text that is not JSON"],
      ["broken.json", "[0.1,\n 0.2\n", "broken.json: got text that is not JSON (line 3 column 1)"],
      ["long.json", JSON.stringify(new Array(1e6 + 1).fill(0.1)), "long.json: got [0.1,0.1,"],
    ] as const;
    for (const [name, content, says] of wrong) assertStringIncludes(said(await run(name, content)), says);
    assertStringIncludes(said(await run("other.json", "[1]", "0".repeat(64))), "not the file that was planned");
  });
});

Deno.test("a schedule by name has the key that it had before betas could be listed", () => {
  const roles = rolesOf(scheduleKind.params);
  assertEquals(roles, { betas: { role: "external", files: [["path"]] }, zeroTerminalSnr: { legacy: false } });
  const nothing = () => null;
  assertEquals(mapFiles("ho/linear", roles["betas"]!, nothing), "ho/linear");
  assertEquals(mapFiles({ path: "./betas.json" }, roles["betas"]!, nothing), { path: null });
  assertEquals(mapFiles([0.1], roles["betas"]!, nothing), [0.1]);
  assertEquals(Object.keys(parsed({ betas: "ho/linear", timesteps: 9 })), [
    "betas",
    "timesteps",
    "linearStart",
    "linearEnd",
    "cosineS",
    "zeroTerminalSnr",
  ]);
});

Deno.test("params of a record are held to the schema of the definition", () => {
  const read = (definition: unknown, params: Record<string, unknown>) =>
    assertThrows(
      () => definitionByDigest("path", { uses: "flow.ts", code: CODE, params }, own(definition)),
      FormatError,
    ).message;
  assertStringIncludes(read(flow, { power: -1 }), "the params of flow.ts: got power: Too small");
  assertStringIncludes(read(flow, {}), "the params of flow.ts: got power: Invalid input");
  assertStringIncludes(read(flow, { power: 1, more: 1 }), "the params of flow.ts: got all of it: Unrecognized key");
  // A schema's output need not be a valid input.
  const turned = definePath({
    params: z.strictObject({ power: z.string().transform(Number) }),
    signal: (u) => 1 - u,
    noise: (u) => u,
  });
  assertEquals(definitionByDigest("path", { uses: "flow.ts", code: CODE, params: { power: 1 } }, own(turned)), turned);
});

Deno.test("what the code of a path says of itself before it runs is held to what it was given, and cut", () => {
  const problems = (timesteps: unknown, facts: Record<string, unknown>) =>
    check({ ...PARAMS, timesteps }, facts).problems.map(({ message, got }) => `${message}: ${got}`);
  const other = ["./paths/flow.ts: its code says that it has other timesteps than it was given: undefined"];
  assertEquals(problems(20, { timesteps: 20 }), []);
  for (const [given, told] of [[20, 1e12], [1e12, 1e12], ["20", "20"]]) {
    assertEquals(problems(given, { timesteps: told }), other);
  }
  const [long] = check(PARAMS, {
    timesteps: 20,
    problems: [{ message: `a\nFORGED${"b".repeat(2_000)}`, got: "g".repeat(2_000), wanted: "w" }],
  }).problems;
  assertMatch(long!.message, /^\.\/paths\/flow\.ts: a FORGEDb{992}$/);
  assertEquals(long!.got!.length, 200);
});
