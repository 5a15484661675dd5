import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { formatDiagnostic } from "../../../../engine/diagnostic/format.ts";
import { openStore } from "../../../../engine/store/store.ts";
import { endStates, planIn, planned, refusalOf, runIn } from "../support/reach.ts";
import { makeTempFolder } from "../support/temp.ts";
import { machine } from "../support/tiny_kinds.ts";

const yaml = (params = "", text = "x") =>
  `name: p
stages:
  a: { uses: source, with: { text: ${text} } }
  b:
    uses: compute
    inputs: { from: a }
    with: { text: b${params} }
`;

/** Sets the machine's devices, and resets the count of how often it is examined. */
function equip(devices: typeof machine.devices): void {
  machine.devices = devices;
  machine.looks = 0;
}

const FAST = { fast: { numerics: "fast/1" } };

Deno.test("this machine is looked at once for a stage that may run, and not at all when nothing may", async () => {
  await using folder = await makeTempFolder();
  equip(FAST);
  const run = await runIn(folder.path, yaml());
  assertEquals([endStates(run), machine.looks], ["a: ran, b: ran", 1]);
  equip({});
  assertEquals(endStates(await runIn(folder.path, yaml())), "a: cached, b: cached");
  Deno.removeSync(join(folder.path, "outputs"), { recursive: true });
  assertEquals(endStates(await runIn(folder.path, yaml())), "a: restored, b: restored");
  assertEquals(machine.looks, 0);
});

Deno.test("a run says once what it computes on, and its record keeps that", async () => {
  await using folder = await makeTempFolder();
  equip(FAST);
  const more = "  c: { uses: compute, inputs: { from: a }, with: { text: c } }\n";
  const run = await runIn(folder.path, yaml() + more);
  assertEquals(run.events.filter(({ type }) => type === "device"), [
    { type: "device", name: "fast", numerics: "fast/1", reason: "told so" },
  ]);
  const { stages } = openStore(join(folder.path, ".noiseline")).runs.newestFirst().next().value!;
  assertEquals(stages["b"]!.device, { name: "fast", reason: "told so" });
  assertEquals([stages["b"]!.numerics, stages["a"]!.numerics, stages["a"]!.device], ["fast/1", null, null]);
  assertEquals(run.stages.get("b")!.manifest!.numerics, "fast/1");
});

Deno.test("what the user should know of a device is a warning, once in a run, and the run goes on", async () => {
  await using folder = await makeTempFolder();
  const warning = { message: "a card is here and idle", fix: "set it up" };
  equip({ fast: { numerics: "fast/1", warning } });
  const run = await runIn(folder.path, yaml() + "  c: { uses: compute, inputs: { from: a }, with: { text: c } }\n");
  assertEquals(endStates(run), "a: ran, b: ran, c: ran");
  assertEquals(run.events.filter(({ type }) => type === "warning"), [
    { type: "warning", diagnostic: { severity: "warning", code: "device", ...warning } },
  ]);
});

Deno.test("a device that is not there is refused before anything runs, once and where it is written", async () => {
  await using folder = await makeTempFolder();
  equip(FAST);
  const text = yaml(", device: slow, steps: 2") + "  c: { uses: mix, inputs: { one: b, from: b@1 } }\n";
  const diagnostics = await refusalOf(folder.path, text);
  assertEquals(
    diagnostics.map((one) => formatDiagnostic(one)),
    [`p.yaml:7:30: error: stage "b": device "slow" is not available: unplugged
  6 |     inputs: { from: a }
  7 |     with: { text: b, device: slow, steps: 2 }
    |                              ^^^^
  fix:    plug it in`].map((one) => one.replace("p.yaml", join(folder.path, "p.yaml"))),
  );
  assertEquals(diagnostics[0]!.code, "device");
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["p.yaml"]);
});

Deno.test("a stage that requires a card is refused before anything runs where its device is none", async () => {
  await using folder = await makeTempFolder();
  equip({ ...FAST, card: { numerics: "card/1", card: true } });
  const text = (gpu: string, device = "fast") => `${yaml(`, device: ${device}`)}    resources: { gpu: ${gpu} }\n`;
  const diagnostics = await refusalOf(folder.path, text("required"));
  assertEquals(
    diagnostics.map((one) => formatDiagnostic(one)),
    [`p.yaml:8:23: error: stage "b" requires a GPU, and none is available
  7 |     with: { text: b, device: fast }
  8 |     resources: { gpu: required }
    |                       ^^^^^^^^
  got:    device fast: told so
  fix:    set up the GPU (deno task doctor says how), or write gpu: 1 to compute without one`].map((one) =>
      one.replace("p.yaml", join(folder.path, "p.yaml"))
    ),
  );
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["p.yaml"]);
  assertEquals(endStates(await runIn(folder.path, text("required", "card"))), "a: ran, b: ran");
  // The setting is in no key.
  assertEquals(endStates(await runIn(folder.path, text("1"))), "a: cached, b: cached");
});

Deno.test("a plan shows the device, or why there is none", async () => {
  await using folder = await makeTempFolder();
  equip(FAST);
  assertEquals((await planIn(folder.path, yaml())).get("b")!.device?.name, "fast");
  const without = (await planIn(folder.path, yaml(", device: slow"))).get("b")!;
  assertEquals([without.device, without.problem?.fix], [undefined, "plug it in"]);
});

Deno.test("a cached stage needs no device", async () => {
  await using folder = await makeTempFolder();
  equip(FAST);
  await runIn(folder.path, yaml());
  assertEquals(endStates(await runIn(folder.path, yaml(", device: slow"))), "a: cached, b: cached");
});

Deno.test("progress belongs to the numerics of the device", async () => {
  await using folder = await makeTempFolder();
  equip({ ...FAST, exact: { numerics: "exact/1" } });
  await runIn(folder.path, yaml(", steps: 2"));
  const state = async (params: string) => planned(await planIn(folder.path, yaml(params)));
  assertEquals(await state(", steps: 5"), "a: cached, b: extend from 2 (param)");
  assertEquals(await state(", steps: 5, device: exact"), "a: cached, b: run (param)");
});

Deno.test("a kind is told on what its stage has begun before it chooses a device", async () => {
  await using folder = await makeTempFolder();
  equip({ ...FAST, exact: { numerics: "exact/1" } });
  await runIn(folder.path, yaml(", steps: 2"));
  assertEquals(machine.saved, []);
  await planIn(folder.path, yaml(", steps: 5"));
  assertEquals(machine.saved, ["fast_1"]);
  await runIn(folder.path, yaml(", steps: 5, device: exact"));
  await planIn(folder.path, yaml(", steps: 6"));
  assertEquals(machine.saved.toSorted(), ["exact_1", "fast_1"]);
});

Deno.test("a stage whose result is damaged finds its device while the run is on, or fails with the reason", async () => {
  await using folder = await makeTempFolder();
  equip(FAST);
  const run = await runIn(folder.path, yaml());
  const store = openStore(join(folder.path, ".noiseline"));
  const damage = () => {
    const path = store.objects.pathOf(run.stages.get("b")!.manifest!.outputs["out"]!.files[0]!.sha256);
    Deno.chmodSync(path, 0o644);
    // The same size, so that only the content reveals the change.
    Deno.writeTextFileSync(path, Deno.readTextFileSync(path).replaceAll(/\d/g, "x"));
    Deno.removeSync(join(folder.path, "outputs"), { recursive: true });
  };
  damage();
  equip({});
  const failed = await runIn(folder.path, yaml());
  const end = failed.events.find((event) => event.type === "stage-finished" && event.id === "b");
  assert(end?.type === "stage-finished");
  assertEquals([end.state, end.fix], ["failed", "plug it in"]);
  equip(FAST);
  assertEquals(endStates(await runIn(folder.path, yaml())), "a: cached, b: ran");
});
