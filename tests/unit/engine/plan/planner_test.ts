import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { planIn, planned, runIn } from "../support/reach.ts";
import { makeTempFolder } from "../support/temp.ts";

/**
 * Returns two stages in a row. A text that begins with "mod" gives one of two contents, so that changes upstream may
 * have no effect.
 */
const chain = (a: string, b = "b", more = "") =>
  `name: p
stages:
  a: { uses: source, with: { text: ${a}${more} } }
  b: { uses: mix, inputs: { one: a }, with: { text: ${b} } }
`;

Deno.test("a stage that never ran is new, and what reads it too", async () => {
  await using folder = await makeTempFolder();
  assertEquals(planned(await planIn(folder.path, chain("x"))), "a: run (new), b: run (new)");
});

Deno.test("planning writes nothing", async () => {
  await using folder = await makeTempFolder();
  await planIn(folder.path, chain("x"));
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["p.yaml"]);
});

Deno.test("after a run everything is cached; renames, comments, order and execution params change nothing", async () => {
  await using folder = await makeTempFolder();
  await runIn(folder.path, chain("x"));
  assertEquals(planned(await planIn(folder.path, chain("x"))), "a: cached, b: cached");
  assertEquals(planned(await planIn(folder.path, `# hello\n${chain("x", "b", ", note: hi")}`)), "a: cached, b: cached");
  const reordered = `stages:
  b: { with: { text: b }, inputs: { one: a }, uses: mix }
  a: { uses: source, with: { text: "x" } }
name: p
`;
  assertEquals(planned(await planIn(folder.path, reordered)), "a: cached, b: cached");
});

Deno.test("another pipeline and other stage ids reuse the results and only lay them out", async () => {
  await using folder = await makeTempFolder();
  await runIn(folder.path, chain("x"));
  const renamed = chain("x").replace("name: p", "name: q").replaceAll(/\ba\b/g, "first");
  assertEquals(
    planned(await planIn(folder.path, renamed)),
    "first: restore (output-missing), b: restore (output-missing)",
  );
});

Deno.test("a changed param is named with its old and new value and its place", async () => {
  await using folder = await makeTempFolder();
  await runIn(folder.path, chain("x"));
  const plan = await planIn(folder.path, chain("y"));
  assertEquals(planned(plan), "a: run (param), b: may-run (upstream)");
  const [reason] = plan.get("a")!.reasons;
  const at = `${join(folder.path, "p.yaml")}:3:36`;
  assertEquals(reason, { code: "param", name: "text", from: "x", to: "y", at, origin: [at] });
  const set = await planIn(folder.path, chain("x"), { set: ["a.text=z"] });
  assertEquals(set.get("a")!.reasons.map((one) => one.code === "param" && one.at.split(", ")[0]), ["--set a.text=z"]);
});

Deno.test("a stage that is changed itself runs for certain, also behind one that will run", async () => {
  await using folder = await makeTempFolder();
  await runIn(folder.path, chain("x"));
  assertEquals(planned(await planIn(folder.path, chain("y", "c"))), "a: run (param), b: run (param+upstream)");
});

Deno.test("going back to an older value restores its result", async () => {
  await using folder = await makeTempFolder();
  await runIn(folder.path, chain("x"));
  await runIn(folder.path, chain("y"));
  assertEquals(planned(await planIn(folder.path, chain("x"))), "a: restore (param), b: restore (input)");
});

Deno.test("a default that a later version adds as legacy leaves results valid; another value does not", async () => {
  await using folder = await makeTempFolder();
  await runIn(folder.path, chain("x"));
  assertEquals(planned(await planIn(folder.path, chain("x", "b", ", added: 3"))), "a: cached, b: cached");
  const other = planned(await planIn(folder.path, chain("x", "b", ", added: 4")));
  assertEquals(other, "a: run (param), b: may-run (upstream)");
});

Deno.test("seed reaches only the kinds that are marked seeded", async () => {
  await using folder = await makeTempFolder();
  await runIn(folder.path, chain("x"));
  assertEquals(planned(await planIn(folder.path, chain("x"), { set: ["seed=1"] })), "a: cached, b: run (param)");
});

Deno.test("an external counts by content, wherever it lies", async () => {
  await using folder = await makeTempFolder();
  for (const [name, text] of [["one", "1"], ["same", "1"], ["other", "2"]] as const) {
    await Deno.writeTextFile(join(folder.path, name), text);
  }
  await runIn(folder.path, chain("x", "b", ", file: one"));
  assertEquals(planned(await planIn(folder.path, chain("x", "b", ", file: ./same"))), "a: cached, b: cached");
  const other = planned(await planIn(folder.path, chain("x", "b", ", file: other")));
  assertEquals(other, "a: run (external), b: may-run (upstream)");
});

Deno.test("missing and modified outputs are restored, and named", async () => {
  await using folder = await makeTempFolder();
  await runIn(folder.path, chain("x"));
  const file = join(folder.path, "outputs/p/a/value.txt");
  await Deno.chmod(file, 0o644);
  await Deno.writeTextFile(file, "mine\n");
  await Deno.remove(join(folder.path, "outputs/p/b"), { recursive: true });
  const plan = await planIn(folder.path, chain("x"));
  assertEquals(planned(plan), "a: restore (output-modified), b: restore (output-missing)");
  assertEquals(plan.get("a")!.reasons, [{ code: "output-modified", files: ["value.txt"] }]);
});

Deno.test("a result whose object is gone runs again", async () => {
  await using folder = await makeTempFolder();
  const { stages } = await runIn(folder.path, chain("x"));
  const { sha256 } = stages.get("a")!.manifest!.outputs["out"]!.files[0]!;
  await Deno.remove(join(folder.path, ".noiseline/objects", sha256.slice(0, 2), sha256));
  assertEquals((await planIn(folder.path, chain("x"))).get("a")!.state, "run");
});

Deno.test("force runs a cached stage, and targets plan only what they need", async () => {
  await using folder = await makeTempFolder();
  const yaml = `${chain("x")}  c: { uses: source, with: { text: c } }\n`;
  await runIn(folder.path, yaml);
  const forced = await planIn(folder.path, yaml, { force: new Set(["a"]) });
  assertEquals(planned(forced), "a: run (forced), c: cached, b: may-run (upstream)");
  assertEquals([...(await planIn(folder.path, yaml, { targets: ["c"] })).keys()], ["c"]);
});

const walk = (steps: number) => `name: p\nstages:\n  w: { uses: walk, with: { steps: ${steps} } }\n`;

Deno.test("a longer run extends a shorter one, and a shorter one after it starts anew", async () => {
  await using folder = await makeTempFolder();
  await runIn(folder.path, walk(10));
  assertEquals(planned(await planIn(folder.path, walk(20))), "w: extend from 10 (param)");
  const { events } = await runIn(folder.path, walk(20));
  assertEquals(events.flatMap((event) => event.type === "stage-note" ? [event.message] : []), ["from 10"]);
  assertEquals(planned(await planIn(folder.path, walk(10))), "w: restore (param)");
  assertEquals(planned(await planIn(folder.path, walk(5))), "w: run (param)");
});

Deno.test("progress without a finished result is resumed", async () => {
  await using folder = await makeTempFolder();
  await runIn(folder.path, walk(10));
  await Deno.remove(join(folder.path, ".noiseline/results"), { recursive: true });
  await Deno.remove(join(folder.path, ".noiseline/index.jsonl"));
  assertEquals(planned(await planIn(folder.path, walk(20))), "w: resume from 10 (new)");
});
