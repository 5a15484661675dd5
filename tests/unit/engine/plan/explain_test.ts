import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { type Cause, explainStages, type Upstream } from "../../../../engine/plan/explain.ts";
import { findDependents, findPending } from "../../../../engine/plan/plan.ts";
import { Planner } from "../../../../engine/plan/planner.ts";
import { openStore } from "../../../../engine/store/store.ts";
import { explainChange } from "../../../../engine/plan/reasons.ts";
import type { Stage } from "../../../../engine/keys/stage.ts";
import type { ResultManifest } from "../../../../schemas/records.ts";
import { loadGood } from "../support/load.ts";
import { runIn } from "../support/reach.ts";
import { makeTempFolder } from "../support/temp.ts";

/**
 * Returns a pipeline with a source, two stages that read it, and one that reads both. A text that begins with "mod"
 * gives one of two contents.
 */
const diamond = ({ text = "x", left = "l", more = "" } = {}) =>
  `name: p
vars: { text: ${text} }
stages:
  top: { uses: source, with: { text: "\${vars.text}"${more} } }
  left: { uses: mix, inputs: { one: top }, with: { text: ${left} } }
  right: { uses: mix, inputs: { one: top }, with: { text: r } }
  last: { uses: mix, inputs: { from: [left, right] } }
`;

async function planFor(folder: string, yaml: string, set: string[] = []) {
  const store = openStore(join(folder, ".noiseline"));
  const planner = Planner.make(await loadGood(folder, yaml, set), store, {});
  if (!planner.ok) throw new Error(planner.diagnostics.map(({ message }) => message).join("\n"));
  return { plan: await planner.value.plan(), store };
}

async function explainIn(folder: string, yaml: string, id: string, set: string[] = []) {
  const { plan, store } = await planFor(folder, yaml, set);
  return explainStages(plan, store, [id])[0]!;
}

/** Formats causes as `upstream top { param text x->y }`. */
function sketch(causes: readonly Cause[]): string {
  const within = (all: readonly Upstream[]) =>
    all.map(({ stage, state, note, causes }) =>
      `${stage}:${state}${note === undefined ? "" : ` [${note}]`}${causes.length === 0 ? "" : ` { ${sketch(causes)} }`}`
    ).join(", ");
  return causes.map(({ reason, upstream }) => {
    const what = reason.code === "param" ? `param ${reason.name} ${reason.from}->${reason.to}` : reason.code;
    return upstream === undefined ? what : `${what} <- ${within(upstream)}`;
  }).join("; ");
}

Deno.test("a cached stage says which result serves it, made when, by which run", async () => {
  await using folder = await makeTempFolder();
  const { runId } = await runIn(folder.path, diamond());
  const { planned, causes, result, last } = await explainIn(folder.path, diamond(), "left");
  assertEquals([planned.state, causes, last], ["cached", [], undefined]);
  assertEquals([result!.runId, result!.stage, result!.pipeline, result!.numerics], [runId, "left", "p", null]);
  assertEquals(new Date(result!.madeAt!).toISOString(), result!.madeAt);

  // Without the record of the run, its id still contains its start time.
  await Deno.remove(join(folder.path, ".noiseline", "runs"), { recursive: true });
  const bare = (await explainIn(folder.path, diamond(), "left")).result!;
  assertEquals([bare.host, bare.durationMs], [undefined, undefined]);
  assertEquals(bare.madeAt!.replaceAll(/[-:.Z]/g, ""), runId!.split("-")[0]);
});

Deno.test("a change is followed to its root, told once, with the whole way that its value came", async () => {
  await using folder = await makeTempFolder();
  await runIn(folder.path, diamond());
  const set = ["vars.text=y"];
  const { causes, last } = await explainIn(folder.path, diamond(), "last", set);
  assertEquals(
    sketch(causes),
    "upstream <- left:may-run { upstream <- top:run { param text x->y } }; " +
      "upstream <- right:may-run { upstream <- top:run [as said above] }",
  );
  assertEquals(last?.stage, "last");
  const [root] = causes[0]!.upstream![0]!.causes[0]!.upstream![0]!.causes;
  const file = join(folder.path, "p.yaml");
  assertEquals(root!.origin, [`${file}:4:38`, `\${vars.text} = --set vars.text=y, overriding ${file}:2:15`]);
});

Deno.test("what was already made anew upstream is compared with the result that was read", async () => {
  await using folder = await makeTempFolder();
  await runIn(folder.path, diamond());
  await runIn(folder.path, diamond({ text: "y" }), { targets: ["top"] });
  const left = await explainIn(folder.path, diamond({ text: "y" }), "left");
  assertEquals(left.planned.state, "run");
  assertEquals(sketch(left.causes), "input <- top:cached { param text x->y }");
  const [{ reason, origin }] = left.causes as [Cause];
  assertEquals(origin, [`${join(folder.path, "p.yaml")}:5:37`]);
  if (reason.code !== "input") throw new Error("no input");
  const { plan } = await planFor(folder.path, diamond({ text: "y" }));
  assertEquals(reason.to, [plan.stages.get("top")!.manifest!.outputs["out"]!.digest]);
  assertEquals(reason.from.length, 1);
});

Deno.test("a port that reads another stage now says which one it read", async () => {
  await using folder = await makeTempFolder();
  const reads = (one: string) =>
    `name: p
stages:
  a: { uses: source, with: { text: a } }
  b: { uses: source, with: { text: b } }
  c: { uses: mix, inputs: { one: ${one} } }
`;
  await runIn(folder.path, reads("a"));
  assertEquals(sketch((await explainIn(folder.path, reads("b"), "c")).causes), "input <- b:cached [it read a before]");
});

Deno.test("an external is told with its digests, sizes and places", async () => {
  await using folder = await makeTempFolder();
  const [one, two] = [join(folder.path, "one"), join(folder.path, "two")];
  await Deno.writeTextFile(one, "1");
  await Deno.writeTextFile(two, "22");
  const yaml = (file: string) => `name: p\nstages:\n  a: { uses: source, with: { file: ${file} } }\n`;
  await runIn(folder.path, yaml("./one"));
  const [{ reason, before, after, origin }] = (await explainIn(folder.path, yaml("./two"), "a")).causes as [Cause];
  assertEquals([reason.code, origin], ["external", [`${join(folder.path, "p.yaml")}:3:36`]]);
  // printf 1 | sha256sum; printf 22 | sha256sum
  assertEquals([before!.digest.slice(0, 8), after!.digest.slice(0, 8)], ["6b86b273", "785f3ec7"]);
  assertEquals([before!.path, before!.sizeBytes, after!.path, after!.sizeBytes], [one, 1, two, 2]);

  const gone = (await explainIn(folder.path, "name: p\nstages:\n  a: { uses: source }\n", "a")).causes[0]!;
  assertEquals([gone.before?.path, gone.after], [one, undefined]);
});

Deno.test("a file that is new or gone among several is told once, as an external", () => {
  const known = (names: readonly string[], more = {}) => ({
    ...{ kind: "k", version: "k@1", seed: null, inputs: {} },
    params: { data: { ...Object.fromEntries(names.map((name) => [name, null])), ...more } },
    externals: Object.fromEntries(names.map((name) => [`data["${name}"]`, `content of ${name}`])),
  });
  const stage = { entry: "a", kind: {}, params: {}, inputs: {} } as unknown as Stage;
  const tell = (now: ReturnType<typeof known>) =>
    explainChange(
      stage,
      now,
      { ingredients: known(["one"]) } as unknown as ResultManifest,
      { explain: () => ["p"] } as never,
    )
      .map((reason) => `${reason.code} ${"name" in reason && reason.name}`);
  assertEquals(tell(known(["two"])), ['external data["one"]', 'external data["two"]']);
  assertEquals(tell(known(["one"], { rate: 2 })), ["param data.rate"]);
  assertEquals(tell(known(["one"], { none: null })), ["param data.none"]);
});

Deno.test("where a stage continues is told with what is saved", async () => {
  await using folder = await makeTempFolder();
  const yaml = "name: p\nstages:\n  w: { uses: walk, with: { steps: 4 } }\n";
  await runIn(folder.path, yaml);
  const { planned, causes, progress } = await explainIn(folder.path, yaml, "w", ["w.steps=6"]);
  assertEquals([planned.state, planned.fromStep, sketch(causes)], ["extend", 4, "param steps 4->6"]);
  assertEquals(progress!.states.map(({ step }) => step), [4]);
  const state = await Deno.stat(join(progress!.folder, "step-4", "state.txt"));
  assertEquals(progress!.states[0]!.sizeBytes, state.size);
});

Deno.test("a result that is gone from the store is not taken for a stage that never ran", async () => {
  await using folder = await makeTempFolder();
  await runIn(folder.path, diamond());
  await Deno.remove(join(folder.path, ".noiseline", "results"), { recursive: true });
  const { causes, lost } = await explainIn(folder.path, diamond(), "top");
  assertEquals([sketch(causes), lost?.length], ["new", 64]);
});

Deno.test("another kind under the same id is told as such", async () => {
  await using folder = await makeTempFolder();
  await runIn(folder.path, "name: p\nstages:\n  a: { uses: source }\n");
  const { causes } = await explainIn(folder.path, "name: p\nstages:\n  a: { uses: mix }\n", "a");
  assertEquals(causes[0]!.reason, { code: "code", from: "source/1", to: "mix/1" });
});

Deno.test("findDependents() and findPending() say what comes after and before, by what will happen to it", async () => {
  await using folder = await makeTempFolder();
  await runIn(folder.path, diamond());
  const changed = (await planFor(folder.path, diamond({ text: "y", left: "new" }))).plan;
  assertEquals(findDependents(changed, ["top"]), { certain: ["left"], mayRun: ["right", "last"], unchanged: [] });
  assertEquals(findPending(changed, ["last"]), ["top", "left", "right"]);
  assertEquals(findPending(changed, ["top"]), []);
  const same = (await planFor(folder.path, diamond())).plan;
  assertEquals(findDependents(same, ["left", "top"]), { certain: [], mayRun: [], unchanged: ["right", "last"] });
  assertEquals(findPending(same, ["last"]), []);
});
