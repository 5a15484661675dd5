import { assertEquals, assertStringIncludes } from "@std/assert";
import { encodePng } from "../../formats/png.ts";
import { Project } from "../support/project.ts";

const YAML = `name: demo
stages:
  pictures:
    uses: dataset
    with: { source: folder, path: my pictures, size: 8, testCount: 1 }
  noise:
    uses: schedule
    with: { betas: ldm/cosine, timesteps: 100 }
  train:
    uses: train
    inputs: { images: pictures.train, schedule: noise }
    with: { steps: 2, batchSize: 2, learningRate: 1e-3, model: { channels: 4, multipliers: [1], blocks: 1, attention: [] } }
`;

function picture(level: number): Uint8Array {
  return encodePng({ width: 9, height: 8, channels: 3, data: new Uint8Array(9 * 8 * 3).fill(level) });
}

const FILES = {
  "my pictures/a/1.png": picture(10),
  "my pictures/a/2.png": picture(20),
  "my pictures/b/1.png": picture(30),
};

function open(): Project {
  const project = new Project({ files: { "p.yaml": YAML } });
  for (const [name, bytes] of Object.entries(FILES)) project.write(name, bytes);
  return project;
}

Deno.test("run learns from a folder of pictures, again only when one of them changes", async () => {
  await using project = open();
  const first = await project.cli(["run", "p.yaml"]);
  assertEquals(first.code, 0, first.stdout + first.stderr);
  assertStringIncludes((await project.cli(["plan", "p.yaml"])).stdout, "nothing to do");
  // Moved elsewhere, the folder is the same content.
  project.write("q.yaml", YAML.replace("my pictures", "other"));
  Deno.renameSync(project.path("my pictures"), project.path("other"));
  assertStringIncludes((await project.cli(["plan", "q.yaml"])).stdout, "nothing to do");
  project.write("other/b/1.png", picture(31));
  const changed = (await project.cli(["plan", "q.yaml"])).stdout;
  assertStringIncludes(changed, "external");
});

Deno.test("run names every broken picture at once, and plan a folder that is not there", async () => {
  await using project = open();
  project.write("my pictures/a/3.png", "broken");
  project.write("my pictures/b/2.jpg", "broken too");
  const { code, stdout, stderr } = await project.cli(["run", "p.yaml"]);
  assertEquals(code, 1);
  assertStringIncludes(stdout + stderr, "2 files of 5 cannot be used:");
  for (const name of ["a/3.png: ", "b/2.jpg: "]) assertStringIncludes(stdout + stderr, name);
  project.remove("my pictures");
  const gone = await project.cli(["plan", "p.yaml"]);
  assertEquals(gone.code, 2);
  assertStringIncludes(gone.stderr, "cannot read path");
});
