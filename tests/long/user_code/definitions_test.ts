import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { Grants } from "../../../engine/run/rights.ts";
import { FILES, makePlace, yamlOf } from "../../unit/engine/support/own_place.ts";
import { planIn, refusalOf, runIn } from "../../unit/engine/support/reach.ts";

Deno.test("a custom stage is given no code of others, and hands it on", async () => {
  await using place = await makePlace();
  place.write("net.ts", `${FILES["net.ts"]}globalThis.loaded = true;\n`.replace("globalThis", "(globalThis as any)"));
  place.write(
    "stage.ts",
    `import { defineStage } from "noiseline";
import { z } from "zod";
export default defineStage({
  summary: "Say what it was given",
  params: z.strictObject({}),
  inputs: { learned: { type: "checkpoint", description: "" }, track: { type: "schedule", description: "" } },
  outputs: { out: { type: "files", description: "" }, same: { type: "checkpoint", description: "" } },
  permissions: { env: ["HOME"] },
  async run({ outputs, definitions }) {
    const given = [definitions.length, (globalThis as any).loaded ?? false];
    await outputs.out.write("given.json", JSON.stringify({ given }));
    return { status: "failed", message: JSON.stringify(given) };
  },
});
`,
  );
  const more = `  own: { uses: ./stage.ts, inputs: { learned: learn, track: path } }
  after: { uses: draw, inputs: { learned: own.same } }
`;
  const yaml = yamlOf() + more;
  const asked: string[] = [];
  const askForGrants = async (requests: readonly { uses: string }[]) => {
    asked.push(...requests.map(({ uses }) => uses));
    return await Promise.resolve(true);
  };
  const ended = await runIn(place.path, yaml, { keepGoing: true, grants: place.grants, askForGrants });
  assertEquals(asked, ["./stage.ts"]);
  assertEquals(ended.stages.get("own")!.message, "[0,false]");
  const versions = await planIn(place.path, yaml);
  assertEquals(versions.get("own")!.stage.kind.userCode.map(({ sort }) => sort), ["stage"]);
  assertEquals(versions.get("after")!.stage.kind.version, versions.get("draw")!.stage.kind.version);
});

Deno.test("on a native device each definition asks for native, once for all stages", async () => {
  await using place = await makePlace();
  const { path, grants } = place;
  const yaml = yamlOf({ more: ", device: native" });
  const refused = await refusalOf(path, yaml, { grants });
  assertEquals(refused.map(({ message, got }) => `${message}: ${got}`), [
    "./net.ts, ./path.ts ask for rights that you have not granted: native",
  ]);
  const asked: string[] = [];
  const askForGrants = async (requests: readonly { uses: string }[]) => {
    asked.push(...requests.map(({ uses }) => uses));
    return await Promise.resolve(true);
  };
  const ended = await runIn(path, yaml, { grants, askForGrants });
  assertEquals([ended.status, asked], ["done", ["./net.ts", "./path.ts"]]);
  // After an edit, nothing has to be granted again.
  place.write("net.ts", FILES["net.ts"]!.replace("one + 1", "one + 2"));
  assertEquals((await runIn(path, yaml, { grants: new Grants(path, join(path, "grants.json")) })).status, "done");
});
