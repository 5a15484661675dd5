import { assertEquals, assertStringIncludes } from "@std/assert";
import { dirname, join } from "node:path";
import { encodePng } from "../../../science/formats/png_encoder.ts";
import { classesOf } from "../../../stages/dataset/folders.ts";
import { datasetKind } from "../../support/builtin_kinds.ts";
import { readImages } from "../../../artifacts/images.ts";
import { Project } from "../../support/project.ts";
import { runStage } from "../../support/stage_context.ts";
import { runCli } from "../cli/capture.ts";
import { withFolder } from "./small_world.ts";

const PNG = encodePng({ width: 4, height: 4, channels: 3, data: new Uint8Array(48).fill(7) });

/** Files below a folder: images if the name says so, `->` for a link, and `/` at the end for an empty folder. */
const LAYOUTS: Readonly<Record<string, readonly string[]>> = {
  plain: ["b/1.png", "b/2.png", "a/1.png", "c/1.JPG"],
  "numbers in code-unit order": ["2/1.png", "10/1.png", "1/1.png"],
  deep: ["a/x/y/1.png", "a/x/2.png", "b/1.png"],
  "empty and other folders": ["a/1.png", "b/1.png", "empty/", "text/readme.txt", "deeper/none/"],
  hidden: ["a/1.png", "b/1.png", ".git/1.png", "b/.DS_Store", ".x.png"],
  accents: ["Möwe/1.png", "Äpfel/1.png"],
  "beside text": ["a/1.png", "b/1.png", "labels.csv"],
  "one class": ["only/1.png", "only/2.png"],
  loose: ["1.png", "2.png", "3.png"],
  "loose and text folders": ["1.png", "2.png", "notes/a.txt"],
  "a linked class": ["a/1.png", "b -> a"],
  "a link in a class": ["a/1.png", "b/1.png", "b/2.png -> 1.png"],
};
/** Folders whose names alone do not determine the labels; a run accepts some and refuses others. */
const UNSURE: Readonly<Record<string, readonly string[]>> = {
  mixed: ["a/1.png", "b/1.png", "3.png"],
  nothing: ["a/", "readme.txt"],
};

async function lay(root: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const [path, target] = name.split(" -> ") as [string, string?];
    await Deno.mkdir(join(root, name.endsWith("/") ? path : dirname(path)), { recursive: true });
    if (target !== undefined) await Deno.symlink(target, join(root, path));
    else if (!name.endsWith("/")) await Deno.writeFile(join(root, path), PNG);
  }
}

Deno.test("the names of a folder tell the labels that reading it gives, or nothing", async () => {
  for (const [name, files] of Object.entries(LAYOUTS)) {
    await withFolder(async (folder) => {
      await lay(join(folder, "images"), files);
      const params = { source: "folder", path: join(folder, "images"), size: 4 };
      const { outputs } = await runStage(folder, datasetKind, { params });
      const { info: { classes, source } } = await readImages(outputs["train"]!);
      const told = classesOf(params.path);
      assertEquals([told.classes, told.classNames], [classes, source["classNames"]], name);
      const facts = datasetKind.check!(datasetKind.params.parse({ ...params, path: "images" }), {}, {}, folder).facts!;
      assertEquals([facts["train"]!["classes"], facts["test"]!["classNames"]], [classes, source["classNames"]], name);
    });
  }
  for (const [name, files] of Object.entries(UNSURE)) {
    await withFolder(async (folder) => {
      await lay(folder, files);
      assertEquals(classesOf(folder), {}, name);
    });
  }
  assertEquals(classesOf("/no/such/folder"), {});
});

const YAML = `name: demo
stages:
  animals: { uses: dataset, with: { source: folder, path: animals, size: 8, testCount: 1 } }
  schedule: { uses: schedule, with: { betas: ldm/cosine, timesteps: 1250 } }
  train:
    uses: train
    inputs: { images: animals.train, schedule: schedule }
    with:
      steps: 2
      batchSize: 1
      labels: {}
      model: { channels: 4, multipliers: [1], blocks: 1, attention: [] }
  sample:
    uses: sample
    inputs: { checkpoint: train }
    with: { count: 2, labels: [cat, hors], sampler: { name: ddim, steps: 2 } }
`;

Deno.test("a class name that a folder has not is refused by every command before anything runs, with the nearest", async () => {
  await using project = new Project({ files: { "p.yaml": YAML } });
  await lay(project.path("animals"), ["cat/1.png", "cat/2.png", "horse/1.png"]);
  for (const command of ["validate", "plan", "run"]) {
    const { code, error } = await runCli(command, project.path("p.yaml"));
    assertEquals(code, 2, command);
    assertStringIncludes(error, 'p.yaml:16:37: error: stage "sample": the checkpoint has no such label');
    assertStringIncludes(error, "got:    hors");
    assertStringIncludes(error, 'did you mean "horse"?');
  }
  assertEquals(project.exists(".noiseline"), false);
  project.write("p.yaml", YAML.replace("hors]", "horse]"));
  const { code, out } = await runCli("validate", project.path("p.yaml"));
  assertEquals([code, out], [0, `${project.path("p.yaml")}: valid (4 stages)\n`]);
});
