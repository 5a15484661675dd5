import { assertEquals, assertStringIncludes } from "@std/assert";
import { seal } from "../../../../../engine/store/cache/layout.ts";
import { digestsOf, endStates, runIn } from "../../support/reach.ts";
import { Lab } from "../../support/shared.ts";

const CHAIN = `name: p
stages:
  a: { uses: source }
  b: { uses: mix, inputs: { one: a } }
`;
const ALL = new Set(["a", "b"]);

/** Returns the names that are requested from now on. */
function listen(lab: Lab): string[] {
  const opened: string[] = [];
  const whole = lab.backend;
  lab.backend = {
    place: whole.place,
    maxBytes: whole.maxBytes,
    prepare: (signal) => whole.prepare(signal),
    size: (name, signal) => whole.size(name, signal),
    create: (name, content, options) => whole.create(name, content, options),
    open: (name, signal) => {
      opened.push(name);
      return whole.open(name, signal);
    },
  };
  return opened;
}

Deno.test("forced stages ask a full cache nothing, and those that are not forced do", async () => {
  await using lab = await Lab.open();
  await lab.run("one", CHAIN);
  const opened = listen(lab);
  assertEquals(endStates(await lab.run("two", CHAIN, { mode: "read", force: ALL })), "a: ran, b: ran");
  assertEquals(opened, []);
  assertEquals(
    endStates(await lab.run("three", CHAIN, { mode: "read", force: new Set(["b"]) })),
    "a: restored, b: ran",
  );
  assertEquals(opened.filter((name) => name.includes("/results/")).length, 1);
});

Deno.test("forced stages are sent to an empty cache, without a question about them", async () => {
  await using lab = await Lab.open();
  const opened = listen(lab);
  const first = await lab.run("one", CHAIN, { force: ALL });
  assertEquals(opened, []);
  const second = await lab.run("two", CHAIN);
  assertEquals(endStates(second), "a: restored, b: restored");
  assertEquals(digestsOf(second), digestsOf(first));
});

Deno.test("results from before there was a cache stay local until a forced run sends them", async () => {
  await using lab = await Lab.open();
  const first = await runIn(lab.machine("one"), CHAIN);
  assertEquals(endStates(await lab.run("one", CHAIN)), "a: cached, b: cached");
  assertEquals(lab.files("results"), []);
  assertEquals(endStates(await lab.run("one", CHAIN, { force: ALL })), "a: ran, b: ran");
  assertEquals(lab.warnings, []);
  const second = await lab.run("two", CHAIN);
  assertEquals(endStates(second), "a: restored, b: restored");
  assertEquals(digestsOf(second), digestsOf(first));
});

/** Makes the cache hold the bytes of `b` as the result of `a`, as if a machine had computed them. */
async function storeOther(lab: Lab): Promise<{ path: string; content: Uint8Array; theirs: string; ours: string }> {
  const { stages } = await lab.run("one", CHAIN);
  const [a, b] = ["a", "b"].map((id) => stages.get(id)!.manifest!);
  const path = lab.files("results").find((name) => name.endsWith(a!.resolvedKey))!;
  const content = seal({ ...a!, outputs: b!.outputs });
  Deno.writeFileSync(path, content);
  return { path, content, theirs: b!.outputs["out"]!.digest, ours: a!.outputs["out"]!.digest };
}

const SOURCE = "name: p\nstages:\n  a: { uses: source }\n";
const FORCED = { force: new Set(["a"]) };

Deno.test("a cache that holds another result of a key keeps it, and the machine keeps its own and says so", async () => {
  await using lab = await Lab.open();
  const { path, content, theirs, ours } = await storeOther(lab);
  const forced = await lab.run("two", SOURCE, FORCED);
  assertEquals(endStates(forced), "a: ran");
  assertEquals(lab.warnings.length, 1, lab.warnings.join("\n"));
  assertStringIncludes(
    lab.warnings[0]!,
    `(out ${theirs.slice(0, 12)}, here ${ours.slice(0, 12)}); it stays there, and this one here`,
  );
  assertEquals(Deno.readFileSync(path), content);
  const again = await lab.run("two", SOURCE);
  assertEquals([endStates(again), digestsOf(again)], ["a: cached", { a: ours }]);
});

Deno.test("a result that replaces the one of the local store does not replace that of the cache", async () => {
  await using lab = await Lab.open();
  const { path, content, theirs, ours } = await storeOther(lab);
  assertEquals(digestsOf(await lab.run("two", SOURCE)), { a: theirs });
  // Without the request to replace it, the first result stays in both places.
  const kept = await lab.run("two", SOURCE, FORCED);
  assertEquals([digestsOf(kept), lab.warnings], [{ a: theirs }, []]);
  const replaced = await lab.run("two", SOURCE, { ...FORCED, replace: true });
  assertEquals(digestsOf(replaced), { a: ours });
  assertEquals(lab.warnings.length, 1, lab.warnings.join("\n"));
  assertStringIncludes(lab.warnings[0]!, "it stays there, and this one here");
  assertEquals(Deno.readFileSync(path), content);
  assertEquals(digestsOf(await lab.run("two", SOURCE)), { a: ours });
  assertEquals(digestsOf(await lab.run("three", SOURCE)), { a: theirs });
});
