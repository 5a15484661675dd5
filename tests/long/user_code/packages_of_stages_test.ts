import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { denoFolder } from "../../../engine/process/runtime.ts";
import { Project } from "../../support/project.ts";

/** A stage that tries every way to a package that it does not name, and writes what it got. */
const SPY = `import { defineStage } from "noiseline";
import { createRequire } from "node:module";
import { z } from "zod";
export default defineStage({
  summary: "Looks around",
  params: z.strictObject({ cache: z.string() }),
  inputs: {},
  outputs: { out: { type: "files", description: "What it found" } },
  async run({ params: { cache }, outputs }) {
    const found: string[] = [];
    const names = ["@private/secret", "secret-weights"];
    const places = ["localhost_4873/@private/secret/1.0.0", "registry.npmjs.org/secret-weights/2.0.0"];
    // The folder of the packages that the stage does name.
    const own = import.meta.resolve("zod").replace(/[^/]+\\/zod\\/.*$/, "");
    const roots = ["file://" + cache + "/npm/", own, "file://" + cache + "/noiseline/"];
    const requireIt = createRequire(import.meta.url);
    const attempt = async (way: string, get: () => unknown) => {
      try {
        found.push(way + ": " + JSON.stringify(await get()));
      } catch {
        // As it should be.
      }
    };
    for (const [index, name] of names.entries()) {
      await attempt("require " + name, () => requireIt(name));
      await attempt("resolve " + name, () => requireIt.resolve(name));
      const specifier = "npm:" + name + "@" + (index + 1) + ".0.0";
      await attempt("import " + specifier, () => import(specifier));
      for (const root of roots) {
        const folder = root + places[index];
        const path = folder.slice("file://".length);
        await attempt("require " + path, () => requireIt(path));
        await attempt("read " + path, () => Deno.readTextFileSync(path + "/index.cjs"));
        await attempt("read as data " + path, () => requireIt(path + "/package.json"));
        for (const file of ["index.mjs", "index.cjs"]) {
          const url = folder + "/" + file;
          await attempt("import " + url, () => import(url));
        }
      }
    }
    for (const root of roots) await attempt("list " + root, () => [...Deno.readDirSync(new URL(root))].length);
    await outputs.out.write("found.txt", found.join("\\n"));
    await outputs.out.write("own.txt", typeof requireIt(import.meta.resolve("zod").slice("file://".length)).z);
  },
});
`;

/** Packages in Deno's cache that some other project put there. */
const OTHERS = ["localhost_4873/@private/secret/1.0.0", "registry.npmjs.org/secret-weights/2.0.0"];

/** Makes a Deno cache that has the packages of this machine's cache. */
async function ownCache(project: Project): Promise<string> {
  const cache = project.path("cache");
  Deno.mkdirSync(cache);
  for (const how of ["-al", "-a"]) {
    const args = [how, join((await denoFolder()) as string, "npm"), join(cache, "npm")];
    if ((await new Deno.Command("cp", { args, stderr: "null" }).output()).success) return cache;
  }
  throw new Error("Deno's packages cannot be copied");
}

Deno.test("a stage finds no package in Deno's cache that neither its code nor the toolkit names", async () => {
  await using project = new Project({ files: { "spy.ts": SPY } });
  const cache = await ownCache(project);
  project.write("p.yaml", `name: demo\nstages:\n  a: { uses: ./spy.ts, with: { cache: ${JSON.stringify(cache)} } }\n`);
  const seen = async () => {
    const { code, stderr } = await project.cli(["run", "p.yaml", "--force", "a", "--replace"], {
      env: { DENO_DIR: cache },
    });
    assertEquals(code, 0, stderr);
    return [project.read("outputs/demo/a/found.txt"), project.read("outputs/demo/a/own.txt")];
  };
  const without = await seen();
  for (const place of OTHERS) {
    const [, name, version] = /^[^/]+\/(.+)\/([^/]+)$/.exec(place)!;
    const put = (file: string, text: string) => project.write(`cache/npm/${place}/${file}`, text);
    put("package.json", JSON.stringify({ name, version, main: "index.cjs" }));
    put("index.cjs", 'module.exports = { secret: "TOP" };');
    put("index.mjs", 'export const secret = "TOP";');
  }
  assertEquals(await seen(), without);
  assertEquals(without, ["", "object"]);
});

Deno.test("packages of a stage lie in Deno's cache once, whoever starts together, and what a kill left is removed", async () => {
  await using project = new Project({ stages: ["cook"] });
  project.write(
    "p.yaml",
    "name: demo\nstages:\n  a: { uses: ./cook.ts }\n  b: { uses: ./cook.ts, with: { text: b } }\n",
  );
  const cache = await ownCache(project);
  // The folder of a process that is gone: no system has a process of this number.
  project.write(`cache/noiseline/${Deno.hostname()}-20260101T000000000-zzzzzz-0/left.txt`, "");
  // The folder of a process on another host, which may still be running.
  const foreign = "elsewhere-20260101T000000000-zzzzzz-0";
  project.write(`cache/noiseline/${foreign}/left.txt`, "");
  const stores = ["one", "two"].map((name) => ["run", "p.yaml", "--store", project.path(name, "store")]);
  const ends = await Promise.all(stores.map((args) => project.cli(args, { env: { DENO_DIR: cache } })));
  for (const { code, stderr } of ends) assertEquals(code, 0, stderr);
  const kept = project.list("cache/noiseline").filter((name) => name !== foreign);
  assert(project.exists(`cache/noiseline/${foreign}/left.txt`));
  assertEquals(kept.length, 1, kept.join());
  assertMatch(kept[0]!, /^[0-9a-f]{64}$/);
  assert(project.exists(`cache/noiseline/${kept[0]}/registry.npmjs.org/zod`));
});
