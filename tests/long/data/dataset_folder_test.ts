import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { encodePng } from "../../../science/formats/png_encoder.ts";
import { decodeSafetensors } from "../../../science/formats/safetensors.ts";
import { Project } from "../../support/project.ts";

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
  // A moved folder has the same content.
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

/** A class-conditional network with folders as classes, and samples by names of folders. */
const BY_CLASS = (labels: string) =>
  `name: demo
stages:
  pictures:
    uses: dataset
    with: { source: folder, path: animals, size: 8, testCount: 2 }
  noise:
    uses: schedule
    with: { betas: ldm/cosine, timesteps: 10 }
  train:
    uses: train
    inputs: { images: pictures.train, schedule: noise }
    with: { steps: 2, batchSize: 2, learningRate: 1e-3, labels: {}, model: { channels: 4, multipliers: [1], blocks: 1, attention: [] } }
  classifier:
    uses: classifier
    inputs: { images: pictures.train, test: pictures.test }
    with: { steps: 1, batchSize: 2, base: 2 }
  sample:
    uses: sample
    inputs: { checkpoint: train }
    with: { count: 8, batchSize: 8, labels: ${labels}, sampler: { name: ddim, steps: 2 } }
  score:
    uses: score
    inputs: { real: pictures.train, fake: sample }
    with: { fd: false, perClass: true }
`;

Deno.test("class folders teach a network their names, by which it then draws", async () => {
  await using project = new Project();
  // Names: one with an accent in decomposed form, one with a space, some of digits and one from right to left. A folder
  // without pictures is not a class.
  const names = ["10", "2", "cafe\u0301", "pot plant", "\u05d7\u05ea\u05d5\u05dc"];
  for (const [level, name] of names.entries()) {
    for (const i of [0, 1, 2, 3]) project.write(`animals/${name}/${i}.png`, picture(40 * level + i));
  }
  project.write("animals/empty/.keep", "");
  project.write("animals/notes/readme.txt", "no picture");
  project.write("p.yaml", BY_CLASS('["caf\u00e9", pot plant, "2", 4]'));
  const ran = await project.cli(["run", "p.yaml"]);
  assertEquals(ran.code, 0, ran.stdout + ran.stderr);
  const { labels } =
    decodeSafetensors(Deno.readFileSync(project.path("outputs/demo/sample/images.safetensors"))).tensors;
  assertEquals([...labels!.data], [2, 3, 1, 4, 2, 3, 1, 4]);
  const { metrics } = JSON.parse(project.read("outputs/demo/score/metrics.json"));
  assertEquals(metrics.map(({ label }: { label: string }) => label), names.slice(1));

  // The folder's names reveal the errors before anything runs, in all stages at once.
  const [none, known] = ["the checkpoint has no such label", "0 to 4, or a name"];
  const two = 'label 2 could be the class named "2", or number 2, "cafe\u0301"';
  const WRONG: Readonly<Record<string, readonly [string, string, string, string, string]>> = {
    slip: ["pot plan", "25:83", none, known, 'did you mean "pot plant"?'],
    beyond: ["5", "26:85", none, known, `use one of: ${names.join(", ")}`],
    double: ["2", "27:85", two, "a name", 'write "2" or "cafe\u0301", in quotes'],
  };
  const stages = Object.entries(WRONG).map(([id, [label]]) =>
    `  ${id}: { uses: sample, inputs: { checkpoint: train }, with: { count: 1, labels: [${label}], sampler: { name: ddim, steps: 2 } } }\n`
  );
  project.write("p.yaml", BY_CLASS("cycle") + stages.join(""));
  const refused = await project.cli(["run", "p.yaml", ...Object.keys(WRONG)]);
  assertEquals(refused.code, 2);
  for (const [id, [got, place, message, wanted, fix]] of Object.entries(WRONG)) {
    assertStringIncludes(refused.stderr, `p.yaml:${place}: error: stage "${id}": ${message}\n`);
    assertStringIncludes(refused.stderr, `  got:    ${got}\n  wanted: ${wanted}\n  fix:    ${fix}\n`);
  }
  assertStringIncludes(refused.stderr, "\n3 errors; nothing was run\n");

  // A link within the folder is listed as the run lists it.
  Deno.symlinkSync("0.png", project.path("animals/10/again.png"));
  const linked = await project.cli(["run", "p.yaml", ...Object.keys(WRONG)]);
  assertEquals([linked.code, linked.stderr], [2, refused.stderr]);
});

Deno.test("a label that a known data set does not have is an error before anything runs, with the name that was meant", async () => {
  await using project = new Project();
  const yaml = (labels: string) =>
    `name: demo
stages:
  clothes: { uses: dataset, with: { source: fashion-mnist, size: 8 } }
  noise: { uses: schedule, with: { betas: ldm/cosine, timesteps: 10 } }
  train:
    uses: train
    inputs: { images: clothes.train, schedule: noise }
    with: { steps: 2, batchSize: 2, learningRate: 1e-3, labels: {}, model: { channels: 4, multipliers: [1], blocks: 1, attention: [] } }
  sample: { uses: sample, inputs: { checkpoint: train }, with: { count: 4, labels: ${labels}, sampler: { name: ddim, steps: 2 } } }
`;
  project.write("p.yaml", yaml("[Ankle bot, Bag, 11]"));
  const { code, stdout, stderr } = await project.cli(["validate", "p.yaml"]);
  assertEquals(code, 2);
  // All errors are reported at once, each at its place.
  assertMatch(stdout + stderr, /p\.yaml:9:85: error.*did you mean "Ankle boot"\?.*p\.yaml:9:101: error.*got: {4}11/s);
  project.write("p.yaml", yaml("[Ankle boot, Bag, 3]"));
  const fine = await project.cli(["validate", "p.yaml"]);
  assertEquals(fine.code, 0, fine.stderr);
});
