import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { resultName, seal, unseal } from "../../../../engine/store/cache/layout.ts";
import { artifactDigest } from "../../../../engine/keys/keys.ts";
import { contentsOfPlan } from "../../../../engine/upkeep/contents.ts";
import { exportResults, importResults } from "../../../../engine/upkeep/move_results.ts";
import { closeAppended } from "../../../../engine/store/files.ts";
import { openStore } from "../../../../engine/store/store.ts";
import { type ResultManifest, resultManifestSchema } from "../../../../schemas/records.ts";
import { digestsOf, endStates, runIn } from "../support/reach.ts";
import { Lab } from "../support/shared.ts";
import { filesBelow, makeTempFolder } from "../support/temp.ts";

const ONE = "name: p\nstages:\n  a: { uses: source }\n";
const TWO = "name: p\nstages:\n  a: { uses: source }\n  b: { uses: mix, inputs: { one: a } }\n";

type Outputs = ResultManifest["outputs"];

/** Outputs that the stage does not have, under a correct key. All of them are well-formed. */
const OTHER_OUTPUTS: Readonly<Record<string, (outputs: Outputs) => Outputs>> = {
  "another port": ({ out }) => ({ other: out! }),
  "a port too many": ({ out }) => ({ out: out!, other: out! }),
  "no port": () => ({}),
  "the name of what every object has": ({ out }) => ({ out: out!, constructor: out! }),
  "another type": ({ out }) => {
    const { files } = out!;
    return { out: { type: "metrics", digest: artifactDigest("metrics", files), files } };
  },
};

/** Outputs that no record may have. */
const BAD_OUTPUTS: Readonly<Record<string, (outputs: Outputs) => Outputs>> = {
  "a port that leads out": ({ out }) => ({ "../../../evil": out!, out: out! }),
  "a port that Zod passes over": ({ out }) => ({ out: out!, ["__proto__"]: out! }),
  "an absolute port": ({ out }) => ({ "/tmp/evil": out!, out: out! }),
  "a file that leads out": ({ out }) => ({ out: { ...out!, files: [{ ...out!.files[0]!, path: "../../evil" }] } }),
  "a file that is a folder too": ({ out }) => {
    const files = [out!.files[0]!, { ...out!.files[0]!, path: `${out!.files[0]!.path}/b` }];
    return { out: { ...out!, files, digest: artifactDigest("files", files) } };
  },
};

for (const [what, change] of Object.entries({ ...OTHER_OUTPUTS, ...BAD_OUTPUTS })) {
  Deno.test(`a result with ${what} is a miss in the local store, and the next run makes it again`, async () => {
    await using folder = await makeTempFolder();
    const first = await runIn(folder.path, ONE);
    const { manifest } = first.stages.get("a")!;
    const { results, paths } = openStore(join(folder.path, ".noiseline"));
    closeAppended(paths.index);
    const forged = JSON.stringify({ ...manifest!, outputs: change(manifest!.outputs) });
    Deno.writeTextFileSync(results.manifestPath(manifest!.resolvedKey), forged);
    // The index would still return the manifest's old content.
    Deno.writeTextFileSync(paths.index, `{"recipeKey":"${manifest!.recipeKey}","manifest":${forged}}\n`);
    const before = filesBelow(join(folder.path, "outputs"));
    const second = await runIn(folder.path, ONE);
    assertEquals(endStates(second), "a: ran");
    assertEquals(digestsOf(second), digestsOf(first));
    assertEquals(second.events.filter(({ type }) => type === "stage-note"), [], "it is no second result of the key");
    assertEquals(filesBelow(join(folder.path, "outputs")), before);
    assertEquals(endStates(await runIn(folder.path, ONE)), "a: cached");
  });
}

/** Forgeries that behave the same however a record arrives are tried once for each way. */
const SOME = Object.entries({ ...OTHER_OUTPUTS, ...BAD_OUTPUTS }).filter(([what]) =>
  ["a port too many", "no port", "a port that leads out", "a port that Zod passes over"].includes(what)
);

for (const [what, change] of SOME) {
  Deno.test(`a result with ${what} is a miss in a shared cache, and whoever makes it replaces it if it can be read`, async () => {
    await using lab = await Lab.open();
    const first = await lab.run("one", TWO);
    const { resolvedKey } = first.stages.get("a")!.manifest!;
    const path = join(lab.cacheFolder, "v1/results", resolvedKey.slice(0, 2), resolvedKey);
    const there = unseal(Deno.readFileSync(path), resultManifestSchema);
    assert("record" in there);
    Deno.writeFileSync(path, seal({ ...there.record, outputs: change(there.record.outputs) }));
    const second = await lab.run("two", TWO);
    assertEquals(endStates(second), "a: ran, b: restored");
    assertEquals(digestsOf(second), digestsOf(first));
    const named = what in OTHER_OUTPUTS ? "does not have the outputs that the stage has" : "is not a record of this";
    assertStringIncludes(lab.warnings.join("\n"), named);
    assertEquals(Array.from(Deno.readDirSync(join(lab.cacheFolder, "..")), ({ name }) => name).sort(), [
      "cache",
      "one",
      "two",
    ]);
    const third = await lab.run("three", TWO);
    assertEquals(endStates(third), what in OTHER_OUTPUTS ? "a: restored, b: restored" : "a: ran, b: restored");
  });
}

Deno.test("a result of a shared cache whose digest is not that of its files is not built upon", async () => {
  await using lab = await Lab.open();
  const first = await lab.run("one", TWO);
  const { resolvedKey, outputs } = first.stages.get("a")!.manifest!;
  const path = join(lab.cacheFolder, "v1/results", resolvedKey.slice(0, 2), resolvedKey);
  const there = unseal(Deno.readFileSync(path), resultManifestSchema);
  assert("record" in there);
  // Files of another result, presented as this one's: results made from them would get the key of the correct ones.
  const { files } = first.stages.get("b")!.manifest!.outputs["out"]!;
  Deno.writeFileSync(path, seal({ ...there.record, outputs: { out: { ...outputs["out"]!, files } } }));
  const second = await lab.run("two", TWO);
  assertEquals(endStates(second), "a: ran, b: restored");
  assertEquals(digestsOf(second), digestsOf(first));
  assertStringIncludes(lab.warnings.join("\n"), "is damaged; it counts as absent");
});

for (const [what, change] of SOME) {
  Deno.test(`a result with ${what} is not imported, or not taken for the stage's`, async () => {
    await using one = await makeTempFolder();
    await using two = await makeTempFolder();
    const first = await runIn(one.path, ONE);
    const store = openStore(join(one.path, ".noiseline"));
    const contents = contentsOfPlan((await runIn(one.path, ONE)).plan, store);
    assert(contents.ok);
    const all = join(one.path, "all");
    await exportResults(store, all, contents.value);
    const { manifest } = first.stages.get("a")!;
    const forged = seal({ ...manifest!, outputs: change(manifest!.outputs) });
    Deno.writeFileSync(join(all, resultName(manifest!.resolvedKey)), forged);
    const imported = await importResults(openStore(join(two.path, ".noiseline")), all);
    assert(imported.ok);
    assertEquals(imported.value.damaged.length, what in OTHER_OUTPUTS ? 0 : 1);
    const second = await runIn(two.path, ONE);
    assertEquals(endStates(second), "a: ran");
    assertEquals(digestsOf(second), digestsOf(first));
    assertEquals(endStates(await runIn(two.path, ONE)), "a: cached");
  });
}
