import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { type Setup, setUp } from "../../../../cli/setup/in_place.ts";
import { until } from "../../../support/until.ts";

Deno.test("a set-up waits for another at work, and does not install again what that has installed", async () => {
  const cache = await Deno.makeTempDir();
  const other = await Deno.open(`${cache}.lock`, { write: true, create: true });
  await other.lock(true);
  let isPresent = false;
  const said: string[] = [];
  const folder = join(cache, "engine-1");
  const setup: Setup = {
    ...{ engine: "engine 1", installation: { folder }, isPresent: () => isPresent, device: "torch" },
    ...{ tried: { name: "torch", numerics: "torch" }, wheels: { wheels: [], files: /./, unpackedBytes: 0 } },
    make: () => Promise.reject(new Error("installed twice")),
  };
  const waiting = setUp(setup, { force: false, say: (line) => said.push(line) });
  await until("the set-up to say something", () => said.length > 0);
  isPresent = true;
  other.close();
  await waiting;
  assertEquals(said, ["another set-up is at work; waiting for it", `already set up: engine 1 in ${folder}`]);
  for (const path of [cache, `${cache}.lock`]) await Deno.remove(path, { recursive: true });
});
