import { assertEquals, assertStringIncludes } from "@std/assert";
import { Project } from "../support/project.ts";
import { checkSharing, makeProject } from "../support/sharing.ts";

// The same with an S3 service is a long test.
Deno.test("a folder shares results between two projects, by option and by environment", async () => {
  await using shared = new Project({ bare: true });
  await checkSharing(shared.path("cache"), {});
});

Deno.test("a cache or mode that cannot be is refused before anything runs, and off needs none", async () => {
  await using project = makeProject();
  const place = await project.cli(["run", "p.yaml", "--cache", "gs://bucket"]);
  assertEquals(place.code, 2);
  assertStringIncludes(place.stderr, '"gs" is not a kind of cache');
  const env = { NOISELINE_CACHE: "gs://bucket", NOISELINE_CACHE_MODE: "reed" };
  const mode = await project.cli(["plan", "p.yaml"], { env });
  assertEquals(mode.code, 2);
  assertStringIncludes(mode.stderr, "NOISELINE_CACHE_MODE is not a mode");
  assertEquals((await project.cli(["plan", "p.yaml", "--cache-mode", "off"], { env })).code, 0);
});
