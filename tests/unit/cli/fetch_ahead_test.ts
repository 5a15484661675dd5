import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { FileServer } from "../../support/file_server.ts";
import { Project } from "../../support/project.ts";
import { pngsOf, scoredImages } from "../../support/scored_images.ts";
import { runCli } from "./capture.ts";

const GRAPH = new TextEncoder().encode("no graph");

/** A stage that runs at once, and a later one that needs a file from `url`. */
function open(url: string): Project {
  const sha256 = createHash("sha256").update(GRAPH).digest("hex");
  const features = { extractor: "onnx", url, sha256, preprocess: { size: 8 } };
  const stages = {
    first: { uses: "images", with: { path: "few" } },
    later: { uses: "features", inputs: { images: "first" }, with: features },
    last: { uses: "features", inputs: { images: "first" }, with: { ...features, batchSize: 3 } },
  };
  const project = new Project({ files: { "p.yaml": JSON.stringify({ name: "p", stages }) } });
  for (const [name, bytes] of pngsOf(scoredImages(0, 4))) project.write(`few/${name}`, bytes);
  return project;
}

Deno.test("a file that a later stage needs and nobody has ends the run before any stage starts", async () => {
  await using server = new FileServer();
  await using project = open(server.serve("/graph.onnx", { status: 404 }));
  const { code, out, error } = await runCli("run", project.path("p.yaml"));
  assertEquals([code, out], [1, ""], error);
  assertStringIncludes(error, 'stage "later": cannot fetch graph.onnx from its address:');
  assertMatch(error, /fix: .*set path.*; -k \(--keep-going\) runs the other stages/);
  assertEquals(error.split("cannot fetch graph.onnx from").length, 2, "once, whoever needs the file");
  assertEquals(project.exists("outputs"), false);
  // The fix that the error names works.
  const kept = await runCli("run", project.path("p.yaml"), "-k");
  assertEquals(kept.code, 1);
  assertMatch(kept.out, /^first: done/m);
});

Deno.test("a file that a later stage needs is fetched before any stage starts, and once", async () => {
  await using server = new FileServer();
  await using project = open(server.serve("/graph.onnx", { bytes: GRAPH }));
  const { out } = await runCli("run", project.path("p.yaml"), "--json");
  const events = out.trimEnd().split("\n").map((line) => JSON.parse(line));
  const fetched = events.findIndex(({ message }) =>
    message === "fetching graph.onnx, which later and 1 other stage need"
  );
  const started = events.findIndex(({ type }) => type === "stage-started");
  assert(fetched >= 0 && fetched < started, out);
  assertEquals(server.seen.length, 1);
});
