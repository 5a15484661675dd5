import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { identityKeyOf, recipeKeyOf, resolvedKeyOf } from "../../../../engine/keys/keys.ts";
import { extentParam } from "../../../../engine/keys/stage.ts";
import { definitionOf } from "../support/own_kinds.ts";
import { load } from "../support/load.ts";
import { FILES, makePlace, yamlOf } from "../support/own_place.ts";
import { endStates, planIn, planned, runIn } from "../support/reach.ts";

const ALL_CACHED = "path: cached, plain: cached, learn: cached, other: cached, draw: cached, dull: cached";

Deno.test("a stage is given its own definitions and those that what it reads was made with", async () => {
  await using place = await makePlace();
  const ended = await runIn(place.path, yamlOf());
  assertEquals(new Set([...ended.stages.values()].map(({ state }) => state)), new Set(["ran"]));
  const given = (id: string) =>
    place.given(id).given.map(({ sort, uses, has }: Record<string, string>) => `${sort} ${uses} ${has}`);
  const network = "network ./net.ts build,params";
  const path = "path ./path.ts noise,params,signal";
  assertEquals(["path", "plain", "learn", "other", "draw", "dull"].map(given), [
    [path],
    [],
    [network, path],
    [],
    [network, path],
    [],
  ]);
  assertEquals(place.given("learn").params.model, { uses: "./net.ts", depth: 6 });
  const stages = await planIn(place.path, yamlOf());
  assertEquals(planned(stages), ALL_CACHED);
  const keyOf = (id: string) => stages.get(id)!.manifest!.ingredients;
  assertEquals(keyOf("learn").params, { model: { depth: 6 }, objective: "eps", steps: 2 });
  assertEquals(keyOf("path").params, { timesteps: 1001 });
  const [{ code }] = place.given("path").given;
  assertEquals(keyOf("path").version, `track/1 :${code}`);
  const [{ code: ofNetwork }] = place.given("learn").given;
  assertEquals(keyOf("learn").version, `learn/3 model:${ofNetwork} +path:${code}`);
  // Loaded code may have affected every output of the process, whichever param named it.
  assertEquals(keyOf("draw").version, `draw/1 +network:${ofNetwork} +path:${code}`);
  assertEquals(keyOf("dull").version, "draw/1");
  const [draw, dull] = ["draw", "dull"].map((id) => {
    const { kind } = stages.get(id)!.stage;
    const alike = { ...keyOf(id), inputs: keyOf("dull").inputs };
    const { inputs, ...local } = alike;
    return [resolvedKeyOf(recipeKeyOf(local, {}).localKey, inputs), identityKeyOf(alike, extentParam(kind))];
  });
  assertNotEquals(draw![0], dull![0]);
  assertNotEquals(draw![1], dull![1]);
});

Deno.test("only what a definition does is in the key: not its comments, types, layout and place", async () => {
  await using place = await makePlace();
  await runIn(place.path, yamlOf());
  place.write("lib/one.ts", "// One.\nexport const one: number   = 1;\n");
  place.write("net.ts", FILES["net.ts"]!.replace("two = one + 1", "two: number =\n  (one + 1) /* two */"));
  assertEquals(planned(await planIn(place.path, yamlOf())), ALL_CACHED);
  place.write("nets/mine.ts", FILES["net.ts"]!.replace("./lib", "../lib"));
  // A module at another relative path is another import.
  assertEquals((await planIn(place.path, yamlOf({ model: "./nets/mine.ts" }))).get("learn")!.state, "run");
  place.write("mine.ts", FILES["net.ts"]!);
  assertEquals(planned(await planIn(place.path, yamlOf({ model: "./mine.ts" }))), ALL_CACHED);
  for (
    const [yaml, why, draw] of [[yamlOf({ depth: 7 }), "param", "may-run ("], [yamlOf(), "code", "run (code+"]] as const
  ) {
    if (why === "code") place.write("lib/one.ts", "export const one = 1.5;\n");
    const stages = await planIn(place.path, yaml);
    assertEquals(
      planned(stages),
      `path: cached, plain: cached, learn: run (${why}), other: cached, draw: ${draw}upstream), dull: cached`,
    );
  }
});

// `path` saves nothing, so it runs to its end. `learn` saves states: it is stopped if the edit is noticed before it has
// ended.
for (
  const [id, file, from, how, ends] of [
    ["path", "path.ts", "Math.PI / 2), n", /its result is discarded/, "draw: blocked, dull: ran, learn: blocked"],
    ["learn", "net.ts", "one + 1", /its result is discarded|it was stopped/, "draw: blocked, dull: ran, learn: failed"],
  ] as const
) {
  Deno.test(`an edit of a definition while ${id} runs with it fails the stage by the name of the file`, async () => {
    await using place = await makePlace();
    const edited = FILES[file]!.replace(from, from.replace(/1|2/, "3"));
    assertNotEquals(edited, FILES[file]);
    const ended = await runIn(place.path, yamlOf(), {
      keepGoing: true,
      emit: (event) => event.type === "stage-started" && event.id === id && place.write(file, edited),
    });
    assertEquals(endStates(ended), `${ends}, other: ran, path: ${id === "path" ? "failed" : "ran"}, plain: ran`);
    assertMatch(ended.stages.get(id)!.message!, new RegExp(`^${file} changed after planning; (${how.source})$`));
    place.write(file, FILES[file]!);
    assertEquals((await planIn(place.path, yamlOf())).get(id)!.state, "run");
  });
}

Deno.test("a definition is loaded in a process that may do nothing", async () => {
  await using place = await makePlace();
  place.write("net.ts", definitionOf("network", "", 'Deno.env.get("HOME");'));
  const yaml = "name: p\nstages:\n  learn: { uses: learn, with: { model: { uses: ./net.ts } } }\n";
  const loaded = await load(place.path, yaml);
  assertEquals(loaded.ok ? [] : loaded.diagnostics.map(({ message }) => message), [
    "cannot use ./net.ts: while it was loaded: the stage may not read the variable HOME",
  ]);
});
